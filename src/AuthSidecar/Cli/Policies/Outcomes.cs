using System.Globalization;
using AuthSidecar.Cedar;
using AuthSidecar.Decisions;

namespace AuthSidecar.Cli.Policies;

/// <summary>What a sidecar would answer, in words: Cedar knows allow and deny alone.</summary>
internal static class Outcomes
{
    public static string WordOf(Outcome outcome) => outcome switch
    {
        Outcome.Allow => "allow",
        Outcome.StepUp => "step_up",
        _ => "deny",
    };

    public static int ExitCodeOf(Outcome outcome) => outcome switch
    {
        Outcome.Allow => ExitCode.Allow,
        Outcome.StepUp => ExitCode.StepUp,
        _ => ExitCode.Deny,
    };

    public static string WordsOf(Reason reason) => reason switch
    {
        Reason.Permitted => "a permit is satisfied, and no forbid",
        Reason.Forbidden => "a forbid is satisfied",
        Reason.ForbidErred => "a forbid erred",
        Reason.StepUpRequired => "a permit is satisfied, and only forbids that a step-up lifts",
        _ => "no permit is satisfied",
    };

    /// <summary>Such as <c>mfa, at most 300 s old</c>, for each forbid that is in the way.</summary>
    public static IEnumerable<string> StepUpsOf(Response response, PolicyRules rules) => response.Reasons
        .Select(rules.AnnotationsOf)
        .Where(a => a.StepUpMethod is not null)
        .Select(a => a.StepUpMaxAgeSeconds == 0 ? a.StepUpMethod! : string.Create(CultureInfo.InvariantCulture, $"{a.StepUpMethod}, at most {a.StepUpMaxAgeSeconds} s old"))
        .Distinct();
}
