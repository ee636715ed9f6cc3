namespace AuthSidecar.Cedar;

/// <summary>A policy: static, or a template linked to the entities its slots stand for.</summary>
/// <remarks>Immutable, compiled, and safe to share between threads.</remarks>
public sealed class Policy
{
    // The body's, at hand: a decision asks many policies.
    private readonly Node? _condition;

    internal Policy(string id, Template body, CompiledScope scope, bool isLinked)
    {
        (Id, Body, Scope, _condition, Effect) = (id, body, scope, body.Condition, body.Syntax.Effect);
        TemplateId = isLinked ? body.Id : null;
    }

    internal Template Body { get; }
    internal PolicySyntax Syntax => Body.Syntax;

    /// <summary>The id, unique in its policy set.</summary>
    public string Id { get; }

    /// <summary>The template this is a link of, if it is one.</summary>
    public string? TemplateId { get; }

    /// <summary>What the policy does when it is satisfied.</summary>
    public Effect Effect { get; }

    /// <summary>The annotations in the order they were written; one without a text has null.</summary>
    public IReadOnlyList<KeyValuePair<string, string?>> Annotations => Syntax.Annotations;

    /// <summary>The text this was read from.</summary>
    public SourceText Source => Body.Source;

    /// <summary>Where in the text the policy stands, annotations included.</summary>
    public SourceSpan Span => Syntax.Span;

    /// <summary>The line and column where the policy begins, both from 1.</summary>
    public (int Line, int Column) Position => Source.PositionOf(Span.Start);

    /// <summary>Finds an annotation; one without a text is the empty string.</summary>
    public bool TryGetAnnotation(string key, [NotNullWhen(true)] out string? text)
    {
        foreach (var annotation in Annotations)
        {
            if (string.Equals(annotation.Key, key, StringComparison.Ordinal))
            {
                text = annotation.Value ?? "";
                return true;
            }
        }

        text = null;
        return false;
    }

    /// <summary>How many conditions there are.</summary>
    public int ConditionCount => Conditions.Count;

    /// <summary>A condition in Cedar syntax, on a line.</summary>
    /// <param name="index">Which one, from 0.</param>
    public string ConditionText(int index) => PolicyPrinter.Print(Conditions[index]);

    internal IReadOnlyList<Condition> Conditions => Syntax.Conditions;

    /// <summary>The policy in Cedar syntax, on a line; of a link, its template.</summary>
    public override string ToString() => PolicyPrinter.Print(Syntax);

    internal CompiledScope Scope { get; }

    /// <summary>Evaluates the conditions in order, for a request that the scope fits.</summary>
    internal ConditionResult EvaluateConditions(ref Frame frame) => _condition is null ? ConditionResult.True
        : _condition.EvaluateCondition(ref frame);
}

/// <summary>A policy with slots, to be linked; or the body of a static policy, which is a template without slots.</summary>
/// <remarks>Immutable: all links share its compiled conditions.</remarks>
public sealed class Template
{
    internal Template(string id, PolicySyntax syntax, SourceText source)
    {
        (Id, Syntax, Source, Condition) = (id, syntax, source, Compiler.Compile(syntax.Conditions));
    }

    /// <summary>The id, unique in its policy set.</summary>
    public string Id { get; }

    /// <summary>Whether <c>?principal</c> has to be given.</summary>
    public bool HasPrincipalSlot => Syntax.Principal.HasSlot;

    /// <summary>Whether <c>?resource</c> has to be given.</summary>
    public bool HasResourceSlot => Syntax.Resource.HasSlot;

    /// <summary>The template in Cedar syntax, on a line.</summary>
    public override string ToString() => PolicyPrinter.Print(Syntax);

    internal PolicySyntax Syntax { get; }
    internal SourceText Source { get; }

    /// <summary>All conditions in one; null where there is none.</summary>
    internal Node? Condition { get; }
}
