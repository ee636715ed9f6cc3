namespace AuthSidecar.Risk.Factors;

/// <summary>How much is at stake.</summary>
internal static class ActionFactor
{
    public static RiskFactor Evaluate(RiskInput input)
    {
        var sensitivity = input.Action is { } action ? input.Settings.ActionSensitivity.GetValueOrDefault(action) : 0;
        return RiskFactor.Of(
            "action",
            input.Action?.ToString() ?? "none",
            input.Settings.Weights.Action,
            sensitivity,
            sensitivity > 0 ? "the action is configured as sensitive" : "the action has no configured sensitivity",
            // What somebody wants to do makes an access no less trusted, only more costly to be wrong about.
            isTrusted: true);
    }
}
