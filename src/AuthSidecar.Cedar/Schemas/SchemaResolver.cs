using System.Collections.Frozen;

namespace AuthSidecar.Cedar;

/// <summary>Resolves the names of a schema: every type that is named exists, and no definition is circular.</summary>
internal sealed class SchemaResolver(SourceText source, List<Fault> faults)
{
    // Types name types that name types: as deep as whoever wrote them likes, and the stack is not.
    private const int MaxDepth = 512;

    private const int MaxEnvironments = 1_000_000;

    // All that is declared in a namespace carries its name, however many declarations there are.
    private const int MaxNamespaceLength = 512;


    /// <summary>The type of a namespace's actions: one of its types where it has any.</summary>
    private const string ActionType = "Action";

    private readonly Dictionary<string, EntitySyntax> _entities = new(StringComparer.Ordinal);
    private readonly Dictionary<string, (CommonTypeSyntax Syntax, string Namespace)> _commonTypes = new(StringComparer.Ordinal);
    private readonly Dictionary<EntityUid, (ActionSyntax Syntax, string Namespace)> _actions = [];
    private readonly HashSet<string> _actionTypes = new(StringComparer.Ordinal);
    private readonly Dictionary<string, SchemaType?> _resolvedCommonTypes = new(StringComparer.Ordinal);
    private readonly HashSet<string> _resolving = new(StringComparer.Ordinal);

    // A declaration of several names is resolved once, not once for each of them.
    private readonly Dictionary<object, object> _shared = new(ReferenceEqualityComparer.Instance);
    private readonly Suggestions _suggestions = new();
    private readonly Dictionary<TypeSyntax, (TypeSyntax Type, int Count)> _writtenOut = new(ReferenceEqualityComparer.Instance);
    private List<(string Namespace, SourceSpan Span)> _actionUses = [];
    private string _writtenTo = "";
    private int _typesLeft;
    private int _depth;

    public Schema? Resolve(List<NamespaceSyntax> namespaces)
    {
        if (namespaces.Find(ns => ns.Name.Length > MaxNamespaceLength) is { } longest)
        {
            Fail(longest.Span, $"namespace name too long: {longest.Name.Length} characters, limit {MaxNamespaceLength}");
            return null;
        }

        Declare(namespaces);
        ForbidShadowing();
        var entityTypes = new Dictionary<string, SchemaEntityType>(StringComparer.Ordinal);
        var actions = new Dictionary<EntityUid, SchemaAction>();
        foreach (var ns in namespaces)
        {
            foreach (var type in ns.CommonTypes)
            {
                ResolveCommonType(Qualify(ns.Name, type.Name), type.Span);
            }

            foreach (var entity in ns.Entities)
            {
                var name = Qualify(ns.Name, entity.Name);
                entityTypes[name] = ResolveEntity(name, entity, ns.Name);
            }

            foreach (var action in ns.Actions)
            {
                var uid = ActionUid(ns.Name, action.Id);
                actions[uid] = ResolveAction(uid, action, ns.Name);
            }
        }

        if (faults.Count == 0)
        {
            ForbidActionCycles(actions);
            ForbidTooManyEnvironments(actions);
        }

        return faults.Count == 0
            ? new Schema(entityTypes.ToFrozenDictionary(StringComparer.Ordinal), actions.ToFrozenDictionary(), namespaces)
            : null;
    }

