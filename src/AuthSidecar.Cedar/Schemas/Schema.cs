using System.Collections.Frozen;
using System.Diagnostics.CodeAnalysis;

namespace AuthSidecar.Cedar;

/// <summary>A schema: which entity types and actions there are, what they look like, and what applies to what.</summary>
/// <remarks>Immutable and safe to share between threads.</remarks>
public sealed class Schema
{
    private readonly IReadOnlyList<NamespaceSyntax> _syntax;

    internal Schema(FrozenDictionary<string, SchemaEntityType> entityTypes, FrozenDictionary<EntityUid, SchemaAction> actions, IReadOnlyList<NamespaceSyntax> syntax)
    {
        _syntax = syntax;
        (EntityTypes, Actions) = (entityTypes, actions);
        AncestorTypes = Closure(entityTypes.Keys, t => entityTypes.TryGetValue(t, out var type) ? type.MemberOf : []);
        ActionAncestors = Closure(actions.Keys, a => actions.TryGetValue(a, out var action) ? action.MemberOf : []);
    }

    /// <summary>The entity types by their full names.</summary>
    public FrozenDictionary<string, SchemaEntityType> EntityTypes { get; }

    /// <summary>The actions by their uids, groups of actions included.</summary>
    public FrozenDictionary<EntityUid, SchemaAction> Actions { get; }

    /// <summary>For each entity type, the types its entities may be members of, through however many others.</summary>
    internal FrozenDictionary<string, FrozenSet<string>> AncestorTypes { get; }

    /// <summary>For each action, all groups it is in.</summary>
    internal FrozenDictionary<EntityUid, FrozenSet<EntityUid>> ActionAncestors { get; }

    /// <summary>Whether a request is one that the schema knows: its action, what that applies to, and the context's type.</summary>
    /// <returns>What is wrong with it; null when nothing is.</returns>
    public string? Check(in Request request) => new Conformance(this).Check(request);

    private static FrozenDictionary<T, FrozenSet<T>> Closure<T>(IEnumerable<T> all, Func<T, IEnumerable<T>> parentsOf)
        where T : class => all.ToFrozenDictionary(t => t, t =>
        {
            var above = new HashSet<T>();
            var rest = new Stack<T>(parentsOf(t));
            while (rest.TryPop(out var next))
            {
                if (above.Add(next))
                {
                    foreach (var parent in parentsOf(next))
                    {
                        rest.Push(parent);
                    }
                }
            }

            return above.ToFrozenSet();
        });

    /// <summary>Reads a schema in Cedar syntax.</summary>
    /// <returns>False with every fault that could be found, each at its place.</returns>
    public static bool TryParse(SourceText text, [NotNullWhen(true)] out Schema? schema, out IReadOnlyList<Fault> faults)
    {
        var found = new List<Fault>();
        faults = found;
        schema = Resolve(text, SchemaParser.Parse(text, found), found);
        return schema is not null;
    }

    /// <summary>Reads a schema in Cedar's JSON format.</summary>
    /// <returns>False with the faults, each at its place.</returns>
    public static bool TryParseJson(SourceText json, [NotNullWhen(true)] out Schema? schema, out IReadOnlyList<Fault> faults)
    {
        var found = new List<Fault>();
        faults = found;
        schema = Resolve(json, SchemaJsonReader.Read(json, found), found);
        return schema is not null;
    }

    /// <summary>The schema in Cedar's JSON format, names as they were written.</summary>
    public string ToJson() => SchemaJsonWriter.Write(_syntax);

    /// <summary>The schema in Cedar syntax, names as they were written.</summary>
    public override string ToString() => SchemaPrinter.Print(_syntax);

    private static Schema? Resolve(SourceText source, List<NamespaceSyntax> namespaces, List<Fault> faults) =>
        faults.Count == 0 ? new SchemaResolver(source, faults).Resolve(namespaces) : null;
}

/// <summary>An entity type.</summary>
/// <param name="Name">The full name.</param>
/// <param name="MemberOf">The types whose entities may be parents of its entities.</param>
/// <param name="Attributes">The attributes.</param>
/// <param name="Tags">The type of the tags; null where there are none.</param>
/// <param name="EnumIds">The ids of an enumerated type, which are all there are; null for other types.</param>
public sealed record SchemaEntityType(string Name, FrozenSet<string> MemberOf, SchemaType.Record Attributes, SchemaType? Tags, FrozenSet<string>? EnumIds);

/// <summary>An action, or a group of them.</summary>
/// <param name="Uid">The uid.</param>
/// <param name="MemberOf">The groups it is a direct member of.</param>
/// <param name="Principals">The types of principal it applies to; none for a group that is only a group.</param>
/// <param name="Resources">The types of resource it applies to.</param>
/// <param name="Context">The type of its context.</param>
public sealed record SchemaAction(EntityUid Uid, FrozenSet<EntityUid> MemberOf, FrozenSet<string> Principals, FrozenSet<string> Resources, SchemaType.Record Context);
