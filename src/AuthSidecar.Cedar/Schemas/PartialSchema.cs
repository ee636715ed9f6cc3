namespace AuthSidecar.Cedar;

/// <summary>A schema that may declare entity types and actions as <c>external</c>: defined by another schema, to which it can be linked
/// (Cedar's RFC 116).</summary>
/// <remarks>Immutable and safe to share between threads. Only a <see cref="Schema"/>, which is complete, can validate policies, entities
/// and requests. Cedar's JSON format of external declarations is not supported.</remarks>
public sealed class PartialSchema
{
    internal PartialSchema(SourceText source, Schema declared)
    {
        (Source, Declared) = (source, declared);
        ExternalEntityTypes = [.. declared.Syntax.SelectMany(
            ns => ns.Entities.Where(e => e.IsExternal).Select(e => SchemaNames.Qualify(ns.Name, e.Name)))];
        ExternalActions = [.. declared.Syntax.SelectMany(
            ns => ns.Actions.Where(a => a.IsExternal).Select(a => SchemaNames.ActionUid(ns.Name, a.Id)))];
    }

    /// <summary>The full names of the entity types that are declared, and defined elsewhere.</summary>
    public IReadOnlyList<string> ExternalEntityTypes { get; }

    /// <summary>The actions that are declared, and defined elsewhere.</summary>
    public IReadOnlyList<EntityUid> ExternalActions { get; }

    /// <summary>Whether everything that is declared is defined.</summary>
    public bool IsComplete => ExternalEntityTypes.Count + ExternalActions.Count == 0;

    /// <summary>The text it was read from; an empty one that bears the names of several when it was linked.</summary>
    internal SourceText Source { get; }

    /// <summary>Everything that is declared, as if the external were defined with parents and nothing else.</summary>
    internal Schema Declared { get; }

    /// <summary>Reads a schema in Cedar syntax.</summary>
    /// <returns>False with every fault that could be found, each at its place.</returns>
    public static bool TryParse(SourceText text, [NotNullWhen(true)] out PartialSchema? schema, out IReadOnlyList<Fault> faults)
    {
        var found = new List<Fault>();
        faults = found;
        schema = Resolve(text, SchemaParser.Parse(text, found), found);
        return schema is not null;
    }

    /// <summary>Reads a schema in Cedar's JSON format.</summary>
    /// <returns>False with the faults, each at its place.</returns>
    public static bool TryParseJson(SourceText json, [NotNullWhen(true)] out PartialSchema? schema, out IReadOnlyList<Fault> faults)
    {
        var found = new List<Fault>();
        faults = found;
        schema = Resolve(json, SchemaJsonReader.Read(json, found), found);
        return schema is not null;
    }

    /// <summary>Links schemas: what one declares as external and another defines is defined in the result, in whatever order they are
    /// given.</summary>
    /// <param name="schemas">The schemas, at least one.</param>
    /// <param name="linked">What they declare together, with full names and without common types: in the place of each stands what it
    /// is.</param>
    /// <param name="faults">What contradicts: a name defined twice, an external declaration whose parents its definition does not have, an
    /// enumerated type that is external elsewhere, a definition whose ancestors would become more.</param>
    public static bool TryLink(
        IReadOnlyList<PartialSchema> schemas, [NotNullWhen(true)] out PartialSchema? linked, out IReadOnlyList<Fault> faults)
    {
        ArgumentOutOfRangeException.ThrowIfZero(schemas.Count);
        var found = new List<Fault>();
        faults = found;
        linked = new SchemaLinker(schemas, found).Link();
        return linked is not null;
    }

    /// <summary>The schema, when it is complete.</summary>
    /// <returns>False with a fault for each external declaration.</returns>
    public bool TryComplete([NotNullWhen(true)] out Schema? schema, out IReadOnlyList<Fault> faults)
    {
        faults =
        [
            .. Declared.Syntax.SelectMany(ns => ns.Entities.Where(
                e => e.IsExternal).Select(e => IsExternal(e.Span, $"entity type `{SchemaNames.Qualify(ns.Name, e.Name)}`"))),
            .. Declared.Syntax.SelectMany(ns => ns.Actions.Where(
                a => a.IsExternal).Select(a => IsExternal(a.Span, $"action `{SchemaNames.ActionUid(ns.Name, a.Id)}`"))),
        ];
        schema = faults.Count == 0 ? Declared : null;
        return schema is not null;

        Fault IsExternal(SourceSpan span, string what) => Fault.At(
            Source, span, $"the {what} is external", "define it, or link this schema with the one that does");
    }

    /// <summary>The schema in Cedar syntax.</summary>
    public override string ToString() => Declared.ToString();

    private static PartialSchema? Resolve(SourceText source, List<NamespaceSyntax> namespaces, List<Fault> faults) =>
        faults.Count == 0 && SchemaResolver.Resolve(source, namespaces, faults) is { } declared ? new PartialSchema(source, declared)
            : null;
}
