namespace AuthSidecar.Risk.Factors;

/// <summary>Whether the subject is usually there.</summary>
internal static class LocationFactor
{
    public static RiskFactor Evaluate(RiskInput input)
    {
        var weight = input.Settings.Weights.Location;
        if (input.Location is not { } here && input.Country is null)
            return Of("missing", 0.5, "location unknown", trusted: false);

        if (input.ContradictionKm is { } km)
        {
            return Of("contradictory", 1, string.Create(
                CultureInfo.InvariantCulture, $"the device reports a place {km:F0} km away from its address"), trusted: false);
        }

        if (input.Profile is not { } profile || (profile.Places.Count == 0 && profile.Countries.Count == 0))
            return Of("not learned", 0.5, "no usual location known yet", trusted: false);

        if (input.Location is { } place && profile.Places.Any(p => p.GapKmTo(place) <= 0))
            return Of("usual place", 0, "the subject is often there", trusted: true);

        return input.Country is { } country && profile.Countries.Contains(country, StringComparer.OrdinalIgnoreCase)
            ? Of("usual country", 0.3, "a new place in a country the subject is often in", trusted: true)
            : Of("new", 1, "the subject was never seen there", trusted: false);

        RiskFactor Of(string value, double severity, string explanation, bool trusted) =>
            RiskFactor.Of("location", value, weight, severity, explanation, trusted);
    }
}