    private void Declare(List<NamespaceSyntax> namespaces)
    {
        var names = new HashSet<string>(StringComparer.Ordinal) { "" };
        foreach (var ns in namespaces.Skip(1).Where(ns => !names.Add(ns.Name)))
        {
            Fail(ns.Span, $"the namespace `{ns.Name}` is declared twice", "put its declarations together");
        }

        foreach (var ns in namespaces)
        {
            foreach (var entity in ns.Entities)
            {
                if (entity.Name == ActionType)
                {
                    Fail(entity.Span, "`Action` is the type of actions, and cannot be declared as an entity type");
                }

                if (entity.IsExternal && BuiltInTypes.Find(entity.Name) is not null)
                {
                    Fail(entity.Span, $"the external entity type `{entity.Name}` has the name of a built-in type");
                }

                if (!_entities.TryAdd(Qualify(ns.Name, entity.Name), entity))
                {
                    Fail(entity.Span, $"the entity type `{entity.Name}` is declared twice", "keep one");
                }
            }

            foreach (var type in ns.CommonTypes)
            {
                if (!_commonTypes.TryAdd(Qualify(ns.Name, type.Name), (type, ns.Name)))
                {
                    Fail(type.Span, $"the type `{type.Name}` is declared twice", "keep one");
                }
            }

            foreach (var action in ns.Actions)
            {
                _actionTypes.Add(Qualify(ns.Name, ActionType));
                if (!_actions.TryAdd(ActionUid(ns.Name, action.Id), (action, ns.Name)))
                {
                    Fail(action.Span, $"the action `{action.Id}` is declared twice", "keep one");
                }
            }
        }
    }

    /// <summary>A name of the empty namespace may not be declared again in another: else it would be out of reach there (Cedar's RFC 70).</summary>
    private void ForbidShadowing()
    {
        foreach (var (name, span) in _entities.Select(e => (e.Key, e.Value.Span)).Concat(_commonTypes.Select(t => (t.Key, t.Value.Syntax.Span))))
        {
            var last = name[(name.LastIndexOf(':') + 1)..];
            if (last.Length < name.Length && (_entities.ContainsKey(last) || _commonTypes.ContainsKey(last)))
            {
                Fail(span, $"`{name}` shadows `{last}` of the empty namespace", "rename one of them");
            }
        }

        foreach (var (name, entity) in _entities)
        {
            if (entity.IsExternal && _commonTypes.ContainsKey(name))
            {
                Fail(entity.Span, $"the external entity type `{name}` has the name of a common type", "rename one of them");
            }
        }

        foreach (var (uid, (syntax, ns)) in _actions)
        {
            if (ns.Length > 0 && _actions.ContainsKey(ActionUid("", uid.Id)))
            {
                Fail(syntax.Span, $"`{uid}` shadows `{ActionUid("", uid.Id)}` of the empty namespace", "rename one of them");
            }
        }
    }

    // ------------------------------------------------------------------ entity types and actions

    private SchemaEntityType ResolveEntity(string name, EntitySyntax entity, string ns) => new(
        name,
        ResolveEntityNames(entity.MemberOf, ns),
        entity.Shape is null ? SchemaType.Record.Empty : ResolveRecord(entity.Shape, ns, "a shape is a record"),
        entity.Tags is null ? null : Once(entity.Tags, () => ResolveType(entity.Tags, ns)),
        entity.EnumIds is null ? null : Once(entity.EnumIds, () => entity.EnumIds.ToFrozenSet(StringComparer.Ordinal)));

    private SchemaAction ResolveAction(EntityUid uid, ActionSyntax action, string ns) => new(
        uid,
        Once(action.MemberOf, () => action.MemberOf.Select(parent => ResolveActionParent(parent, ns)).ToFrozenSet()),
        ResolveEntityNames(action.AppliesTo?.Principals ?? [], ns),
        ResolveEntityNames(action.AppliesTo?.Resources ?? [], ns),
        action.AppliesTo?.Context is { } context ? ResolveRecord(context, ns, "a context is a record") : SchemaType.Record.Empty);

    /// <summary>What was made of a piece of syntax, and of the same piece once more.</summary>
    private T Once<T>(object syntax, Func<T> make)
        where T : class
    {
        if (!_shared.TryGetValue(syntax, out var made))
        {
            _shared.Add(syntax, made = make());
        }

        return (T)made;
    }

    private SchemaType.Record ResolveRecord(TypeSyntax type, string ns, string rule) => Once(type, () => ResolveRecordOnce(type, ns, rule));

    private SchemaType.Record ResolveRecordOnce(TypeSyntax type, string ns, string rule)
    {
        var before = faults.Count;
        if (ResolveType(type, ns) is SchemaType.Record record)
        {
            return record;
        }

        if (faults.Count == before)
        {
            Fail(type.Span, rule, "name a `type` that is one");
        }

        return SchemaType.Record.Empty;
    }

