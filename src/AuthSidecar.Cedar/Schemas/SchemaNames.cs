namespace AuthSidecar.Cedar;

/// <summary>What a schema declares, by full names, and what a name stands for in a namespace.</summary>
internal sealed class SchemaNames
{
    /// <summary>The type of a namespace's actions: one of its types where it has any.</summary>
    public const string ActionType = "Action";

    private readonly Dictionary<string, EntitySyntax> _entities = new(StringComparer.Ordinal);
    private readonly Dictionary<string, (CommonTypeSyntax Syntax, string Namespace)> _commonTypes = new(StringComparer.Ordinal);
    private readonly Dictionary<EntityUid, ActionSyntax> _actions = [];
    private readonly HashSet<string> _actionTypes = new(StringComparer.Ordinal);
    private readonly SourceText _source;
    private readonly List<Fault> _faults;

    /// <param name="source">The text that the declarations are of.</param>
    /// <param name="namespaces">The declarations.</param>
    /// <param name="faults">Gets what is declared twice, or would be out of reach.</param>
    public SchemaNames(SourceText source, List<NamespaceSyntax> namespaces, List<Fault> faults)
    {
        (_source, _faults) = (source, faults);
        Declare(namespaces);
        ForbidShadowing();
    }

    public IEnumerable<string> EntityTypes => _entities.Keys;
    public IEnumerable<EntityUid> Actions => _actions.Keys;

    /// <summary>The names of all types, the built-in ones first.</summary>
    public IEnumerable<string> Types => BuiltInTypes.Names.Concat(_commonTypes.Keys).Concat(_entities.Keys).Concat(_actionTypes);

    public static string Qualify(string ns, string name) => ns.Length == 0 ? name : $"{ns}::{name}";
    public static EntityUid ActionUid(string ns, string id) => EntityUid.OfCheckedType(Qualify(ns, ActionType), id);

    /// <summary>The definition of a common type, by its full name.</summary>
    public (CommonTypeSyntax Syntax, string Namespace) CommonType(string fullName) => _commonTypes[fullName];

    public ActionSyntax Action(EntityUid uid) => _actions[uid];

    /// <summary>What a name stands for, and its full name: a common type before an entity type before a built-in one, and the nearest
    /// namespace first.</summary>
    public (NameKind Kind, string FullName)? Find(TypeSyntax.Named name, string ns)
    {
        if (name.Kind == NameKind.BuiltIn)
            return FindBuiltIn(name.Path);

        if (name.Kind != NameKind.Entity && name.Path.StartsWith(BuiltInTypes.Namespace, StringComparison.Ordinal))
            return FindBuiltIn(name.Path[BuiltInTypes.Namespace.Length..]);

        foreach (var candidate in Candidates(name.Path, ns))
        {
            if (name.Kind != NameKind.Entity && _commonTypes.ContainsKey(candidate))
                return (NameKind.Common, candidate);

            if (name.Kind != NameKind.Common && (_entities.ContainsKey(candidate) || _actionTypes.Contains(candidate)))
                return (NameKind.Entity, candidate);
        }

        return name.Kind == NameKind.Entity ? null : FindBuiltIn(name.Path);
    }

    private static (NameKind Kind, string FullName)? FindBuiltIn(string name) => BuiltInTypes.Find(name) is null ? null
        : (NameKind.BuiltIn, name);

    /// <summary>The full name of an entity type; null: there is none of that name.</summary>
    public string? FindEntityType(string path, string ns) => Candidates(path, ns).FirstOrDefault(_entities.ContainsKey);

    /// <summary>The action that a parent names, or would if there were one; by id alone it is looked for at home first, as types
    /// are.</summary>
    public EntityUid FindAction(ActionParentSyntax parent, string ns, out bool isFound)
    {
        EntityUid[] candidates = parent.Type is null
            ? ns.Length == 0 ? [ActionUid("", parent.Id)] : [ActionUid(ns, parent.Id), ActionUid("", parent.Id)]
            : [.. Candidates(parent.Type, ns).Select(type => EntityUid.OfCheckedType(type, parent.Id))];
        var found = Array.Find(candidates, _actions.ContainsKey);
        isFound = found is not null;
        return found ?? candidates[0];
    }

    private void Declare(List<NamespaceSyntax> namespaces)
    {
        var names = new HashSet<string>(StringComparer.Ordinal) { "" };
        foreach (var ns in namespaces.Skip(1).Where(ns => !names.Add(ns.Name)))
            Fail(ns.Span, $"the namespace `{ns.Name}` is declared twice", "put its declarations together");

        foreach (var ns in namespaces)
        {
            foreach (var entity in ns.Entities)
            {
                if (entity.Name == ActionType)
                    Fail(entity.Span, "`Action` is the type of actions, and cannot be declared as an entity type");

                if (entity.IsExternal && BuiltInTypes.Find(entity.Name) is not null)
                    Fail(entity.Span, $"the external entity type `{entity.Name}` has the name of a built-in type");

                if (!_entities.TryAdd(Qualify(ns.Name, entity.Name), entity))
                    Fail(entity.Span, $"the entity type `{entity.Name}` is declared twice", "keep one");
            }

            foreach (var type in ns.CommonTypes)
            {
                if (!_commonTypes.TryAdd(Qualify(ns.Name, type.Name), (type, ns.Name)))
                    Fail(type.Span, $"the type `{type.Name}` is declared twice", "keep one");
            }

            foreach (var action in ns.Actions)
            {
                _actionTypes.Add(Qualify(ns.Name, ActionType));
                if (!_actions.TryAdd(ActionUid(ns.Name, action.Id), action))
                    Fail(action.Span, $"the action `{action.Id}` is declared twice", "keep one");
            }
        }
    }

    /// <summary>A name of the empty namespace may not be declared again in another: else it would be out of reach there (Cedar's RFC
    /// 70).</summary>
    private void ForbidShadowing()
    {
        foreach (var (name, span) in _entities.Select(
            e => (e.Key, e.Value.Span)).Concat(_commonTypes.Select(t => (t.Key, t.Value.Syntax.Span))))
        {
            var last = name[(name.LastIndexOf(':') + 1)..];
            if (last.Length < name.Length && (_entities.ContainsKey(last) || _commonTypes.ContainsKey(last)))
                Fail(span, $"`{name}` shadows `{last}` of the empty namespace", "rename one of them");
        }

        foreach (var (name, entity) in _entities)
        {
            if (entity.IsExternal && _commonTypes.ContainsKey(name))
                Fail(entity.Span, $"the external entity type `{name}` has the name of a common type", "rename one of them");
        }

        foreach (var (uid, syntax) in _actions)
        {
            if (uid.Type.Length > ActionType.Length && _actions.ContainsKey(ActionUid("", uid.Id)))
                Fail(syntax.Span, $"`{uid}` shadows `{ActionUid("", uid.Id)}` of the empty namespace", "rename one of them");
        }
    }

    /// <summary>What a name may stand for: one with a namespace stands for itself, one without is looked for at home first.</summary>
    private static IEnumerable<string> Candidates(string path, string ns) =>
        ns.Length == 0 || path.Contains(':') ? [path] : [$"{ns}::{path}", path];

    private void Fail(SourceSpan span, string message, string? help = null) => _faults.Add(Fault.At(_source, span, message, help));
}
