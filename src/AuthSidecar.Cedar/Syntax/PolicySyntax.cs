namespace AuthSidecar.Cedar;

/// <summary>The syntax tree of a policy or template.</summary>
internal sealed record PolicySyntax(
    Effect Effect,
    IReadOnlyList<KeyValuePair<string, string?>> Annotations,
    ScopeConstraint Principal,
    ScopeConstraint Action,
    ScopeConstraint Resource,
    IReadOnlyList<Condition> Conditions,
    SourceSpan Span)
{
    public bool IsTemplate => Principal.HasSlot || Resource.HasSlot;
}

/// <summary>A <c>when</c> or <c>unless</c> clause.</summary>
internal sealed record Condition(bool IsUnless, Expr Body, SourceSpan Span);

internal enum ScopeOperator : byte
{
    Any = 0,
    Equal,
    In,
    Is,
    IsIn,

    /// <summary><c>action in [..]</c>.</summary>
    InAny,
}

/// <summary>What the scope says about the principal, the action or the resource.</summary>
/// <param name="Operator">The form.</param>
/// <param name="Type">The type of <c>is</c>.</param>
/// <param name="Entities">The entity compared with, or the several of <c>action in [..]</c>; none where a slot stands.</param>
/// <param name="HasSlot">Whether <c>?principal</c> or <c>?resource</c> stands in place of the entity.</param>
/// <param name="Span">Where it stands; none where there is nothing to be found.</param>
/// <param name="TypeSpan">Where the type stands.</param>
/// <param name="EntitySpans">Where the entities stand.</param>
internal sealed record ScopeConstraint(
    ScopeOperator Operator,
    string? Type = null,
    IReadOnlyList<EntityUid>? Entities = null,
    bool HasSlot = false,
    SourceSpan? Span = null,
    SourceSpan? TypeSpan = null,
    IReadOnlyList<SourceSpan>? EntitySpans = null)
{
    public static readonly ScopeConstraint Any = new(ScopeOperator.Any);

    public EntityUid Entity => Entities![0];
}
