namespace AuthSidecar.Cedar;

/// <summary>Resolves the names of a schema: every type that is named exists, and no definition is circular.</summary>
internal sealed class SchemaResolver
{
    // Types name types that name types: as deep as whoever wrote them likes, and the stack is not.
    private const int MaxDepth = 512;

    private const int MaxEnvironments = 1_000_000;

    // All that is declared in a namespace carries its name, however many declarations there are.
    private const int MaxNamespaceLength = 512;

    private readonly SourceText _source;
    private readonly List<NamespaceSyntax> _namespaces;
    private readonly List<Fault> _faults;
    private readonly SchemaNames _names;
    private readonly Dictionary<string, SchemaType?> _resolvedCommonTypes = new(StringComparer.Ordinal);
    private readonly HashSet<string> _resolving = new(StringComparer.Ordinal);

    // A declaration of several names is resolved once, not once for each of them.
    private readonly Dictionary<object, object> _shared = new(ReferenceEqualityComparer.Instance);
    private readonly Suggestions _suggestions = new();
    private int _depth;

    private SchemaResolver(SourceText source, List<NamespaceSyntax> namespaces, List<Fault> faults)
    {
        (_source, _namespaces, _faults) = (source, namespaces, faults);
        _names = new SchemaNames(source, namespaces, faults);
    }

    /// <summary>Resolves declarations; null beside faults.</summary>
    public static Schema? Resolve(SourceText source, List<NamespaceSyntax> namespaces, List<Fault> faults)
    {
        if (namespaces.Find(ns => ns.Name.Length > MaxNamespaceLength) is { } longest)
        {
            faults.Add(
                Fault.At(source, longest.Span, $"namespace name too long: {longest.Name.Length} characters, limit {MaxNamespaceLength}"));
            return null;
        }

        return new SchemaResolver(source, namespaces, faults).Resolve();
    }

    private Schema? Resolve()
    {
        var entityTypes = new Dictionary<string, SchemaEntityType>(StringComparer.Ordinal);
        var actions = new Dictionary<EntityUid, SchemaAction>();
        foreach (var ns in _namespaces)
        {
            foreach (var type in ns.CommonTypes)
                ResolveCommonType(SchemaNames.Qualify(ns.Name, type.Name), type.Span);

            foreach (var entity in ns.Entities)
            {
                var name = SchemaNames.Qualify(ns.Name, entity.Name);
                entityTypes[name] = ResolveEntity(name, entity, ns.Name);
            }

            foreach (var action in ns.Actions)
            {
                var uid = SchemaNames.ActionUid(ns.Name, action.Id);
                actions[uid] = ResolveAction(uid, action, ns.Name);
            }
        }

        if (_faults.Count == 0)
        {
            ForbidActionCycles(actions);
            ForbidTooManyEnvironments(actions);
        }

        return _faults.Count == 0
            ? new Schema(entityTypes.ToFrozenDictionary(StringComparer.Ordinal), actions.ToFrozenDictionary(), _namespaces)
            : null;
    }

    // ------------------------------------------------------------------ entity types and actions

    private SchemaEntityType ResolveEntity(string name, EntitySyntax entity, string ns) => new(
        name,
        ResolveEntityNames(entity.MemberOf, ns),
        entity.Shape is null ? SchemaType.Record.Empty : ResolveRecord(entity.Shape, ns, "a shape must be a record"),
        entity.Tags is null ? null : Once(entity.Tags, () => ResolveType(entity.Tags, ns)),
        entity.EnumIds is null ? null : Once(entity.EnumIds, () => entity.EnumIds.ToFrozenSet(StringComparer.Ordinal)));

    private SchemaAction ResolveAction(EntityUid uid, ActionSyntax action, string ns) => new(
        uid,
        Once(action.MemberOf, () => action.MemberOf.Select(parent => ResolveActionParent(parent, ns)).ToFrozenSet()),
        ResolveEntityNames(action.AppliesTo?.Principals ?? [], ns),
        ResolveEntityNames(action.AppliesTo?.Resources ?? [], ns),
        action.AppliesTo?.Context is { } context ? ResolveRecord(context, ns, "a context must be a record") : SchemaType.Record.Empty);

    /// <summary>What was made of a piece of syntax, and of the same piece once more.</summary>
    private T Once<T>(object syntax, Func<T> make)
        where T : class
    {
        if (!_shared.TryGetValue(syntax, out var made))
            _shared.Add(syntax, made = make());

        return (T)made;
    }

    private SchemaType.Record ResolveRecord(TypeSyntax type, string ns, string rule) => Once(type, () => ResolveRecordOnce(type, ns, rule));

    private SchemaType.Record ResolveRecordOnce(TypeSyntax type, string ns, string rule)
    {
        var before = _faults.Count;
        if (ResolveType(type, ns) is SchemaType.Record record)
            return record;

        if (_faults.Count == before)
            Fail(type.Span, rule, "use a record, or a common type that is one");

        return SchemaType.Record.Empty;
    }

    private FrozenSet<string> ResolveEntityNames(IReadOnlyList<NameSyntax> names, string ns) =>
        Once(names, () => ResolveEntityNamesOnce(names, ns));

