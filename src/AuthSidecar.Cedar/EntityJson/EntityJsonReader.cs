using System.Runtime.InteropServices;

namespace AuthSidecar.Cedar;

/// <summary>Reads Cedar's JSON format of entities and values. With a schema, the type that is expected tells what an object or a string
/// stands for: whether the value is of that type is another question, which <see cref="Conformance"/> answers.</summary>
internal static class EntityJsonReader
{
    // Attributes nest; whoever compares or prints them recurses. The depth of a sensible record is a handful.
    private const int MaxDepth = 64;

    public static List<GivenEntity> Read(SourceText source, Schema? schema, List<Fault> faults) =>
        JsonCursor.Read(source, MaxDepth, faults, (ref JsonCursor json) => ReadEntities(ref json, schema)) ?? [];

    public static Entity? ReadOne(SourceText source, List<Fault> faults) =>
        JsonCursor.Read(source, MaxDepth, faults, (ref JsonCursor json) => ReadEntity(ref json, schema: null).Entity);

    /// <summary>Reads one record of values, such as a request's context.</summary>
    /// <param name="source">The record.</param>
    /// <param name="type">The type it is to be of; null: any will do.</param>
    /// <param name="faults">Gets the first fault.</param>
    public static ValueRecord? ReadRecord(SourceText source, SchemaType.Record? type, List<Fault> faults) =>
        JsonCursor.Read(source, MaxDepth, faults, (ref JsonCursor json) => EscapeAt(json) is { } escape
            ? throw json.Fail($"expected a record, found escape `{escape}`")
            : ReadRecord(ref json, "a record", AttributesOf(type)));

    /// <summary>Where in the text of an entity, which was read before without a fault, a value of it stands.</summary>
    public static int Locate(SourceText source, int offset, ValuePlace? place)
    {
        var json = JsonCursor.At(source, offset, MaxDepth);
        foreach (var step in place?.Steps() ?? [])
        {
            if (!(step.Name is { } name ? FindMember(ref json, name) : FindElement(ref json, step.Element, step.ElementType)))
                break;
        }

        return json.Offset;
    }

    /// <summary>Moves the cursor to a member of the object it is at, if there is one.</summary>
    private static bool FindMember(ref JsonCursor json, string name)
    {
        if (json.Token != JsonTokenType.StartObject)
            return false;

        var at = json;
        at.EnterObject("an object");
        while (at.ReadName() is { } member)
        {
            if (string.Equals(member, name, StringComparison.Ordinal))
            {
                json = at;
                return true;
            }

            at.SkipValue();
        }

        return false;
    }

    /// <summary>Moves the cursor to the first element of the array it is at that is read as this value.</summary>
    private static bool FindElement(ref JsonCursor json, Value element, SchemaType? type)
    {
        if (json.Token != JsonTokenType.StartArray)
            return false;

        var at = json;
        at.EnterArray("an array");
        while (at.HasElement())
        {
            var read = at;
            if (ReadValue(ref read, type) == element)
            {
                json = at;
                return true;
            }

            at.SkipValue();
        }

        return false;
    }

    private static List<GivenEntity> ReadEntities(ref JsonCursor json, Schema? schema)
    {
        var entities = new List<GivenEntity>();
        json.EnterArray("an array of entities");
        while (json.HasElement())
            entities.Add(ReadEntity(ref json, schema));

        return entities;
    }

    /// <summary>What a record's attributes are expected to be, by name; null where nothing is.</summary>
    private delegate SchemaType? Expectation(string name);

    private static Expectation? AttributesOf(SchemaType.Record? type) =>
        type is null ? null : name => type.Attributes.TryGetValue(name, out var attribute) ? attribute.Type : null;

