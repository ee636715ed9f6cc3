using System.Collections.Frozen;
using System.Diagnostics.CodeAnalysis;

namespace AuthSidecar.Cedar;

/// <summary>Holds requests against a schema: what an action applies to, its context, and the entities that requests bring along. Compiled once for a schema.</summary>
/// <remarks>Immutable and safe to share between threads. Does not allocate for what conforms.</remarks>
public sealed class RequestValidator
{
    private readonly Schema _schema;
    private readonly FrozenDictionary<EntityUid, RequestAction> _actions;
    private readonly FrozenDictionary<string, (SchemaEntityType Type, RecordShape Attributes)> _entityTypes;

    /// <param name="schema">The schema.</param>
    /// <param name="isSupplied">Whether an attribute of the context is supplied by whoever decides, and so not a part of what requests bring.</param>
    public RequestValidator(Schema schema, Func<string, bool> isSupplied)
    {
        ArgumentNullException.ThrowIfNull(schema);
        _schema = schema;
        _actions = schema.Actions.ToFrozenDictionary(a => a.Key, a => new RequestAction(schema, Without(a.Value, isSupplied)));
        _entityTypes = schema.EntityTypes.ToFrozenDictionary(t => t.Key, t => (t.Value, new RecordShape(t.Value.Attributes)), StringComparer.Ordinal);
    }

    /// <summary>What is compiled of an action.</summary>
    /// <returns>False when the schema has no such action.</returns>
    public bool TryGetAction(EntityUid uid, [NotNullWhen(true)] out RequestAction? action) => _actions.TryGetValue(uid, out action);

    /// <summary>Whether an entity is one that the schema knows; its tags are not looked at.</summary>
    public bool Conforms(Entity entity)
    {
        ArgumentNullException.ThrowIfNull(entity);
        if (!_entityTypes.TryGetValue(entity.Uid.Type, out var known))
        {
            return false;
        }

        foreach (var parent in entity.Parents)
        {
            if (!_schema.EntityHierarchy.IsBelow(known.Type.Name, parent.Type) || !Conformance.IsListed(_schema, parent, out _))
            {
                return false;
            }
        }

        return known.Type.EnumIds?.Contains(entity.Uid.Id) != false && known.Attributes.Conforms(_schema, entity.Attributes);
    }

    /// <summary>The first thing about an entity that does not conform; null when everything does.</summary>
    public string? Check(Entity entity)
    {
        ArgumentNullException.ThrowIfNull(entity);
        return Conforms(entity) ? null : new Conformance(_schema).Check(entity) is [var first, ..] ? $"`{entity.Uid}`: {first}" : null;
    }

    private static SchemaAction Without(SchemaAction action, Func<string, bool> isSupplied) => action with
    {
        Context = new SchemaType.Record(action.Context.Attributes.Where(a => !isSupplied(a.Key)).ToFrozenDictionary(StringComparer.Ordinal)),
    };
}

/// <summary>What requests for an action look like.</summary>
public sealed class RequestAction
{
    private readonly Schema _schema;
    private readonly SchemaAction _action;
    private readonly string[] _principals;
    private readonly string[] _resources;
    private readonly RecordShape _context;
    private readonly bool _hasEnums;

    internal RequestAction(Schema schema, SchemaAction action)
    {
        (_schema, _action, _context) = (schema, action, new RecordShape(action.Context));
        (_principals, _resources) = ([.. action.Principals], [.. action.Resources]);
        _hasEnums = _principals.Concat(_resources).Any(t => schema.EntityTypes.TryGetValue(t, out var type) && type.EnumIds is not null);
    }

    /// <summary>Whether the action applies to a principal and a resource, in a context.</summary>
    /// <param name="principal">The principal.</param>
    /// <param name="resource">The resource.</param>
    /// <param name="context">What the request brings of the context.</param>
    public bool Conforms(EntityUid principal, EntityUid resource, ValueRecord context)
    {
        ArgumentNullException.ThrowIfNull(principal);
        ArgumentNullException.ThrowIfNull(resource);
        ArgumentNullException.ThrowIfNull(context);
        return Contains(_principals, principal.Type) && Contains(_resources, resource.Type) && _context.Conforms(_schema, context)
            && (!_hasEnums || (Conformance.IsListed(_schema, principal, out _) && Conformance.IsListed(_schema, resource, out _)));
    }

    /// <summary>The first thing that does not conform; null when everything does.</summary>
    /// <param name="principal">The principal.</param>
    /// <param name="resource">The resource.</param>
    /// <param name="context">What the request brings of the context.</param>
    public string? Check(EntityUid principal, EntityUid resource, ValueRecord context)
    {
        if (Conforms(principal, resource, context))
        {
            return null;
        }

        var conformance = new Conformance(_schema);
        return conformance.CheckPrincipal(principal, _action) ?? conformance.CheckResource(resource, _action) ?? conformance.CheckContext(context, _action, most: 1);
    }

    private static bool Contains(string[] types, string type)
    {
        foreach (var candidate in types)
        {
            if (string.Equals(candidate, type, StringComparison.Ordinal))
            {
                return true;
            }
        }

        return false;
    }
}

/// <summary>A record type in the order of its names, as records are: to hold one against the other is to walk along both.</summary>
internal sealed class RecordShape
{
    private readonly string[] _names;
    private readonly SchemaType[] _types;
    private readonly bool[] _required;

    public RecordShape(SchemaType.Record type)
    {
        var attributes = type.Attributes.OrderBy(a => a.Key, StringComparer.Ordinal).ToList();
        (_names, _types, _required) = ([.. attributes.Select(a => a.Key)], [.. attributes.Select(a => a.Value.Type)], [.. attributes.Select(a => a.Value.IsRequired)]);
    }

    public bool Conforms(Schema schema, ValueRecord record)
    {
        var at = 0;
        foreach (ref readonly var field in record.Fields)
        {
            while (at < _names.Length && !string.Equals(_names[at], field.Key, StringComparison.Ordinal))
            {
                if (_required[at++])
                {
                    return false;
                }
            }

            if (at == _names.Length || !Conforms(schema, field.Value, _types[at++]))
            {
                return false;
            }
        }

        while (at < _names.Length)
        {
            if (_required[at++])
            {
                return false;
            }
        }

        return true;
    }

    private static bool Conforms(Schema schema, Value value, SchemaType type) =>
        type is SchemaType.Primitive primitive ? value.Kind == primitive.Kind : Conformance.Conforms(schema, value, type);
}
