namespace AuthSidecar.Cedar;

/// <summary>The syntax tree of a schema: namespaces, in whose declarations no name is resolved yet.</summary>
internal sealed record NamespaceSyntax(string Name, SourceSpan Span)
{
    public IReadOnlyList<KeyValuePair<string, string?>> Annotations { get; init; } = [];
    public List<EntitySyntax> Entities { get; } = [];
    public List<ActionSyntax> Actions { get; } = [];
    public List<CommonTypeSyntax> CommonTypes { get; } = [];
}

/// <summary><c>entity A, B in [C] = { … } tags T;</c>, or <c>entity A enum ["x"];</c>, one of the names at a time.</summary>
internal sealed record EntitySyntax(
    string Name,
    IReadOnlyList<NameSyntax> MemberOf,
    TypeSyntax? Shape,
    TypeSyntax? Tags,
    IReadOnlyList<string>? EnumIds,
    IReadOnlyList<KeyValuePair<string, string?>> Annotations,
    SourceSpan Span)
{
    /// <summary><c>external entity A in [C];</c>: another schema defines it (RFC 116).</summary>
    public bool IsExternal { get; init; }
}

/// <summary><c>action a in [b] appliesTo { … };</c>, one of the names at a time.</summary>
internal sealed record ActionSyntax(
    string Id,
    IReadOnlyList<ActionParentSyntax> MemberOf,
    AppliesToSyntax? AppliesTo,
    IReadOnlyList<KeyValuePair<string, string?>> Annotations,
    SourceSpan Span)
{
    /// <summary><c>external action a in [b];</c>: another schema defines it (RFC 116).</summary>
    public bool IsExternal { get; init; }
}

/// <summary>A parent of an action: by id alone it is of the same namespace, or else of the empty one.</summary>
internal sealed record ActionParentSyntax(string? Type, string Id, SourceSpan Span);

internal sealed record AppliesToSyntax(IReadOnlyList<NameSyntax> Principals, IReadOnlyList<NameSyntax> Resources, TypeSyntax? Context);

internal sealed record CommonTypeSyntax(
    string Name, TypeSyntax Type, IReadOnlyList<KeyValuePair<string, string?>> Annotations, SourceSpan Span);

/// <summary>A name that is to be resolved.</summary>
internal sealed record NameSyntax(string Path, SourceSpan Span);

internal abstract record TypeSyntax(SourceSpan Span)
{
    public sealed record Named(string Path, SourceSpan Span, NameKind Kind = NameKind.Any) : TypeSyntax(Span);

    public sealed record Set(TypeSyntax Element, SourceSpan Span) : TypeSyntax(Span);

    public sealed record Record(IReadOnlyList<AttributeSyntax> Attributes, SourceSpan Span) : TypeSyntax(Span);
}

internal sealed record AttributeSyntax(
    string Name, TypeSyntax Type, bool IsRequired, IReadOnlyList<KeyValuePair<string, string?>> Annotations);

/// <summary>What a name may stand for. In Cedar syntax nothing tells; in JSON something may.</summary>
internal enum NameKind : byte
{
    Any = 0,
    Entity,
    Common,
    BuiltIn,
}
