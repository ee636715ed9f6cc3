namespace AuthSidecar.Risk.Factors;

/// <summary>How many wrong second factors the subject has given since the last right one.</summary>
internal static class FailuresFactor
{
    public static RiskFactor Evaluate(RiskInput input)
    {
        var weight = input.Settings.Weights.Failures;
        if (input.Activity.Failures is not { } count)
            return RiskFactor.Of("failures", "missing", weight, 1, "failures of second factors cannot be counted", isTrusted: false);

        var share = (double)count / input.Settings.MaxFailures;
        var value = count.ToString(CultureInfo.InvariantCulture);
        return RiskFactor.Of("failures", value, weight, share, "wrong second factors since the last right one", isTrusted: share < 1);
    }
}