    private FrozenSet<string> ResolveEntityNames(IReadOnlyList<NameSyntax> names, string ns) => Once(names, () => ResolveEntityNamesOnce(names, ns));

    private FrozenSet<string> ResolveEntityNamesOnce(IReadOnlyList<NameSyntax> names, string ns)
    {
        var resolved = new HashSet<string>(StringComparer.Ordinal);
        foreach (var name in names)
        {
            if (Candidates(name.Path, ns).FirstOrDefault(_entities.ContainsKey) is { } found)
            {
                resolved.Add(found);
            }
            else
            {
                Fail(
                    name.Span,
                    $"unrecognized entity type `{name.Path}`",
                    EntityType.IsAction(name.Path) ? "actions cannot be principals, resources or groups of entities" : _suggestions.For(name.Path, _entities.Keys));
            }
        }

        return resolved.ToFrozenSet(StringComparer.Ordinal);
    }

    private EntityUid ResolveActionParent(ActionParentSyntax parent, string ns)
    {
        // By id alone an action is looked for at home first, as types are.
        EntityUid[] candidates = parent.Type is null
            ? ns.Length == 0 ? [ActionUid("", parent.Id)] : [ActionUid(ns, parent.Id), ActionUid("", parent.Id)]
            : [.. Candidates(parent.Type, ns).Select(type => EntityUid.OfCheckedType(type, parent.Id))];
        var found = Array.Find(candidates, _actions.ContainsKey);
        if (found is null)
        {
            Fail(parent.Span, $"unrecognized action `{candidates[0]}`", _suggestions.For(candidates[0], _actions.Keys));
        }

        return found ?? candidates[0];
    }

