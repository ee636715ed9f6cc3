using AuthSidecar.Decisions;

namespace AuthSidecar.Cli.Policies;

/// <summary>What a sidecar would answer, in words: Cedar knows allow and deny alone.</summary>
internal static class DecisionWords
{
    public static string WordOf(Decision decision) => decision switch
    {
        Decision.Allow => "allow",
        Decision.StepUp => "step_up",
        _ => "deny",
    };

    public static int ExitCodeOf(Decision decision) => decision switch
    {
        Decision.Allow => ExitCode.Allow,
        Decision.StepUp => ExitCode.StepUp,
        _ => ExitCode.Deny,
    };

    public static string WordsOf(DecisionReason reason) => reason switch
    {
        DecisionReason.Permitted => "a permit is satisfied, and no forbid",
        DecisionReason.Forbidden => "a forbid is satisfied",
        DecisionReason.ForbidErred => "a forbid erred",
        DecisionReason.StepUpRequired => "a permit is satisfied, and only forbids that a step-up lifts",
        _ => "no permit is satisfied",
    };

    /// <summary>Such as <c>mfa, at most 300 s old</c>, for each forbid that is in the way.</summary>
    public static IEnumerable<string> StepUpsOf(Response response, PolicyRules rules) => response.Reasons
        .Select(rules.AnnotationsOf)
        .Where(a => a.StepUpMethod is not null)
        .Select(a => a.StepUpMaxAgeSeconds == 0 ? a.StepUpMethod!
            : string.Create(CultureInfo.InvariantCulture, $"{a.StepUpMethod}, at most {a.StepUpMaxAgeSeconds} s old"))
        .Distinct();
}