    private static GivenEntity ReadEntity(ref JsonCursor json, Schema? schema)
    {
        var offset = json.Offset;
        EntityUid? uid = null;
        List<EntityUid>? parents = null;
        // What is expected of attributes and tags hangs on the entity's type, which may come behind them: they are read in the end.
        JsonCursor attributesAt = json, tagsAt = json;
        bool hasAttributes = false, hasTags = false;
        json.EnterObject("an entity: an object with `uid`, `attrs` and `parents`");
        while (json.ReadName() is { } name)
        {
            switch (name)
            {
                case "uid": json.Once(uid, name); uid = json.ReadUid(); break;
                case "parents": json.Once(parents, name); parents = ReadParents(ref json); break;
                case "attrs":
                    json.Once(hasAttributes ? name : null, name);
                    attributesAt = json;
                    hasAttributes = true;
                    json.SkipValue();
                    break;
                case "tags":
                    json.Once(hasTags ? name : null, name);
                    tagsAt = json;
                    hasTags = true;
                    json.SkipValue();
                    break;
                default: json.SkipValue(); break;
            }
        }

        if (uid is null || parents is null || !hasAttributes)
            throw json.FailAt(offset, $"missing `{(uid is null ? "uid" : hasAttributes ? "parents" : "attrs")}`");

        if (EntityType.IsAction(uid.Type) && parents.Find(p => !EntityType.IsAction(p.Type)) is { } parent)
            throw json.FailAt(offset, $"parent `{parent}` of action `{uid}` is not an action");

        var type = schema?.EntityTypes.GetValueOrDefault(uid.Type);
        var attributes = ReadRecord(ref attributesAt, "an object of attributes", AttributesOf(type?.Attributes));
        var tagged = hasTags ? ReadRecord(ref tagsAt, "an object of tags", type?.Tags is { } tags ? _ => tags : null) : ValueRecord.Empty;
        return new GivenEntity(new Entity(uid, attributes, tagged, CollectionsMarshal.AsSpan(parents)), offset);
    }

    private static List<EntityUid> ReadParents(ref JsonCursor json)
    {
        var parents = new List<EntityUid>();
        json.EnterArray("an array of entity uids");
        while (json.HasElement())
            parents.Add(json.ReadUid());

        return parents;
    }

    private static ValueRecord ReadRecord(ref JsonCursor json, string expected, Expectation? attributes)
    {
        json.EnterObject(expected);
        var fields = new List<KeyValuePair<string, Value>>();
        while (json.ReadName() is { } name)
            fields.Add(new(name, ReadValue(ref json, attributes?.Invoke(name))));

        return RecordOf(fields, json, json.Offset);
    }

    private static Value ReadValue(ref JsonCursor json, SchemaType? type)
    {
        switch (json.Token)
        {
            case JsonTokenType.True or JsonTokenType.False: return Value.Of(json.ReadBool());
            case JsonTokenType.String: return ReadText(ref json, type);
            case JsonTokenType.Number: return Value.Of(json.ReadLong());
            case JsonTokenType.StartArray: return Value.Of(ValueSet.Create([.. ReadValues(ref json, (type as SchemaType.Set)?.Element)]));
            case JsonTokenType.StartObject: return ReadObject(ref json, type);
            default: throw json.Fail("a value cannot be null", "omit the attribute");
        }
    }

    /// <summary>A string; where an extension value is expected, what that is made of.</summary>
    private static Value ReadText(ref JsonCursor json, SchemaType? type)
    {
        var offset = json.Offset;
        var text = Value.Of(json.ReadString());
        return type is SchemaType.Primitive primitive && ExtensionFunction.ConstructorOf(primitive.Kind) is { } constructor
            ? Apply(constructor, [text], json, offset)
            : text;
    }

    private static List<Value> ReadValues(ref JsonCursor json, SchemaType? type)
    {
        var values = new List<Value>();
        json.EnterArray("an array");
        while (json.HasElement())
            values.Add(ReadValue(ref json, type));

        return values;
    }

    /// <summary>A record, or one of the escapes for what JSON has no notation for; the escape itself may be left out where it is
    /// expected.</summary>
    private static Value ReadObject(ref JsonCursor json, SchemaType? type)
    {
        if (EscapeAt(json) is { } escape)
            return ReadEscape(ref json, escape, type);

        return type switch
        {
            SchemaType.Entity => Value.Of(json.ReadUid()),
            SchemaType.Primitive primitive when ExtensionFunction.ConstructorOf(primitive.Kind) is not null => ReadExtension(ref json,
                type),
            _ => Value.Of(ReadRecord(ref json, "an object", AttributesOf(type as SchemaType.Record))),
        };
    }

    private static Value ReadEscape(ref JsonCursor json, string escape, SchemaType? type)
    {
        var offset = json.Offset;
        json.EnterObject("an escape");
        json.ReadName();
        var value = escape switch
        {
            "__entity" => Value.Of(json.ReadUid()),
            "__extn" => ReadExtension(ref json, type),
            _ => throw json.FailAt(offset, "unsupported escape `__expr`", "use `__entity` or `__extn`"),
        };
        json.ReadName();
        return value;
    }

