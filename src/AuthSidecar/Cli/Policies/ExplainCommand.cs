using AuthSidecar.Decisions;

namespace AuthSidecar.Cli.Policies;

/// <summary><c>policies explain</c>: a decision, the policies that determined it, and what would have turned it.</summary>
internal static class ExplainCommand
{
    // More would bury the answer.
    private const int NearestShown = 3;
    private const int GroupsShown = 20;

    public static Command Create()
    {
        var options = new RequestOptions();
        var all = CliOption.Flag("--all", "Show every policy, also those that have nothing to do with the request.");
        var command = new Command(
            "explain", "Decide a request as a sidecar does, and explain why, and what would change the decision.") { all }
            .WithExamples(
                "authsidecar policies explain --bundle app --principal 'User::\"alice\"' --action delete --resource 'Document::\"plan\"'")
            .WithExitCodes((0, "allow"), (1, "deny"), (2, "error"), (3, "step-up"));
        options.AddTo(command);
        command.SetAction(parsed => CliErrors.Guard(() => Explain(options.Read(parsed), parsed.GetValue(all), Console.Out)));
        return command;
    }

    public static int Explain(Question question, bool showAll, TextWriter output)
    {
        var (policies, entities, request) = (question.Policies, question.Entities, question.Request);
        var response = Authorizer.IsAuthorized(policies, entities, request);
        var traces = policies.Policies.Select(p => Explainer.Explain(p, entities, request)).ToList();
        var (decision, reason) = DecisionPoint.ToDecision(response, question.Rules);
        output.WriteLine($"{DecisionWords.WordOf(decision)}: {DecisionWords.WordsOf(reason)}");
        foreach (var method in decision == Decision.StepUp ? DecisionWords.StepUpsOf(response, question.Rules) : [])
            output.WriteLine($"  step up with {method}");

        WriteGroups(request.Principal, entities, output);
        var determining = traces.FindAll(t => response.Reasons.Contains(t.Policy));
        Write("determined by", determining, output);
        Write("erred", traces.FindAll(t => t.Outcome == PolicyOutcome.Error), output);
        if (response.Decision == Cedar.Decision.Deny && !response.HasSatisfiedPermit)
            Write("nearest permit", Nearest(traces, showAll ? int.MaxValue : NearestShown), output);

        if (showAll)
        {
            Write("does not apply", traces.FindAll(t => t.Outcome is PolicyOutcome.ScopeDoesNotMatch or PolicyOutcome.ConditionDoesNotHold),
                output);
        }

        return DecisionWords.ExitCodeOf(decision);
    }

    /// <summary>What the principal is in: mostly its roles, on which most policies hang.</summary>
    private static void WriteGroups(EntityUid principal, EntityStore entities, TextWriter output)
    {
        if (!entities.TryGetEntity(principal, out _))
        {
            output.WriteLine($"  principal {principal} not found among the entities");
        }
        else if (entities.AncestorsOf(principal).Select(g => g.ToString()).Order(StringComparer.Ordinal).ToList() is { Count: > 0 } groups)
        {
            output.WriteLine(
                $"  principal {principal} is in {string.Join(", ", groups.Take(GroupsShown))}"
                    + $"{(groups.Count > GroupsShown ? $", and {groups.Count - GroupsShown} more" : "")}");
        }
    }

    /// <summary>Those of which the most holds: first those whose scope matches, then those of which fewer tests fail. An action in common
    /// counts most.</summary>
    private static List<PolicyTrace> Nearest(List<PolicyTrace> traces, int most) =>
    [
        .. traces
            .Where(t => t.Policy.Effect == Effect.Permit
                && t.Outcome is PolicyOutcome.ScopeDoesNotMatch or PolicyOutcome.ConditionDoesNotHold)
            .OrderBy(t => t.Scope.Count(s => !s.Holds))
            .ThenBy(t => t.Scope.Any(s => !s.Holds && s.Text.StartsWith("action", StringComparison.Ordinal)))
            .Take(most),
    ];

    private static void Write(string title, List<PolicyTrace> traces, TextWriter output)
    {
        foreach (var trace in traces)
        {
            var (line, column) = trace.Policy.Position;
            output.WriteLine();
            output.WriteLine(
                $"{title}: {(trace.Policy.Effect == Effect.Permit ? "permit" : "forbid")} {trace.Policy.Id} "
                    + $"({trace.Policy.Source.Name}:{line}:{column})");
            output.WriteLine($"    {Indented(trace.Policy.Source[trace.Policy.Span])}");
            foreach (var part in trace.Outcome == PolicyOutcome.Satisfied ? trace.Conditions : trace.Scope.Concat(trace.Conditions))
                Write(part, output);

            if (trace.Remedy is { } remedy)
                output.WriteLine($"  it would {(trace.Outcome == PolicyOutcome.Satisfied ? "not apply" : "apply")} if {remedy}");
        }
    }

    private static void Write(PartTrace part, TextWriter output)
    {
        // `unless { x }` holds where x does not, which reads backwards.
        var isUnless = part.Error is null && part.Text.StartsWith("unless", StringComparison.Ordinal);
        var more = part.Error is { } error ? $": {error.Message}" : isUnless ? $": its condition is {(part.Holds ? "false" : "true")}" : "";
        output.WriteLine($"  {(part.Error is not null ? "error" : part.Holds ? "holds" : "fails")}  {part.Text}{more}");
        foreach (var operand in part.Operands)
        {
            output.WriteLine(
                $"           {operand.Text} "
                    + $"{(operand.Error is { } missing ? $"has no value: {missing.Message}" : $"is {operand.Value}")}");
        }
    }

    private static string Indented(string text) => text.ReplaceLineEndings("\n    ");
}