    /// <summary>Finds groups that are members of themselves: whatever cannot be put behind all its parents is part of a cycle, or hangs on one.</summary>
    private void ForbidActionCycles(Dictionary<EntityUid, SchemaAction> actions)
    {
        // How many parents are not placed yet; of the actions that share a set of them it is one number.
        var missing = new Dictionary<FrozenSet<EntityUid>, int>(ReferenceEqualityComparer.Instance);
        var waiting = new Dictionary<EntityUid, List<FrozenSet<EntityUid>>>();
        foreach (var parents in actions.Values.Select(a => a.MemberOf).Where(parents => missing.TryAdd(parents, parents.Count)))
        {
            foreach (var parent in parents)
            {
                (waiting.TryGetValue(parent, out var sets) ? sets : waiting[parent] = []).Add(parents);
            }
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
                    {
                        ready.Push(set);
                    }
                }
            }
        }

        foreach (var action in actions.Values.Where(a => !placed.Contains(a.Uid)))
        {
            Fail(_actions[action.Uid].Syntax.Span, $"the action `{action.Uid}` is a member of itself, or of an action that is", "take a parent away");
        }
    }

    /// <summary>Every policy is checked once for each pair of types that an action applies to, of which a few lines can make any number.</summary>
    private void ForbidTooManyEnvironments(Dictionary<EntityUid, SchemaAction> actions)
    {
        var count = 0L;
        foreach (var action in actions.Values)
        {
            count += (long)action.Principals.Count * action.Resources.Count;
            if (count > MaxEnvironments)
            {
                Fail(_actions[action.Uid].Syntax.Span, $"too many request environments: more than {MaxEnvironments} pairs of principal and resource types", "name fewer types");
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

    private SchemaType ResolveName(TypeSyntax.Named name, string ns) => Find(name, ns) switch
    {
        (NameKind.BuiltIn, var found) => BuiltInTypes.Find(found)!,
        (NameKind.Common, var found) => ResolveCommonType(found, name.Span) ?? SchemaType.Bool,
        (NameKind.Entity, var found) => new SchemaType.Entity(found),
        _ => Unknown(name),
    };

    /// <summary>What a name stands for, and its full name: a common type before an entity type before a built-in one, and the nearest namespace first.</summary>
    private (NameKind Kind, string FullName)? Find(TypeSyntax.Named name, string ns)
    {
        if (name.Kind == NameKind.BuiltIn)
        {
            return FindBuiltIn(name.Path);
        }

        if (name.Kind != NameKind.Entity && name.Path.StartsWith(BuiltInTypes.Namespace, StringComparison.Ordinal))
        {
            return FindBuiltIn(name.Path[BuiltInTypes.Namespace.Length..]);
        }

        foreach (var candidate in Candidates(name.Path, ns))
        {
            if (name.Kind != NameKind.Entity && _commonTypes.ContainsKey(candidate))
            {
                return (NameKind.Common, candidate);
            }

            if (name.Kind != NameKind.Common && (_entities.ContainsKey(candidate) || _actionTypes.Contains(candidate)))
            {
                return (NameKind.Entity, candidate);
            }
        }

        return name.Kind == NameKind.Entity ? null : FindBuiltIn(name.Path);
    }

    private static (NameKind Kind, string FullName)? FindBuiltIn(string name) => BuiltInTypes.Find(name) is null ? null : (NameKind.BuiltIn, name);

    private SchemaType Unknown(TypeSyntax.Named name)
    {
        var help = EntityType.IsAction(name.Path) ? "it is a type where the namespace declares actions"
            : name.Path == "Set" ? "a set names the type of its elements: `Set<T>`"
            : _suggestions.For(name.Path, BuiltInTypes.Names.Concat(_commonTypes.Keys).Concat(_entities.Keys).Concat(_actionTypes));
        Fail(name.Span, $"unrecognized type `{name.Path}`", help);
        return SchemaType.Bool;
    }

    /// <summary>Null beside a fault.</summary>
    private SchemaType? ResolveCommonType(string name, SourceSpan usedAt)
    {
        if (_resolvedCommonTypes.TryGetValue(name, out var resolved))
        {
            return resolved;
        }

        if (!_resolving.Add(name))
        {
            Fail(usedAt, $"the type `{name}` is part of its own definition");
            return _resolvedCommonTypes[name] = null;
        }

        var (syntax, ns) = _commonTypes[name];
        resolved = ResolveType(syntax.Type, ns);
        _resolving.Remove(name);
        return _resolvedCommonTypes[name] = resolved;
    }

    // ------------------------------------------------------------------ declarations written out

    /// <summary>
    /// The declarations of a schema without faults so that they mean the same beside those of others: with full names, and in the place of common types
    /// what they are.
    /// </summary>
    /// <param name="namespaces">The declarations.</param>
    /// <param name="actionUses">Gets the places outside of the empty namespace that mean the type of its actions, which no full name tells from their own.</param>
    /// <param name="typesLeft">How many types may yet be written out: common types of common types are short to write, and not when each is written out.</param>
    public List<NamespaceSyntax> WriteOut(List<NamespaceSyntax> namespaces, List<(string Namespace, SourceSpan Span)> actionUses, ref int typesLeft)
    {
        Declare(namespaces);
        (_actionUses, _typesLeft) = (actionUses, typesLeft);
        var writtenOut = new List<NamespaceSyntax>();
        foreach (var ns in namespaces)
        {
            _writtenTo = ns.Name;
            var copy = new NamespaceSyntax(ns.Name, ns.Span) { Annotations = ns.Annotations };
            copy.Entities.AddRange(ns.Entities.Select(e => e with
            {
                MemberOf = WriteOut(e.MemberOf, ns.Name),
                Shape = e.Shape is null ? null : WriteOut(e.Shape, ns.Name, isBody: true),
                Tags = e.Tags is null ? null : WriteOut(e.Tags, ns.Name),
            }));
            copy.Actions.AddRange(ns.Actions.Select(a => a with
            {
                MemberOf = Once(a.MemberOf, () => a.MemberOf.Select(p => WriteOut(p, ns.Name)).ToArray()),
                AppliesTo = a.AppliesTo is not { } appliesTo ? null : new AppliesToSyntax(
                    WriteOut(appliesTo.Principals, ns.Name),
                    WriteOut(appliesTo.Resources, ns.Name),
                    appliesTo.Context is null ? null : WriteOut(appliesTo.Context, ns.Name, isBody: true)),
            }));
            writtenOut.Add(copy);
        }

        typesLeft = _typesLeft;
        return writtenOut;
    }

    private NameSyntax[] WriteOut(IReadOnlyList<NameSyntax> names, string ns) =>
        Once(names, () => names.Select(n => new NameSyntax(Candidates(n.Path, ns).First(_entities.ContainsKey), n.Span)).ToArray());

    private ActionParentSyntax WriteOut(ActionParentSyntax parent, string ns)
    {
        var uid = ResolveActionParent(parent, ns);
        return new ActionParentSyntax(uid.Type, uid.Id, parent.Span);
    }

    /// <param name="type">The type.</param>
    /// <param name="ns">The namespace that it is written in.</param>
    /// <param name="isBody">Whether it stands where the parser expects a record, and counts it once and not as a type as well.</param>
    private TypeSyntax WriteOut(TypeSyntax type, string ns, bool isBody = false)
    {
        if (!_writtenOut.TryGetValue(type, out var known))
        {
            var before = _typesLeft;
            _depth = isBody ? -1 : 0;
            var made = WriteOutOnce(type, ns);
            _writtenOut.Add(type, known = (made, before - _typesLeft));
        }
        else if (_typesLeft >= 0)
        {
            // One tree, but as long as it is once more in every declaration that has it.
            _typesLeft = Math.Max(_typesLeft - known.Count, -1);
            DemandTypesLeft(type);
        }

        return known.Type;
    }

    private TypeSyntax WriteOutOnce(TypeSyntax type, string ns)
    {
        // As the parser of what is written out counts: a record is a type, and a record.
        var levels = type switch { TypeSyntax.Record => 2, TypeSyntax.Set => 1, _ => 0 };
        if (_typesLeft >= 0 && _depth + Math.Max(levels, 1) > SchemaParser.MaxTypeNesting)
        {
            Fail(type.Span, $"without its common types, the type is nested more than {SchemaParser.MaxTypeNesting} deep");
            _typesLeft = -1;
        }
        else if (_typesLeft >= 0)
        {
            _typesLeft--;
            DemandTypesLeft(type);
        }

        // Whatever is left is not looked at: it may be as long as common types of common types can make it.
        if (_typesLeft < 0)
        {
            return type;
        }

        _depth += levels;
        TypeSyntax writtenOut = type switch
        {
            TypeSyntax.Set set => set with { Element = WriteOutOnce(set.Element, ns) },
            TypeSyntax.Record record => record with { Attributes = [.. record.Attributes.Select(a => a with { Type = WriteOutOnce(a.Type, ns) })] },
            TypeSyntax.Named named => WriteOutName(named, ns),
            _ => throw new InvalidOperationException($"no type for {type.GetType().Name}"),
        };
        _depth -= levels;
        return writtenOut;
    }

    private TypeSyntax WriteOutName(TypeSyntax.Named name, string ns)
    {
        if (Find(name, ns) is not var (kind, fullName))
        {
            return name;
        }

        if (kind == NameKind.Common)
        {
            return WriteOutOnce(_commonTypes[fullName].Syntax.Type, _commonTypes[fullName].Namespace);
        }

        if (fullName == ActionType && _writtenTo.Length > 0)
        {
            _actionUses.Add((_writtenTo, name.Span));
        }

        return name with { Kind = kind, Path = fullName };
    }

    private void DemandTypesLeft(TypeSyntax type)
    {
        if (_typesLeft < 0)
        {
            Fail(type.Span, "the schemas are too long without their common types");
        }
    }

    /// <summary>What a name may stand for: one with a namespace stands for itself, one without is looked for at home first.</summary>
    private static IEnumerable<string> Candidates(string path, string ns) =>
        ns.Length == 0 || path.Contains(':') ? [path] : [$"{ns}::{path}", path];

    public static string Qualify(string ns, string name) => ns.Length == 0 ? name : $"{ns}::{name}";

    public static EntityUid ActionUid(string ns, string id) => EntityUid.OfCheckedType(Qualify(ns, ActionType), id);

    private void Fail(SourceSpan span, string message, string? help = null) => faults.Add(Fault.At(source, span, message, help));
}
