namespace AuthSidecar.Cedar;

/// <summary>Links schemas by the rules of the linker that Cedar's specification has for RFC 116: they compare ancestors, not parents.</summary>
internal sealed class SchemaLinker(IReadOnlyList<PartialSchema> schemas, List<Fault> faults)
{
    // The ancestors of each are compared with what they become: the square of a long chain.
    private const int MaxDeclarations = 10_000;

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
        if (schemas.Sum(s => (long)s.Declared.EntityTypes.Count + s.Declared.Actions.Count) is > MaxDeclarations and var count)
        {
            faults.Add(Fault.At(source, default(SourceSpan), $"too many entity types and actions to link: {count}, limit {MaxDeclarations}"));
            return null;
        }

        var namespaces = schemas.SelectMany(s => new SchemaResolver(s.Source, faults).WriteOut(s.Declared.Syntax).Select(ns => (Schema: s, Syntax: ns))).ToList();
        var entities = namespaces.SelectMany(ns => ns.Syntax.Entities.Select(e => new Declared<EntitySyntax>(ns.Schema, ns.Syntax.Name, e)))
            .GroupBy(d => SchemaResolver.Qualify(d.Namespace, d.Syntax.Name), StringComparer.Ordinal).ToList();
        var actions = namespaces.SelectMany(ns => ns.Syntax.Actions.Select(a => new Declared<ActionSyntax>(ns.Schema, ns.Syntax.Name, a)))
            .GroupBy(d => SchemaResolver.ActionUid(d.Namespace, d.Syntax.Id)).ToList();
        var linked = namespaces.GroupBy(ns => ns.Syntax.Name, StringComparer.Ordinal).ToDictionary(
            same => same.Key,
            same => new NamespaceSyntax(same.Key, default) { Annotations = [.. same.SelectMany(ns => ns.Syntax.Annotations).DistinctBy(a => a.Key, StringComparer.Ordinal)] },
            StringComparer.Ordinal);
        foreach (var same in entities)
        {
            linked[same.First().Namespace].Entities.Add(LinkEntityType(same.Key, [.. same]));
        }

        foreach (var same in actions)
        {
            linked[same.First().Namespace].Actions.Add(LinkAction(same.Key, [.. same]));
        }

        if (faults.Count > 0 || new SchemaResolver(source, faults).Resolve([.. linked.Values]) is not { } schema)
        {
            return null;
        }

        foreach (var same in entities)
        {
            ForbidMoreAncestors(schema, same);
        }

        return faults.Count == 0 ? new PartialSchema(source, schema) : null;
    }

    private EntitySyntax LinkEntityType(string name, List<Declared<EntitySyntax>> declared)
    {
        if (declared.Find(d => !d.Syntax.IsExternal) is not { } definition)
        {
            return declared[0].Syntax with { MemberOf = [.. declared.SelectMany(d => d.Syntax.MemberOf).DistinctBy(p => p.Path, StringComparer.Ordinal)] };
        }

        foreach (var other in declared.Where(d => d != definition))
        {
            if (!other.Syntax.IsExternal)
            {
                Fail(other.Schema, other.Syntax.Span, $"the entity type `{name}` is defined in {definition.Schema.Source.Name} as well", "declare it `external` in all schemas but one");
            }
            else if (definition.Syntax.EnumIds is not null)
            {
                Fail(other.Schema, other.Syntax.Span, $"the external entity type `{name}` is an enumerated type in {definition.Schema.Source.Name}", "which of its ids there are is not known here");
            }
            else if (AncestorsOf(name, other.Schema).Except(AncestorsOf(name, definition.Schema)).FirstOrDefault() is { } missing)
            {
                Fail(other.Schema, other.Syntax.Span, $"the external entity type `{name}` is in `{missing}`, and in {definition.Schema.Source.Name} it is not");
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
                Fail(other.Schema, other.Syntax.Span, $"the action `{uid}` is defined in {definition.Schema.Source.Name} as well", "declare it `external` in all schemas but one");
            }
            else if (!GroupsOf(uid, other.Schema).SetEquals(GroupsOf(uid, definition.Schema)))
            {
                Fail(other.Schema, other.Syntax.Span, $"the external action `{uid}` is in other groups than in {definition.Schema.Source.Name}", "an action has the same ancestors wherever it is declared");
            }
        }

        return definition.Syntax;
    }

    /// <summary>What a schema said of its own types stays true: no other adds to the ancestors of what it defines.</summary>
    private void ForbidMoreAncestors(Schema linked, IGrouping<string, Declared<EntitySyntax>> declared)
    {
        if (declared.FirstOrDefault(d => !d.Syntax.IsExternal) is { } definition
            && linked.EntityHierarchy.Above(declared.Key).Except(AncestorsOf(declared.Key, definition.Schema)).FirstOrDefault() is { } added)
        {
            Fail(definition.Schema, definition.Syntax.Span, $"linking would put the entity type `{declared.Key}` in `{added}`", "declare the external type that it is in with its parents: `external entity X in Y;`");
        }
    }

    private static HashSet<string> AncestorsOf(string type, PartialSchema schema) => schema.Declared.EntityHierarchy.Above(type);

    private static HashSet<EntityUid> GroupsOf(EntityUid action, PartialSchema schema) => schema.Declared.ActionHierarchy.Above(action);

    private void Fail(PartialSchema schema, SourceSpan span, string message, string? help = null) => faults.Add(Fault.At(schema.Source, span, message, help));
}
