namespace AuthSidecar.Cedar;

/// <summary>How a policy came out for a request.</summary>
public enum PolicyOutcome
{
    /// <summary>The scope is about other principals, actions or resources.</summary>
    ScopeDoesNotMatch = 0,

    /// <summary>A <c>when</c> was false or an <c>unless</c> true.</summary>
    ConditionDoesNotHold,

    /// <summary>A condition erred; the policy was skipped.</summary>
    Error,

    /// <summary>The policy applies.</summary>
    Satisfied,
}

/// <summary>How a policy came out for a request, and by which of its parts.</summary>
/// <param name="Policy">The policy.</param>
/// <param name="Outcome">How it came out.</param>
/// <param name="Scope">The three tests of the scope.</param>
/// <param name="Conditions">The conditions, as far as they were reached: none when the scope does not match.</param>
/// <param name="Remedy">What would have to be otherwise for the policy to be satisfied, or of one that is satisfied, for it not to be: a
/// clause for people, such as <c>`context.mfa` were true</c>, to be put behind an "if". Null where nothing in the request or the entities
/// would do.</param>
public sealed record PolicyTrace(
    Policy Policy, PolicyOutcome Outcome, IReadOnlyList<PartTrace> Scope, IReadOnlyList<PartTrace> Conditions, string? Remedy)
{
    /// <summary>The condition that did not hold or erred, in the policy's source.</summary>
    public SourceSpan? Condition => Outcome is PolicyOutcome.ConditionDoesNotHold or PolicyOutcome.Error ? Conditions[^1].Span : null;

    /// <summary>What went wrong, if something did.</summary>
    public EvaluationError? Error => Outcome == PolicyOutcome.Error ? Conditions[^1].Error : null;
}

/// <summary>How a test of the scope or a condition came out.</summary>
/// <param name="Text">The part in Cedar syntax.</param>
/// <param name="Span">Where a condition stands in the policy's source; null for a test of the scope.</param>
/// <param name="Holds">Whether it holds; an <c>unless</c> holds when what is in it is false.</param>
/// <param name="Error">What went wrong, if something did.</param>
/// <param name="Operands">What the part asks about, and what that was.</param>
public sealed record PartTrace(string Text, SourceSpan? Span, bool Holds, EvaluationError? Error, IReadOnlyList<OperandTrace> Operands);

/// <summary>Something that a policy asks about, and its value.</summary>
/// <param name="Text">Such as <c>resource.owner</c>.</param>
/// <param name="Value">The value; none where it has none.</param>
/// <param name="Error">Why it has none.</param>
public sealed record OperandTrace(string Text, Value Value, EvaluationError? Error);
