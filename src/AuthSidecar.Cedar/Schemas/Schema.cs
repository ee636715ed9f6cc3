namespace AuthSidecar.Cedar;

/// <summary>A schema: which entity types and actions there are, what they look like, and what applies to what.</summary>
/// <remarks>Immutable and safe to share between threads.</remarks>
public sealed class Schema
{
    internal Schema(FrozenDictionary<string, SchemaEntityType> entityTypes, FrozenDictionary<EntityUid, SchemaAction> actions,
        List<NamespaceSyntax> syntax)
    {
        Syntax = syntax;
        (EntityTypes, Actions) = (entityTypes, actions);
        EntityHierarchy = new Hierarchy<string>(entityTypes.Keys, t => entityTypes.GetValueOrDefault(t)?.MemberOf);
        ActionHierarchy = new Hierarchy<EntityUid>(actions.Keys, a => actions.GetValueOrDefault(a)?.MemberOf);
        HasEnums = entityTypes.Values.Any(t => t.EnumIds is not null);
    }

    /// <summary>The entity types by their full names.</summary>
    public FrozenDictionary<string, SchemaEntityType> EntityTypes { get; }

    /// <summary>The actions by their uids, groups of actions included.</summary>
    public FrozenDictionary<EntityUid, SchemaAction> Actions { get; }

    /// <summary>The declarations as they were written.</summary>
    internal List<NamespaceSyntax> Syntax { get; }

    /// <summary>Which entity types' entities may be members of which others'.</summary>
    internal Hierarchy<string> EntityHierarchy { get; }

    /// <summary>Which actions are in which groups.</summary>
    internal Hierarchy<EntityUid> ActionHierarchy { get; }

    /// <summary>Whether there is an enumerated type.</summary>
    internal bool HasEnums { get; }

    /// <summary>Whether entities of the one type may be of the other, or members of one that is.</summary>
    internal bool MayBeIn(string type, string group) => string.Equals(type, group, StringComparison.Ordinal)
        || EntityHierarchy.IsBelow(type, group);

    /// <summary>Whether the action is the other, or in that group.</summary>
    internal bool IsIn(EntityUid action, EntityUid group) => action.Equals(group) || ActionHierarchy.IsBelow(action, group);

    /// <summary>Whether a request is one that the schema knows: its action, what that applies to, and the context's type.</summary>
    /// <returns>What is wrong with it; null when nothing is.</returns>
    public string? Check(in Request request) => Conformance.Conforms(this, request) ? null : new Conformance(this).Check(request);

    /// <summary>Reads a schema in Cedar syntax, which defines everything it declares.</summary>
    /// <returns>False with every fault that could be found, each at its place.</returns>
    public static bool TryParse(SourceText text, [NotNullWhen(true)] out Schema? schema, out IReadOnlyList<Fault> faults)
    {
        schema = null;
        return PartialSchema.TryParse(text, out var read, out faults) && read.TryComplete(out schema, out faults);
    }

    /// <summary>Reads a schema in Cedar's JSON format.</summary>
    /// <returns>False with the faults, each at its place.</returns>
    public static bool TryParseJson(SourceText json, [NotNullWhen(true)] out Schema? schema, out IReadOnlyList<Fault> faults)
    {
        schema = null;
        return PartialSchema.TryParseJson(json, out var read, out faults) && read.TryComplete(out schema, out faults);
    }

    /// <summary>The schema in Cedar's JSON format, names as they were written.</summary>
    public string ToJson() => SchemaJsonWriter.Write(Syntax);

    /// <summary>The schema in Cedar syntax, names as they were written.</summary>
    public override string ToString() => SchemaPrinter.Print(Syntax);
}

/// <summary>An entity type.</summary>
/// <param name="Name">The full name.</param>
/// <param name="MemberOf">The types whose entities may be parents of its entities.</param>
/// <param name="Attributes">The attributes.</param>
/// <param name="Tags">The type of the tags; null where there are none.</param>
/// <param name="EnumIds">The ids of an enumerated type, which are all there are; null for other types.</param>
public sealed record SchemaEntityType(
    string Name, FrozenSet<string> MemberOf, SchemaType.Record Attributes, SchemaType? Tags, FrozenSet<string>? EnumIds);

/// <summary>An action, or a group of them.</summary>
/// <param name="Uid">The uid.</param>
/// <param name="MemberOf">The groups it is a direct member of.</param>
/// <param name="Principals">The types of principal it applies to; none for a group that is only a group.</param>
/// <param name="Resources">The types of resource it applies to.</param>
/// <param name="Context">The type of its context.</param>
public sealed record SchemaAction(
    EntityUid Uid, FrozenSet<EntityUid> MemberOf, FrozenSet<string> Principals, FrozenSet<string> Resources, SchemaType.Record Context);
