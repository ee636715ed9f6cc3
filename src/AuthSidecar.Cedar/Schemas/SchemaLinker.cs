namespace AuthSidecar.Cedar;

/// <summary>Links schemas by the rules of the linker that Cedar's specification has for RFC 116: they compare ancestors, not
/// parents.</summary>
internal sealed class SchemaLinker(IReadOnlyList<PartialSchema> schemas, List<Fault> faults)
{
    // The ancestors of each are compared with what they become, and to find them is to look at all parents that there are.
    private const long MaxSteps = 10_000_000;

    // Of all schemas together, so that it does not matter which are linked first.
    private const int MaxTypes = 250_000;

    // Not a record: the same declaration in two schemas is two.
    private sealed class Declared<TSyntax>(PartialSchema schema, string ns, TSyntax syntax)
    {
        public PartialSchema Schema => schema;
        public string Namespace => ns;
        public TSyntax Syntax => syntax;
    }

    public PartialSchema? Link()
    {
        var sources = string.Join(", ", schemas.Select(s => s.Source.Name).Where(n => n.Length > 0));
        var source = new SourceText(sources, []);
        var inliner = new SchemaInliner(MaxTypes, faults);
        var namespaces = schemas.SelectMany(s => inliner.Inline(s).Select(ns => (Schema: s, Syntax: ns))).ToList();
        if (faults.Count > 0
            || IsTooMuch(source, "entity types", namespaces.Sum(ns => (long)ns.Syntax.Entities.Count),
                namespaces.Sum(ns => ns.Syntax.Entities.Sum(e => (long)e.MemberOf.Count)))
            || IsTooMuch(source, "actions", namespaces.Sum(ns => (long)ns.Syntax.Actions.Count),
                namespaces.Sum(ns => ns.Syntax.Actions.Sum(a => (long)a.MemberOf.Count))))
        {
            return null;
        }

        var entities = namespaces.SelectMany(ns => ns.Syntax.Entities.Select(e => new Declared<EntitySyntax>(ns.Schema, ns.Syntax.Name, e)))
            .GroupBy(d => SchemaNames.Qualify(d.Namespace, d.Syntax.Name), StringComparer.Ordinal).ToList();
        var actions = namespaces.SelectMany(ns => ns.Syntax.Actions.Select(a => new Declared<ActionSyntax>(ns.Schema, ns.Syntax.Name, a)))
            .GroupBy(d => SchemaNames.ActionUid(d.Namespace, d.Syntax.Id)).ToList();
        var linked = namespaces.GroupBy(ns => ns.Syntax.Name, StringComparer.Ordinal).ToDictionary(
            same => same.Key,
            same => new NamespaceSyntax(same.Key, default) { Annotations = Unite(same.Select(ns => ns.Syntax.Annotations)) },
            StringComparer.Ordinal);
        foreach (var same in entities)
            linked[same.First().Namespace].Entities.Add(LinkEntityType(same.Key, [.. same]));

        foreach (var same in actions)
            linked[same.First().Namespace].Actions.Add(LinkAction(same.Key, [.. same]));

        foreach (var (of, ns, span) in inliner.ActionTypeUses.Where(u => linked[u.Namespace].Actions.Count > 0))
        {
            faults.Add(
                Fault.At(of, span,
                    $"`Action` refers to actions of the empty namespace here, but to actions of `{ns}` after linking",
                    "move either the actions or the type to another namespace"));
        }

        if (faults.Count > 0 || SchemaResolver.Resolve(source, [.. linked.Values], faults) is not { } whole)
            return null;

        foreach (var same in entities)
            ForbidMoreAncestors(whole, same);

        return faults.Count == 0 ? new PartialSchema(source, whole) : null;
    }

