namespace AuthSidecar.Bundles;

/// <summary>The annotations that the sidecar gives a meaning to.</summary>
/// <param name="StepUpMethod"><c>@step_up("method")</c> on a forbid: the method that would lift it.</param>
/// <param name="StepUpMaxAgeSeconds"><c>@step_up_max_age_s("300")</c>: how old that authentication may be; 0: not said.</param>
/// <param name="Obligations"><c>@obligation_NAME("value")</c>: what the caller must do along with the decision.</param>
internal sealed record PolicyAnnotations(
    string? StepUpMethod, int StepUpMaxAgeSeconds, IReadOnlyList<KeyValuePair<string, string>> Obligations)
{
    private const string StepUp = "step_up";
    private const string StepUpMaxAge = "step_up_max_age_s";
    private const string ObligationPrefix = "obligation_";

    private static readonly string[] Known = ["id", StepUp, StepUpMaxAge];
    public static readonly PolicyAnnotations None = new(null, 0, []);

    /// <summary>Reads them, and reports what can only be a mistake.</summary>
    public static PolicyAnnotations Read(Policy policy, List<Fault> faults)
    {
        string? method = null;
        var maxAgeSeconds = 0;
        var obligations = new List<KeyValuePair<string, string>>();
        foreach (var (key, text) in policy.Annotations)
        {
            switch (key)
            {
                case StepUp when policy.Effect != Effect.Forbid:
                    Fail($"`@{StepUp}` on a permit has no meaning", "annotate the forbid that a step-up would lift");
                    break;
                case StepUp when string.IsNullOrEmpty(text):
                    Fail($"`@{StepUp}` does not name a method", $"write `@{StepUp}(\"mfa\")`");
                    break;
                case StepUp: method = text; break;
                case StepUpMaxAge when int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out maxAgeSeconds)
                    && maxAgeSeconds > 0:
                    break;
                case StepUpMaxAge:
                    Fail($"`@{StepUpMaxAge}` is not a number of seconds above 0", $"write `@{StepUpMaxAge}(\"300\")`");
                    break;
                case var _ when key.StartsWith(ObligationPrefix, StringComparison.Ordinal):
                    obligations.Add(new(key[ObligationPrefix.Length..], text ?? ""));
                    break;
                case var _ when Known.FirstOrDefault(k => k != key && Fold(k) == Fold(key)) is { } meant:
                    Fail($"unknown annotation `@{key}`", $"did you mean `@{meant}`?");
                    break;
            }
        }

        if (maxAgeSeconds > 0 && method is null)
            Fail($"`@{StepUpMaxAge}` without `@{StepUp}` has no meaning", $"add `@{StepUp}(\"mfa\")`, or remove it");

        return method is null && obligations.Count == 0 ? None : new PolicyAnnotations(method, maxAgeSeconds, obligations);

        // `@stepUp`, `@step-up` cannot be written; `@stepup` and `@Id` can.
        static string Fold(string key) => key.Replace("_", "", StringComparison.Ordinal).ToUpperInvariant();

        void Fail(string message, string help) =>
            faults.Add(new Fault(policy.Source.Name, policy.Position.Line, policy.Position.Column, message, help));
    }
}
