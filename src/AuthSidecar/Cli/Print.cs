using Grpc.Health.V1;

namespace AuthSidecar.Cli;

/// <summary>Prints answers for people, and gives the exit code that says the same to a script.</summary>
internal static class Print
{
    public static int Token(V1.ValidateTokenResponse response, TextWriter output)
    {
        if (!response.Valid)
        {
            output.WriteLine($"not valid: {Words(response.Reason)}{InBrackets(response.Detail)}");
            return ExitCode.Deny;
        }

        output.WriteLine($"valid: {response.Subject}, from {response.Issuer}, until {response.ExpiresAt.ToDateTimeOffset():u}");
        WriteIfAny(output, "scopes", response.Scopes);
        return ExitCode.Allow;
    }

    public static int Decision(V1.CheckPermissionResponse response, TextWriter output)
    {
        var exitCode = response.Decision switch
        {
            V1.Decision.Allow => ExitCode.Allow,
            V1.Decision.StepUp => ExitCode.StepUp,
            _ => ExitCode.Deny,
        };
        var rejection = response.Reason == V1.DecisionReason.TokenRejected ? $", {Words(response.TokenRejection)}" : "";
        output.WriteLine($"{Words(response.Decision)}: {Words(response.Reason)}{rejection}{InBrackets(response.Detail)}");
        WriteIfAny(output, "policies", response.DeterminingPolicies.Select(p => p.PolicyId));
        WriteIfAny(output, "step up with", response.StepUp?.Methods ?? []);
        WriteIfAny(output, "obligations", response.Obligations.Select(o => $"{o.Name}({o.Value})"));
        WriteIfAny(output, "errors", response.PolicyErrors.Select(e => $"{e.Location}: {e.Message}"));
        if (response.MfaProofRejection != V1.TokenRejection.Unspecified)
            output.WriteLine($"  mfa proof: not accepted, {Words(response.MfaProofRejection)}");

        foreach (var trace in response.Explanation)
        {
            output.WriteLine(
                $"  {Words(trace.Outcome),-26} {Words(trace.Effect)} {trace.PolicyId} "
                    + $"({trace.Location}){(trace.Error.Length > 0 ? $": {trace.Error}" : "")}");
            if (trace.Condition.Length > 0)
                output.WriteLine($"    {trace.Condition.ReplaceLineEndings("\n    ")}");
        }

        if (response.Risk is not null)
            Assessment(response.Risk, output);

        return exitCode;
    }

    public static int Risk(V1.EvaluateRiskResponse response, TextWriter output)
    {
        Assessment(response.Assessment, output);
        return response.Assessment.RecommendedDecision switch
        {
            V1.Decision.Allow => ExitCode.Allow,
            V1.Decision.StepUp => ExitCode.StepUp,
            _ => ExitCode.Deny,
        };
    }

    public static int Mfa(V1.VerifyMfaResponse response, TextWriter output)
    {
        if (response.Verified)
        {
            output.WriteLine($"verified, until {response.ProofExpiresAt.ToDateTimeOffset():u}; the proof:");
            output.WriteLine(response.Proof);
            return ExitCode.Allow;
        }

        var locked = response.LockedUntil is { } until ? $", locked until {until.ToDateTimeOffset():u}" : "";
        output.WriteLine($"not verified: {Words(response.Reason)}, {response.AttemptsLeft} attempts left{locked}");
        return ExitCode.Deny;
    }

    public static int Health(HealthCheckResponse response, TextWriter output)
    {
        output.WriteLine(Words(response.Status));
        return response.Status == HealthCheckResponse.Types.ServingStatus.Serving ? ExitCode.Success : ExitCode.Deny;
    }

    private static void Assessment(V1.RiskAssessment risk, TextWriter output)
    {
        output.WriteLine($"risk {risk.Score} of 100, {Words(risk.Level)}; recommended: {Words(risk.RecommendedDecision)}");
        foreach (var factor in risk.Factors)
        {
            output.WriteLine(
                $"  {factor.Contribution,3:F0} of {factor.Weight,3:F0}  {factor.Name,-9} {factor.Value}: {factor.Explanation}");
        }
    }

    private static void WriteIfAny(TextWriter output, string label, IEnumerable<string> items)
    {
        var text = string.Join(", ", items);
        if (text.Length > 0)
            output.WriteLine($"  {label}: {text}");
    }

    private static string InBrackets(string detail) => detail.Length == 0 ? "" : $" ({detail})";

    /// <summary><c>StepUpRequired</c> as <c>step up required</c>.</summary>
    private static string Words<T>(T value)
        where T : struct, Enum
    {
        var name = value.ToString();
        return string.Concat(
            name.Select((c, i) => char.IsUpper(c) && i > 0 ? $" {char.ToLowerInvariant(c)}" : char.ToLowerInvariant(c).ToString()));
    }
}