    private EntitySyntax LinkEntityType(string name, List<Declared<EntitySyntax>> declared)
    {
        if (declared.Find(d => !d.Syntax.IsExternal) is not { } definition)
        {
            return declared is [var alone] ? alone.Syntax : declared[0].Syntax with
            {
                MemberOf = [.. declared.SelectMany(d => d.Syntax.MemberOf).DistinctBy(p => p.Path, StringComparer.Ordinal)],
                Annotations = Unite(declared.Select(d => d.Syntax.Annotations)),
            };
        }

        foreach (var other in declared.Where(d => d != definition))
        {
            if (!other.Syntax.IsExternal)
            {
                Fail(other.Schema, other.Syntax.Span, $"the entity type `{name}` is defined in {definition.Schema.Source.Name} as well",
                    "declare it `external` in all schemas but one");
            }
            else if (definition.Syntax.EnumIds is not null)
            {
                Fail(other.Schema, other.Syntax.Span,
                    $"the external entity type `{name}` is an enumerated type in {definition.Schema.Source.Name}",
                    "external enumerated types are not supported: move what uses it to that schema");
            }
            else if (AncestorsOf(name, other.Schema).Except(AncestorsOf(name, definition.Schema)).FirstOrDefault() is { } missing)
            {
                Fail(other.Schema, other.Syntax.Span,
                    $"the external entity type `{name}` is a member of `{missing}`, but not in {definition.Schema.Source.Name}");
            }
        }

        return definition.Syntax;
    }

    private ActionSyntax LinkAction(EntityUid uid, List<Declared<ActionSyntax>> declared)
    {
        var definition = declared.Find(d => !d.Syntax.IsExternal) ?? declared[0];
        foreach (var other in declared.Where(d => d != definition))
        {
            if (!other.Syntax.IsExternal)
            {
                Fail(other.Schema, other.Syntax.Span, $"the action `{uid}` is defined in {definition.Schema.Source.Name} as well",
                    "declare it `external` in all schemas but one");
            }
            else if (!GroupsOf(uid, other.Schema).SetEquals(GroupsOf(uid, definition.Schema)))
            {
                Fail(other.Schema, other.Syntax.Span,
                    $"the external action `{uid}` is in other groups than in {definition.Schema.Source.Name}",
                    "an action has the same ancestors wherever it is declared");
            }
        }

        return definition.Syntax.IsExternal ? definition.Syntax with { Annotations = Unite(declared.Select(d => d.Syntax.Annotations)) }
            : definition.Syntax;
    }

    private bool IsTooMuch(SourceText source, string what, long count, long parents)
    {
        if (count * parents <= MaxSteps)
            return false;

        faults.Add(Fault.At(source, default(SourceSpan),
            $"too many {what} to link: {count} with {parents} parents in all; the limit of the product is {MaxSteps}"));
        return true;
    }

    /// <summary>Annotations of several declarations; of those with one name the same one in whatever order they are given.</summary>
    private static IReadOnlyList<KeyValuePair<string,
        string?>> Unite(IEnumerable<IReadOnlyList<KeyValuePair<string, string?>>> annotations) =>
        [.. annotations.SelectMany(a => a).OrderBy(a => a.Key, StringComparer.Ordinal).ThenBy(a => a.Value, StringComparer.Ordinal)
            .DistinctBy(a => a.Key, StringComparer.Ordinal)];

    /// <summary>What a schema said of its own types stays true: no other adds to the ancestors of what it defines.</summary>
    private void ForbidMoreAncestors(Schema linked, IGrouping<string, Declared<EntitySyntax>> declared)
    {
        if (declared.FirstOrDefault(d => !d.Syntax.IsExternal) is { } definition
            && linked.EntityHierarchy.Above(
                declared.Key).Except(AncestorsOf(declared.Key, definition.Schema)).FirstOrDefault() is { } added)
        {
            Fail(definition.Schema, definition.Syntax.Span, $"linking would make the entity type `{declared.Key}` a member of `{added}`",
                "declare its external parent type with the parents of that: `external entity X in Y;`");
        }
    }

    private static HashSet<string> AncestorsOf(string type, PartialSchema schema) => schema.Declared.EntityHierarchy.Above(type);
    private static HashSet<EntityUid> GroupsOf(EntityUid action, PartialSchema schema) => schema.Declared.ActionHierarchy.Above(action);

    private void Fail(PartialSchema schema, SourceSpan span, string message, string? help = null) =>
        faults.Add(Fault.At(schema.Source, span, message, help));
}
