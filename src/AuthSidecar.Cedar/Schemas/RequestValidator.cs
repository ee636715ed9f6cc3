namespace AuthSidecar.Cedar;

/// <summary>Checks requests against a schema: what an action applies to, its context, and the entities that requests bring along.</summary>
/// <remarks>Immutable and safe to share between threads. Does not allocate for what conforms.</remarks>
public sealed class RequestValidator
{
    private readonly Schema _schema;
    private readonly FrozenDictionary<EntityUid, RequestAction> _actions;

    /// <param name="schema">The schema.</param>
    /// <param name="isSupplied">Whether a context attribute, by its name, is added after validation; such attributes are not expected in
    /// the context of a request.</param>
    public RequestValidator(Schema schema, Func<string, bool> isSupplied)
    {
        ArgumentNullException.ThrowIfNull(schema);
        _schema = schema;
        _actions = schema.Actions.ToFrozenDictionary(a => a.Key, a => new RequestAction(schema, Without(a.Value, isSupplied)));
    }

    /// <summary>Finds an action.</summary>
    /// <returns>False when the schema has no such action.</returns>
    public bool TryGetAction(EntityUid uid, [NotNullWhen(true)] out RequestAction? action) => _actions.TryGetValue(uid, out action);

    /// <summary>Whether an entity conforms to its type in the schema.</summary>
    public bool Conforms(Entity entity)
    {
        ArgumentNullException.ThrowIfNull(entity);
        return _schema.EntityTypes.TryGetValue(entity.Uid.Type, out var type) && Conformance.Conforms(_schema, entity, type);
    }

    /// <summary>The first thing about an entity that does not conform; null when everything does.</summary>
    public string? Check(Entity entity)
    {
        ArgumentNullException.ThrowIfNull(entity);
        return new Conformance(_schema).Check(entity) is [var first, ..] ? $"`{entity.Uid}`: {first}" : null;
    }

    private static SchemaAction Without(SchemaAction action, Func<string, bool> isSupplied) => action with
    {
        Context = new SchemaType.Record(
            action.Context.Attributes.Where(a => !isSupplied(a.Key)).ToFrozenDictionary(StringComparer.Ordinal)),
    };
}

/// <summary>What requests for one action must conform to.</summary>
public sealed class RequestAction
{
    private readonly Schema _schema;
    private readonly SchemaAction _action;

    internal RequestAction(Schema schema, SchemaAction action) => (_schema, _action) = (schema, action);

    /// <summary>Whether the action applies to a principal and a resource, in a context.</summary>
    /// <param name="principal">The principal.</param>
    /// <param name="resource">The resource.</param>
    /// <param name="context">The context, without the attributes that are added after validation.</param>
    public bool Conforms(EntityUid principal, EntityUid resource, ValueRecord context)
    {
        ArgumentNullException.ThrowIfNull(principal);
        ArgumentNullException.ThrowIfNull(resource);
        ArgumentNullException.ThrowIfNull(context);
        return Conformance.Conforms(_schema, _action, principal, resource, context);
    }

    /// <summary>The first thing that does not conform; null when everything does.</summary>
    /// <param name="principal">The principal.</param>
    /// <param name="resource">The resource.</param>
    /// <param name="context">The context, without the attributes that are added after validation.</param>
    public string? Check(EntityUid principal, EntityUid resource, ValueRecord context)
    {
        ArgumentNullException.ThrowIfNull(principal);
        ArgumentNullException.ThrowIfNull(resource);
        ArgumentNullException.ThrowIfNull(context);
        var conformance = new Conformance(_schema);
        return conformance.CheckPrincipal(principal, _action)
            ?? conformance.CheckResource(resource, _action) ?? conformance.CheckContext(context, _action, most: 1);
    }
}
