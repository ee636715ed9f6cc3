namespace AuthSidecar.Cedar;

/// <summary>Rewrites the declarations of schemas so that they mean the same beside those of others: with full names, and common types
/// inlined. Common types of common types are short to write and not when inlined: of all schemas together there may be so many types, and
/// no more.</summary>
internal sealed class SchemaInliner(int maxTypes, List<Fault> faults)
{
    // A piece of syntax that several declarations share stays one.
    private readonly Dictionary<object, object> _shared = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<TypeSyntax, (TypeSyntax Inlined, int Count)> _inlined = new(ReferenceEqualityComparer.Instance);
    private int _typesLeft = maxTypes;
    private SourceText? _source;
    private SchemaNames? _names;
    private NamespaceSyntax? _into;
    private int _depth;

    /// <summary>Where a namespace names the type of the empty one's actions: no full name tells that from its own, should it come to have
    /// any.</summary>
    public List<(SourceText Source, string Namespace, SourceSpan Span)> ActionTypeUses { get; } = [];

    /// <summary>Rewrites the declarations of a schema.</summary>
    /// <returns>Of no use beside faults.</returns>
    public List<NamespaceSyntax> Inline(PartialSchema schema)
    {
        _source = schema.Source;
        _names = new SchemaNames(_source, schema.Declared.Syntax, faults);
        return [.. schema.Declared.Syntax.Select(Inline)];
    }

    private NamespaceSyntax Inline(NamespaceSyntax ns)
    {
        _into = new NamespaceSyntax(ns.Name, ns.Span) { Annotations = ns.Annotations };
        _into.Entities.AddRange(ns.Entities.Select(e => e with
        {
            MemberOf = Inline(e.MemberOf, ns.Name),
            Shape = e.Shape is null ? null : InlineRecord(e.Shape, ns.Name),
            Tags = e.Tags is null ? null : Inline(e.Tags, ns.Name),
        }));
        _into.Actions.AddRange(ns.Actions.Select(a => a with
        {
            MemberOf = Once(a.MemberOf, () => a.MemberOf.Select(p => Inline(p, ns.Name)).ToArray()),
            AppliesTo = a.AppliesTo is not { } appliesTo ? null : new AppliesToSyntax(
                Inline(appliesTo.Principals, ns.Name),
                Inline(appliesTo.Resources, ns.Name),
                appliesTo.Context is null ? null : InlineRecord(appliesTo.Context, ns.Name)),
        }));
        return _into;
    }

    private NameSyntax[] Inline(IReadOnlyList<NameSyntax> names, string ns) =>
        Once(names, () => names.Select(n => n with { Path = _names!.FindEntityType(n.Path, ns)! }).ToArray());

    private ActionParentSyntax Inline(ActionParentSyntax parent, string ns)
    {
        var uid = _names!.FindAction(parent, ns, out _);
        return parent with { Type = uid.Type, Id = uid.Id };
    }

    // ------------------------------------------------------------------ types

    /// <summary>A shape or a context, where the parser expects a record, and counts it once and not as a type as well.</summary>
    private TypeSyntax InlineRecord(TypeSyntax type, string ns) => Inline(type, ns, depth: -1);

    private TypeSyntax Inline(TypeSyntax type, string ns, int depth = 0)
    {
        if (!_inlined.TryGetValue(type, out var known))
        {
            var before = _typesLeft;
            _depth = depth;
            known.Inlined = InlineOnce(type, ns);
            known.Count = before - _typesLeft;
            _inlined.Add(type, known);
        }
        else
        {
            // One tree, but as long as it is once more in every declaration that has it.
            Spend(known.Count, type);
        }

        return known.Inlined;
    }

    private TypeSyntax InlineOnce(TypeSyntax type, string ns)
    {
        // As the parser counts: a record is a type, and a record.
        var levels = type switch { TypeSyntax.Record => 2, TypeSyntax.Set => 1, _ => 0 };
        if (_typesLeft >= 0 && _depth + Math.Max(levels, 1) > SchemaParser.MaxTypeNesting)
            Fail(type, $"without its common types, the type is nested more than {SchemaParser.MaxTypeNesting} deep");

        // Beside a fault nothing is looked at any more: the rest may be as long as common types of common types can make it.
        if (!Spend(1, type))
            return type;

        _depth += levels;
        TypeSyntax inlined = type switch
        {
            TypeSyntax.Set set => set with { Element = InlineOnce(set.Element, ns) },
            TypeSyntax.Record record => record with
            {
                Attributes = [.. record.Attributes.Select(a => a with { Type = InlineOnce(a.Type, ns) })],
            },
            TypeSyntax.Named named => InlineName(named, ns),
            _ => throw new InvalidOperationException($"no declaration has a {type.GetType().Name}"),
        };
        _depth -= levels;
        return inlined;
    }

    private TypeSyntax InlineName(TypeSyntax.Named name, string ns)
    {
        var (kind, fullName) = _names!.Find(name, ns) ?? throw new InvalidOperationException($"unresolved type `{name.Path}`");
        if (kind == NameKind.Common)
        {
            var common = _names.CommonType(fullName);
            return InlineOnce(common.Syntax.Type, common.Namespace);
        }

        if (fullName == SchemaNames.ActionType && _into!.Name.Length > 0)
            ActionTypeUses.Add((_source!, _into.Name, name.Span));

        return name with { Kind = kind, Path = fullName };
    }

    private bool Spend(int types, TypeSyntax type)
    {
        if (_typesLeft >= 0 && (_typesLeft -= types) < 0)
            Fail(type, "the schemas are too long without their common types");

        return _typesLeft >= 0;
    }

    private void Fail(TypeSyntax type, string message)
    {
        faults.Add(Fault.At(_source!, type.Span, message));
        _typesLeft = -1;
    }

    /// <summary>What was made of a piece of syntax, and of the same piece once more.</summary>
    private T Once<T>(object syntax, Func<T> make)
        where T : class
    {
        if (!_shared.TryGetValue(syntax, out var made))
            _shared.Add(syntax, made = make());

        return (T)made;
    }
}