    private FrozenSet<string> ResolveEntityNamesOnce(IReadOnlyList<NameSyntax> names, string ns)
    {
        var resolved = new HashSet<string>(StringComparer.Ordinal);
        foreach (var name in names)
        {
            if (_names.FindEntityType(name.Path, ns) is { } found)
            {
                resolved.Add(found);
            }
            else
            {
                Fail(
                    name.Span,
                    $"unrecognized entity type `{name.Path}`",
                    EntityType.IsAction(name.Path) ? "actions cannot be principals, resources or groups of entities"
                        : _suggestions.For(name.Path, _names.EntityTypes));
            }
        }

        return resolved.ToFrozenSet(StringComparer.Ordinal);
    }

    private EntityUid ResolveActionParent(ActionParentSyntax parent, string ns)
    {
        var uid = _names.FindAction(parent, ns, out var isFound);
        if (!isFound)
            Fail(parent.Span, $"unrecognized action `{uid}`", _suggestions.For(uid, _names.Actions));

        return uid;
    }

    /// <summary>Finds groups that are members of themselves: whatever cannot be put behind all its parents is part of a cycle, or hangs on
    /// one.</summary>
    private void ForbidActionCycles(Dictionary<EntityUid, SchemaAction> actions)
    {
        // How many parents are not placed yet; of the actions that share a set of them it is one number.
        var missing = new Dictionary<FrozenSet<EntityUid>, int>(ReferenceEqualityComparer.Instance);
        var waiting = new Dictionary<EntityUid, List<FrozenSet<EntityUid>>>();
        foreach (var parents in actions.Values.Select(a => a.MemberOf).Where(parents => missing.TryAdd(parents, parents.Count)))
        {
            foreach (var parent in parents)
                (waiting.TryGetValue(parent, out var sets) ? sets : waiting[parent] = []).Add(parents);
        }

        var members = actions.Values.ToLookup(a => a.MemberOf, ReferenceEqualityComparer.Instance);
        var ready = new Stack<FrozenSet<EntityUid>>(missing.Keys.Where(parents => parents.Count == 0));
        var placed = new HashSet<EntityUid>();
        while (ready.TryPop(out var parents))
        {
            foreach (var action in members[parents])
            {
                placed.Add(action.Uid);
                foreach (var set in waiting.GetValueOrDefault(action.Uid) ?? [])
                {
                    if (--missing[set] == 0)
                        ready.Push(set);
                }
            }
        }

        foreach (var action in actions.Values.Where(a => !placed.Contains(a.Uid)))
        {
            Fail(_names.Action(action.Uid).Span, $"the action `{action.Uid}` is a member of itself, or of an action that is",
                "remove one of its parents");
        }
    }

    /// <summary>Every policy is checked once for each pair of types that an action applies to, of which a few lines can make any
    /// number.</summary>
    private void ForbidTooManyEnvironments(Dictionary<EntityUid, SchemaAction> actions)
    {
        var count = 0L;
        foreach (var action in actions.Values)
        {
            count += (long)action.Principals.Count * action.Resources.Count;
            if (count > MaxEnvironments)
            {
                Fail(_names.Action(action.Uid).Span,
                    $"too many request environments: more than {MaxEnvironments} pairs of principal and resource types",
                    "name fewer types");
                return;
            }
        }
    }

    // ------------------------------------------------------------------ types

    private SchemaType ResolveType(TypeSyntax type, string ns)
    {
        if (_depth == MaxDepth)
        {
            Fail(type.Span, $"the type is nested more than {MaxDepth} deep, through the types it names");
            return SchemaType.Bool;
        }

        _depth++;
        SchemaType resolved = type switch
        {
            TypeSyntax.Set set => new SchemaType.Set(ResolveType(set.Element, ns)),
            TypeSyntax.Record record => new SchemaType.Record(record.Attributes.ToFrozenDictionary(
                a => a.Name, a => new SchemaAttribute(ResolveType(a.Type, ns), a.IsRequired), StringComparer.Ordinal)),
            TypeSyntax.Named named => ResolveName(named, ns),
            _ => throw new InvalidOperationException($"no type for {type.GetType().Name}"),
        };
        _depth--;
        return resolved;
    }

    private SchemaType ResolveName(TypeSyntax.Named name, string ns) => _names.Find(name, ns) switch
    {
        (NameKind.BuiltIn, var found) => BuiltInTypes.Find(found)!,
        (NameKind.Common, var found) => ResolveCommonType(found, name.Span) ?? SchemaType.Bool,
        (NameKind.Entity, var found) => new SchemaType.Entity(found),
        _ => Unknown(name),
    };

    private SchemaType Unknown(TypeSyntax.Named name)
    {
        var help = EntityType.IsAction(name.Path) ? "it is a type where the namespace declares actions"
            : name.Path == "Set" ? "a set names the type of its elements: `Set<T>`"
            : _suggestions.For(name.Path, _names.Types);
        Fail(name.Span, $"unrecognized type `{name.Path}`", help);
        return SchemaType.Bool;
    }

    /// <summary>Null beside a fault.</summary>
    private SchemaType? ResolveCommonType(string name, SourceSpan usedAt)
    {
        if (_resolvedCommonTypes.TryGetValue(name, out var resolved))
            return resolved;

        if (!_resolving.Add(name))
        {
            Fail(usedAt, $"the type `{name}` is part of its own definition");
            return _resolvedCommonTypes[name] = null;
        }

        var (syntax, ns) = _names.CommonType(name);
        resolved = ResolveType(syntax.Type, ns);
        _resolving.Remove(name);
        return _resolvedCommonTypes[name] = resolved;
    }

    private void Fail(SourceSpan span, string message, string? help = null) => _faults.Add(Fault.At(_source, span, message, help));
}
