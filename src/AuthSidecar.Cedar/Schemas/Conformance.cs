namespace AuthSidecar.Cedar;

/// <summary>Holds entities and requests against a schema. Most conform, and are only asked whether they do; what does not is looked at once
/// more, to tell why.</summary>
/// <remarks>Not safe to share between threads.</remarks>
internal sealed class Conformance(Schema schema)
{
    /// <summary>Of one entity or context no more faults are told than this.</summary>
    public const int MostFaults = 100;

    private const int MostListed = 8;

    private readonly Suggestions _suggestions = new();

    /// <summary>Whether a request conforms.</summary>
    public static bool Conforms(Schema schema, in Request request) =>
        schema.Actions.TryGetValue(request.Action, out var action)
            && Conforms(schema, action, request.Principal, request.Resource, request.Context);

    public static bool Conforms(Schema schema, SchemaAction action, EntityUid principal, EntityUid resource, ValueRecord context) =>
        action.Principals.Contains(principal.Type) && IsListed(schema, principal)
        && action.Resources.Contains(resource.Type) && IsListed(schema, resource)
        && action.Context.Shape.Conforms(schema, context);

    public static bool Conforms(Schema schema, Value value, SchemaType type)
    {
        switch (type)
        {
            case SchemaType.Primitive primitive: return value.Kind == primitive.Kind;
            case SchemaType.Entity expected:
                return value.TryGet(out EntityUid? uid) && string.Equals(uid.Type, expected.Type, StringComparison.Ordinal)
                    && IsListed(schema, uid);
            case SchemaType.Record record: return value.TryGet(out ValueRecord? fields) && record.Shape.Conforms(schema, fields);
            case SchemaType.Set set when value.TryGet(out ValueSet? items):
                foreach (ref readonly var item in items.Items)
                {
                    if (!Conforms(schema, item, set.Element))
                        return false;
                }

                return true;
            default: return false;
        }
    }

    public static bool Conforms(Schema schema, Entity entity, SchemaEntityType type)
    {
        foreach (ref readonly var tag in entity.Tags.Fields)
        {
            if (type.Tags is null || !Conforms(schema, tag.Value, type.Tags))
                return false;
        }

        foreach (var parent in entity.Parents)
        {
            if (!schema.EntityHierarchy.IsBelow(type.Name, parent.Type) || !IsListed(schema, parent))
                return false;
        }

        return IsListed(schema, entity.Uid) && type.Attributes.Shape.Conforms(schema, entity.Attributes);
    }

    /// <summary>Without looking for the type where there is nothing to list.</summary>
    private static bool IsListed(Schema schema, EntityUid uid) => (!schema.HasEnums && !EntityType.IsAction(uid.Type))
        || IsListed(schema, uid, out _);

    /// <summary>An enumerated type has the entities that it lists and no others, and there are no actions but those of the
    /// schema.</summary>
    private static bool IsListed(Schema schema, EntityUid uid, out SchemaEntityType? type) =>
        schema.EntityTypes.TryGetValue(uid.Type, out type)
        ? type.EnumIds?.Contains(uid.Id) != false
        : !EntityType.IsAction(uid.Type) || schema.Actions.ContainsKey(uid);

    // ------------------------------------------------------------------ what does not

    /// <summary>What about an entity does not conform, all of it; nothing when everything does.</summary>
    public IReadOnlyList<ConformanceFault> Check(Entity entity)
    {
        if (EntityType.IsAction(entity.Uid.Type))
            return CheckAction(entity) is { } mismatch ? [new ConformanceFault(mismatch, null, null)] : [];

        if (!schema.EntityTypes.TryGetValue(entity.Uid.Type, out var type))
        {
            return [new ConformanceFault($"unrecognized entity type `{entity.Uid.Type}`",
                _suggestions.For(entity.Uid.Type, schema.EntityTypes.Keys), ValuePlace.Member("uid"))];
        }

        if (Conforms(schema, entity, type))
            return [];

        List<ConformanceFault>? faults = null;
        CheckUid(entity.Uid, ValuePlace.Member("uid"), ref faults);
        CheckRecord(entity.Attributes, type.Attributes, ValuePlace.Member("attrs"), ref faults);
        CheckTags(entity, type, ref faults);
        CheckParents(entity, type, ref faults);
        return faults ?? throw new InvalidOperationException($"no fault was found of `{entity.Uid}`, which does not conform");
    }

    /// <summary>What about a request does not conform, all of it; null when everything does.</summary>
    public string? Check(in Request request)
    {
        if (!schema.Actions.TryGetValue(request.Action, out var action))
            return UnknownAction(request.Action);

        string?[] mismatches = [CheckPrincipal(request.Principal, action), CheckResource(request.Resource, action),
            CheckContext(request.Context, action)];
        return string.Join("; ", mismatches.Where(m => m is not null)) is { Length: > 0 } all ? all : null;
    }

