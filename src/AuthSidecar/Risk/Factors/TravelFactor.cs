namespace AuthSidecar.Risk.Factors;

/// <summary>Whether anyone could have come here from where the subject was last, even where both places are only roughly known.</summary>
internal static class TravelFactor
{
    // Two sightings closer than this are one for the purpose of speed: clocks differ.
    private static readonly TimeSpan ShortestInterval = TimeSpan.FromMinutes(1);

    public static RiskFactor Evaluate(RiskInput input)
    {
        var weight = input.Settings.Weights.Travel;
        if (input.Location is not { } here || input.Profile?.LastSeen is not { Place.AccuracyKm: <= Place.MaxAddressAccuracyKm } last)
            return Of("missing", 0.1, "no previous location to compare with", trusted: true);

        if (input.ContradictionKm is not null)
            return Of("uncertain", 0.5, "the device and its address are in different places", trusted: false);

        var distanceKm = last.Place.GapKmTo(here);
        if (distanceKm <= input.Settings.TravelToleranceKm)
            return Of("near", 0, "the subject was last seen near here", trusted: true);

        // A time before the last sighting is as suspect as one right after it: the interval counts, not its sign.
        var interval = (input.Time - last.At).Duration();
        var hours = (interval < ShortestInterval ? ShortestInterval : interval).TotalHours;
        var kmPerHour = distanceKm / hours;
        var value = string.Create(CultureInfo.InvariantCulture, $"{kmPerHour:F0} km/h");
        return kmPerHour > input.Settings.MaxTravelKmPerHour
            ? Of(value, 1, "impossible travel since the subject was last seen", trusted: false)
            : Of(value, 0, "the subject may have travelled here since last seen", trusted: true);

        RiskFactor Of(string value, double severity, string explanation, bool trusted) =>
            RiskFactor.Of("travel", value, weight, severity, explanation, trusted);
    }
}
