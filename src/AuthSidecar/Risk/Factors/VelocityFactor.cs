namespace AuthSidecar.Risk.Factors;

/// <summary>How many requests of the subject this sidecar has seen within a minute.</summary>
internal static class VelocityFactor
{
    public static RiskFactor Evaluate(RiskInput input)
    {
        var weight = input.Settings.Weights.Velocity;
        if (input.Activity.RequestsPerMinute is not { } count)
            return RiskFactor.Of("velocity", "missing", weight, 1, "more subjects are active than can be counted", isTrusted: false);

        // Nothing up to half of the bound, then in proportion.
        var share = (double)count / input.Settings.MaxRequestsPerMinute;
        var value = string.Create(CultureInfo.InvariantCulture, $"{count}/min");
        return RiskFactor.Of(
            "velocity", value, weight, (2 * share) - 1, "requests of the subject within the last minute", isTrusted: share < 1);
    }
}
