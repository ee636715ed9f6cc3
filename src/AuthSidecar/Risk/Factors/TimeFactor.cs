namespace AuthSidecar.Risk.Factors;

/// <summary>Whether the subject is usually active at this hour of its own day.</summary>
internal static class TimeFactor
{
    // Fewer sightings than this teach nothing.
    private const int FewestSightings = 20;

    // An hour (with its two neighbours, for habits do not keep to the hour) in which less than this share of all sightings fell is unusual.
    private const double UnusualShare = 0.02;

    public static RiskFactor Evaluate(RiskInput input)
    {
        var weight = input.Settings.Weights.Time;
        if (input.Profile?.Hours is not { } hours || hours.Sum() < FewestSightings)
            return RiskFactor.Of("time", "not learned", weight, 0.5, "no usual hours known yet", isTrusted: true);

        var local = TimeZoneInfo.ConvertTime(input.Time, input.Profile.TimeZone);
        var nearby = hours[(local.Hour + 23) % 24] + hours[local.Hour] + hours[(local.Hour + 1) % 24];
        var share = (double)nearby / hours.Sum();
        var value = local.ToString("HH:mm", CultureInfo.InvariantCulture);
        return share >= UnusualShare
            ? RiskFactor.Of("time", value, weight, 0, "the subject is often active at this hour of its day", isTrusted: true)
            : RiskFactor.Of("time", value, weight, 1, "the subject is hardly ever active at this hour of its day", isTrusted: false);
    }
}