    /// <summary>What to say of an action that the schema does not have.</summary>
    public string UnknownAction(EntityUid uid) =>
        $"unrecognized action `{uid}`{(_suggestions.For(uid, schema.Actions.Keys) is { } suggestion ? $"; {suggestion}" : "")}";

    /// <summary>Why the action does not apply to a principal; null when it does.</summary>
    public string? CheckPrincipal(EntityUid uid, SchemaAction action) => CheckApplies(action.Principals, uid.Type, action, "principal")
        ?? CheckUid(uid);

    /// <summary>Why the action does not apply to a resource; null when it does.</summary>
    public string? CheckResource(EntityUid uid, SchemaAction action) => CheckApplies(action.Resources, uid.Type, action, "resource")
        ?? CheckUid(uid);

    /// <summary>Why a context is not what the action has; null when it is.</summary>
    /// <param name="context">The context.</param>
    /// <param name="action">The action.</param>
    /// <param name="most">How many faults are told.</param>
    public string? CheckContext(ValueRecord context, SchemaAction action, int most = MostListed)
    {
        List<ConformanceFault>? faults = null;
        CheckRecord(context, action.Context, null, ref faults);
        return faults is null ? null
            : $"the context: {string.Join("; ", faults.Take(most))}{(faults.Count > most && most > 1 ? "; …" : "")}";
    }

    /// <summary>Why the action does not apply to entities of a type; null when it does.</summary>
    public string? CheckApplies(IReadOnlyCollection<string> types, string type, SchemaAction action, string role)
    {
        if (types.Contains(type, StringComparer.Ordinal))
            return null;

        if (types.Count == 0)
            return $"`{action.Uid}` does not apply to a {role} of type `{type}`, or of any other type";

        var known = schema.EntityTypes.ContainsKey(type) ? "" : ", which the schema does not have";
        var listed = types.Order(StringComparer.Ordinal).Take(MostListed).Select(t => $"`{t}`");
        return $"`{action.Uid}` does not apply to a {role} of type `{type}`{known}, but to "
            + $"{string.Join(", ", listed)}{(types.Count > MostListed ? ", …" : "")}";
    }

    private void CheckValue(Value value, SchemaType type, ValuePlace? at, ref List<ConformanceFault>? faults)
    {
        switch (type)
        {
            case SchemaType.Primitive primitive when value.Kind != primitive.Kind:
                Mismatch(primitive.Kind.Name(), value, at, ref faults);
                break;
            case SchemaType.Primitive:
                break;
            case SchemaType.Entity expected when value.TryGet(out EntityUid? uid)
                && string.Equals(uid.Type, expected.Type, StringComparison.Ordinal):
                CheckUid(uid, at, ref faults);
                break;
            case SchemaType.Entity expected: Mismatch($"entity of type `{expected.Type}`", value, at, ref faults); break;
            case SchemaType.Set set when value.TryGet(out ValueSet? items):
                foreach (var item in items.Items)
                    CheckValue(item, set.Element, new ValuePlace(at, null, item, set.Element), ref faults);

                break;
            case SchemaType.Set: Mismatch("set", value, at, ref faults); break;
            case SchemaType.Record record when value.TryGet(out ValueRecord? fields): CheckRecord(fields, record, at, ref faults); break;
            case SchemaType.Record: Mismatch("record", value, at, ref faults); break;
            default: throw new InvalidOperationException($"no check for {type.GetType().Name}");
        }
    }

    // Which entity it is helps; what other values are may be nobody's business.
    private static void Mismatch(string expected, Value actual, ValuePlace? at, ref List<ConformanceFault>? faults) =>
        Add($"expected {expected}, got {(actual.TryGet(out EntityUid? uid) ? $"`{uid}`" : actual.Kind.Name())}", null, at, ref faults);

    private static void Add(string message, string? help, ValuePlace? of, ref List<ConformanceFault>? faults, ValuePlace? at = null)
    {
        faults ??= [];
        if (faults.Count < MostFaults)
            faults.Add(new ConformanceFault($"{of?.Describe()}{message}", help, at ?? of));
    }

    private string? CheckUid(EntityUid uid) => IsListed(schema, uid, out var type) ? null
        : type is null ? UnknownAction(uid) : NotOfEnum(uid, type);

    private void CheckUid(EntityUid uid, ValuePlace? at, ref List<ConformanceFault>? faults)
    {
        if (!IsListed(schema, uid, out var type))
        {
            var suggestion = _suggestions.For(
                uid, type is null ? schema.Actions.Keys : type.EnumIds!.Select(id => EntityUid.OfCheckedType(type.Name, id)));
            Add(type is null ? $"unrecognized action `{uid}`" : NotOfEnum(uid, type), suggestion, at, ref faults);
        }
    }

