namespace AuthSidecar.Cedar;

/// <summary>Holds entities and requests against a schema.</summary>
internal sealed class Conformance(Schema schema)
{
    /// <summary>What about an entity does not conform; null when everything does.</summary>
    public string? Check(Entity entity)
    {
        if (EntityType.IsAction(entity.Uid.Type))
        {
            return CheckAction(entity);
        }

        if (!schema.EntityTypes.TryGetValue(entity.Uid.Type, out var type))
        {
            return $"the schema has no entity type `{entity.Uid.Type}`";
        }

        return CheckUid(entity.Uid)
            ?? CheckRecord(entity.Attributes, type.Attributes)
            ?? CheckTags(entity, type)
            ?? CheckParents(entity, type);
    }

    /// <summary>What about a request does not conform; null when everything does.</summary>
    public string? Check(in Request request)
    {
        if (!schema.Actions.TryGetValue(request.Action, out var action))
        {
            return $"the schema has no action `{request.Action}`";
        }

        return CheckApplies(action.Principals, request.Principal, action, "principal")
            ?? CheckApplies(action.Resources, request.Resource, action, "resource")
            ?? (CheckRecord(request.Context, action.Context) is { } mismatch ? $"the context: {mismatch}" : null);
    }

    /// <summary>Why a value is not of a type; null when it is.</summary>
    public string? CheckValue(Value value, SchemaType type)
    {
        switch (type)
        {
            case SchemaType.Primitive primitive:
                return value.Kind == primitive.Kind ? null : Mismatch(primitive.Kind.Name(), value);
            case SchemaType.Entity expected:
                return value.TryGet(out EntityUid? uid) && string.Equals(uid.Type, expected.Type, StringComparison.Ordinal)
                    ? CheckUid(uid)
                    : Mismatch($"entity of type `{expected.Type}`", value);
            case SchemaType.Set set:
                if (!value.TryGet(out ValueSet? items))
                {
                    return Mismatch("set", value);
                }

                foreach (var item in items.Items)
                {
                    if (CheckValue(item, set.Element) is { } mismatch)
                    {
                        return $"an element: {mismatch}";
                    }
                }

                return null;
            case SchemaType.Record record:
                return value.TryGet(out ValueRecord? fields) ? CheckRecord(fields, record) : Mismatch("record", value);
            default:
                throw new InvalidOperationException($"no check for {type.GetType().Name}");
        }
    }

    private static string Mismatch(string expected, Value actual) => $"expected {expected}, got {actual.Kind.Name()}";

    /// <summary>An enumerated type has the entities that it lists and no others.</summary>
    private string? CheckUid(EntityUid uid) =>
        schema.EntityTypes.TryGetValue(uid.Type, out var type) && type.EnumIds?.Contains(uid.Id) == false ? $"`{uid}` is not one of the entities that `{uid.Type}` has" : null;

    private string? CheckRecord(ValueRecord record, SchemaType.Record type)
    {
        foreach (var (name, value) in record.Fields)
        {
            if (!type.Attributes.TryGetValue(name, out var attribute))
            {
                return $"there is no attribute `{name}`";
            }

            if (CheckValue(value, attribute.Type) is { } mismatch)
            {
                return $"attribute `{name}`: {mismatch}";
            }
        }

        foreach (var (name, attribute) in type.Attributes)
        {
            if (attribute.IsRequired && !record.TryGet(name, out _))
            {
                return $"the attribute `{name}` is missing";
            }
        }

        return null;
    }

    private string? CheckTags(Entity entity, SchemaEntityType type)
    {
        if (type.Tags is null)
        {
            return entity.Tags.Count > 0 ? $"`{type.Name}` has no tags" : null;
        }

        foreach (var (name, value) in entity.Tags.Fields)
        {
            if (CheckValue(value, type.Tags) is { } mismatch)
            {
                return $"tag `{name}`: {mismatch}";
            }
        }

        return null;
    }

    /// <summary>The parents alone: whatever is above them conforms as well, or is refused itself.</summary>
    private string? CheckParents(Entity entity, SchemaEntityType type)
    {
        foreach (var parent in entity.Parents)
        {
            if (!schema.EntityHierarchy.IsBelow(type.Name, parent.Type))
            {
                return $"it cannot be a member of `{parent}`";
            }

            if (CheckUid(parent) is { } mismatch)
            {
                return mismatch;
            }
        }

        return null;
    }

    /// <summary>Actions are the schema's: one that is given too must be the same, all its groups included.</summary>
    private string? CheckAction(Entity entity)
    {
        if (!schema.Actions.TryGetValue(entity.Uid, out var action))
        {
            return $"the schema has no action `{entity.Uid}`";
        }

        return entity.Attributes.Count == 0 && entity.Tags.Count == 0 && HasGroupsOf(entity, action) ? null : "the action is not what the schema has";
    }

    /// <summary>Through parents that are the schema's as well; those are checked by themselves.</summary>
    private bool HasGroupsOf(Entity entity, SchemaAction action)
    {
        var given = new HashSet<EntityUid>();
        foreach (var parent in entity.Parents)
        {
            given.Add(parent);
            if (!schema.ActionHierarchy.IsBelow(action.Uid, parent))
            {
                return false;
            }
        }

        foreach (var group in action.MemberOf)
        {
            if (!given.Contains(group) && !given.Any(parent => schema.ActionHierarchy.IsBelow(parent, group)))
            {
                return false;
            }
        }

        return true;
    }

    private string? CheckApplies(IEnumerable<string> types, EntityUid uid, SchemaAction action, string role) => types.Contains(uid.Type, StringComparer.Ordinal)
        ? CheckUid(uid)
        : $"`{action.Uid}` does not apply to a {role} of type `{uid.Type}`";
}