    /// <summary>The escape that the object at the cursor is, of which a copy is looked at. As the reference has it, an object that only
    /// resembles an escape is a record; a schema then tells that none was meant to be there.</summary>
    private static string? EscapeAt(JsonCursor json)
    {
        if (json.Token != JsonTokenType.StartObject)
            return null;

        json.EnterObject("an object");
        var name = json.ReadName();
        var isWhole = name switch
        {
            "__entity" => HasMembers(ref json, "type", "id"),
            "__extn" => HasMembers(ref json, "fn", "arg") || HasMembers(ref json, "fn", "args"),
            "__expr" => json.Token == JsonTokenType.String,
            _ => false,
        };
        if (!isWhole)
            return null;

        json.SkipValue();
        return json.ReadName() is null ? name : null;
    }

    /// <summary>Whether the value at the cursor, which stays where it is, is an object of a string and another member.</summary>
    private static bool HasMembers(ref JsonCursor json, string first, string second)
    {
        var at = json;
        if (at.Token != JsonTokenType.StartObject)
            return false;

        at.EnterObject("an object");
        bool hasFirst = false, hasSecond = false;
        while (at.ReadName() is { } name)
        {
            hasFirst |= name == first && at.Token == JsonTokenType.String;
            hasSecond |= name == second && (second != "id" || at.Token == JsonTokenType.String)
                && (second != "args" || at.Token == JsonTokenType.StartArray);
            at.SkipValue();
        }

        return hasFirst && hasSecond;
    }

    /// <summary><c>{"fn", "arg"}</c>, or <c>{"fn", "args": […]}</c> for functions of two arguments.</summary>
    private static Value ReadExtension(ref JsonCursor json, SchemaType? type)
    {
        var offset = json.Offset;
        string? function = null;
        // What the arguments are expected to be hangs on the function, which may come behind them.
        var argumentsAt = json;
        bool hasArguments = false, areMany = false;
        json.EnterObject("`{\"fn\": …, \"arg\": …}`");
        while (json.ReadName() is { } name)
        {
            switch (name)
            {
                case "fn": json.Once(function, name); function = json.ReadString(); break;
                case "arg" or "args":
                    json.OnceOf(hasArguments ? name : null, "arg", "args");
                    argumentsAt = json;
                    hasArguments = true;
                    areMany = name == "args";
                    json.SkipValue();
                    break;
                default: json.SkipValue(); break;
            }
        }

        if (function is null || !hasArguments)
            throw json.FailAt(offset, "an extension value must have `fn`, and `arg` or `args`");

        // Data belong to no release: what one takes and another does not is refused.
        if (!ExtensionFunction.TryFind(function, CedarRelease.V4_12, out var found))
            throw json.FailAt(offset, $"`{function}` is not a function");

        // Where an extension value is expected, its arguments are too; elsewhere everything is what it looks like.
        var parameters = type is null ? [] : found.Parameters.Select(p => (SchemaType)new SchemaType.Primitive(p)).ToArray();
        return Apply(found, areMany ? ReadArguments(ref argumentsAt, parameters)
            : [ReadValue(ref argumentsAt, parameters.FirstOrDefault())], json, offset);
    }

    private static List<Value> ReadArguments(ref JsonCursor json, SchemaType[] parameters)
    {
        var values = new List<Value>();
        json.EnterArray("an array of arguments");
        while (json.HasElement())
            values.Add(ReadValue(ref json, parameters.ElementAtOrDefault(values.Count)));

        return values;
    }

    private static Value Apply(ExtensionFunction function, List<Value> arguments, in JsonCursor json, int offset)
    {
        if (!arguments.Select(a => a.Kind).SequenceEqual(function.Parameters))
            throw json.FailAt(offset, $"`{function.Name}` takes {string.Join(" and ", function.Parameters.Select(p => p.Name()))}");

        var (value, failure) = function.Apply(arguments[0], arguments.Count > 1 ? arguments[1] : default);
        return failure is null ? value : throw json.FailAt(offset, failure);
    }

    private static ValueRecord RecordOf(List<KeyValuePair<string, Value>> fields, in JsonCursor json, int offset) =>
        ValueRecord.TryCreate([.. fields], out var record, out var duplicate)
            ? record
            : throw json.FailAt(offset, $"the attribute `{duplicate}` occurs twice");
}