    private static string NotOfEnum(EntityUid uid, SchemaEntityType type) =>
        $"`{uid}` is not a valid id of enumerated entity type `{type.Name}`";

    private void CheckRecord(ValueRecord record, SchemaType.Record type, ValuePlace? at, ref List<ConformanceFault>? faults)
    {
        foreach (var (name, value) in record.Fields)
        {
            if (type.Attributes.TryGetValue(name, out var attribute))
            {
                CheckValue(value, attribute.Type, new ValuePlace(at, name, default, null), ref faults);
            }
            else
            {
                // At its own place, but wrong of what it is an attribute of.
                Add($"attribute `{name}` is not declared", _suggestions.For(name, type.Attributes.Keys), at, ref faults,
                    new ValuePlace(at, name, default, null));
            }
        }

        foreach (var (name, attribute) in type.Attributes)
        {
            if (attribute.IsRequired && !record.TryGet(name, out _))
                Add($"the attribute `{name}` is missing", null, at, ref faults);
        }
    }

    private void CheckTags(Entity entity, SchemaEntityType type, ref List<ConformanceFault>? faults)
    {
        var at = ValuePlace.Member("tags");
        if (type.Tags is null)
        {
            if (entity.Tags.Count > 0)
                Add($"`{type.Name}` has no tags", null, at, ref faults);

            return;
        }

        foreach (var (name, value) in entity.Tags.Fields)
            CheckValue(value, type.Tags, new ValuePlace(at, name, default, null), ref faults);
    }

    /// <summary>The parents alone: whatever is above them conforms as well, or is refused itself.</summary>
    private void CheckParents(Entity entity, SchemaEntityType type, ref List<ConformanceFault>? faults)
    {
        foreach (var parent in entity.Parents)
        {
            if (!schema.EntityHierarchy.IsBelow(type.Name, parent.Type))
                Add($"`{parent}` is not allowed as a parent", null, ValuePlace.Parent(parent), ref faults);
            else
                CheckUid(parent, ValuePlace.Parent(parent), ref faults);
        }
    }

    /// <summary>Actions are the schema's: one that is given too must be the same, all its groups included.</summary>
    private string? CheckAction(Entity entity)
    {
        if (!schema.Actions.TryGetValue(entity.Uid, out var action))
            return UnknownAction(entity.Uid);

        return entity.Attributes.Count == 0 && entity.Tags.Count == 0 && HasGroupsOf(entity, action) ? null
            : "the action does not match its declaration in the schema";
    }

    /// <summary>Through parents that are the schema's as well; those are checked by themselves.</summary>
    private bool HasGroupsOf(Entity entity, SchemaAction action)
    {
        var given = new HashSet<EntityUid>();
        foreach (var parent in entity.Parents)
        {
            given.Add(parent);
            if (!schema.ActionHierarchy.IsBelow(action.Uid, parent))
                return false;
        }

        foreach (var group in action.MemberOf)
        {
            if (!given.Contains(group) && !given.Any(parent => schema.ActionHierarchy.IsBelow(parent, group)))
                return false;
        }

        return true;
    }
}

/// <summary>What does not conform.</summary>
/// <param name="Message">What is wrong, and with what.</param>
/// <param name="Help">How to fix it, if known.</param>
/// <param name="At">Where in the entity; null: as a whole.</param>
internal sealed record ConformanceFault(string Message, string? Help, ValuePlace? At)
{
    public override string ToString() => Help is null ? Message : $"{Message}; {Help}";
}

/// <summary>Where a value stands within an entity or a context: an attribute of something, or an element of it.</summary>
/// <param name="Outer">What it is a part of; null at the outermost.</param>
/// <param name="Name">The name of the attribute, the tag, or the entity's member; null for an element.</param>
/// <param name="Element">The element.</param>
/// <param name="ElementType">The type that the element is to be of, which it was read with.</param>
internal sealed record ValuePlace(ValuePlace? Outer, string? Name, Value Element, SchemaType? ElementType)
{
    private bool IsMember { get; init; }

    /// <summary>A member of the entity itself, such as <c>attrs</c>.</summary>
    public static ValuePlace Member(string name) => new(null, name, default, null) { IsMember = true };

    public static ValuePlace Parent(EntityUid uid) => new(Member("parents"), null, Value.Of(uid), new SchemaType.Entity(uid.Type))
    {
        IsMember = true,
    };

    /// <summary>The way to the value, in front of what is wrong with it.</summary>
    public string Describe() => IsMember ? ""
        : Outer?.Describe()
            + (Name is null ? "an element: " : Outer is { IsMember: true, Name: "tags" } ? $"tag `{Name}`: " : $"attribute `{Name}`: ");

    /// <summary>From the outermost in.</summary>
    public IEnumerable<ValuePlace> Steps()
    {
        var steps = new Stack<ValuePlace>();
        for (var at = this; at is not null; at = at.Outer)
            steps.Push(at);

        return steps;
    }
}
