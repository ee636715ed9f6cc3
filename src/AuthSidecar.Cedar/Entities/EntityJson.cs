using System.Text.Json;

namespace AuthSidecar.Cedar;

/// <summary>Reads Cedar's JSON format of entities and values.</summary>
internal static class EntityJson
{
    // Attributes nest; whoever compares or prints them recurses. The depth of a sensible record is a handful.
    private const int MaxDepth = 64;

    public static List<EntityDeclaration> Read(SourceText source, List<Fault> faults) =>
        JsonCursor.Read(source, MaxDepth, faults, static (ref JsonCursor json) => ReadEntities(ref json)) ?? [];

    /// <summary>Reads one record of values, such as a request's context.</summary>
    public static ValueRecord? ReadRecord(SourceText source, List<Fault> faults) =>
        JsonCursor.Read(source, MaxDepth, faults, static (ref JsonCursor json) => ReadRecord(ref json, "a record"));

    private static List<EntityDeclaration> ReadEntities(ref JsonCursor json)
    {
        var entities = new List<EntityDeclaration>();
        json.EnterArray("an array of entities");
        while (json.HasElement())
        {
            entities.Add(ReadEntity(ref json));
        }

        return entities;
    }

    private static EntityDeclaration ReadEntity(ref JsonCursor json)
    {
        var offset = json.Offset;
        EntityUid? uid = null;
        ValueRecord? attributes = null;
        ValueRecord? tags = null;
        List<EntityUid>? parents = null;
        json.EnterObject("an entity: an object with `uid`, `attrs` and `parents`");
        while (json.ReadName() is { } name)
        {
            switch (name)
            {
                case "uid": json.Once(uid, name); uid = json.ReadUid(); break;
                case "attrs": json.Once(attributes, name); attributes = ReadRecord(ref json, "an object of attributes"); break;
                case "tags": json.Once(tags, name); tags = ReadRecord(ref json, "an object of tags"); break;
                case "parents": json.Once(parents, name); parents = ReadParents(ref json); break;
                default: json.SkipValue(); break;
            }
        }

        return new EntityDeclaration(
            uid ?? throw json.FailAt(offset, "this entity has no `uid`"),
            attributes ?? throw json.FailAt(offset, "this entity has no `attrs`"),
            tags ?? ValueRecord.Empty,
            [.. (parents ?? throw json.FailAt(offset, "this entity has no `parents`")).Distinct()],
            offset);
    }

    private static List<EntityUid> ReadParents(ref JsonCursor json)
    {
        var parents = new List<EntityUid>();
        json.EnterArray("an array of entity uids");
        while (json.HasElement())
        {
            parents.Add(json.ReadUid());
        }

        return parents;
    }

    private static ValueRecord ReadRecord(ref JsonCursor json, string expected)
    {
        json.EnterObject(expected);
        var fields = new List<KeyValuePair<string, Value>>();
        while (json.ReadName() is { } name)
        {
            fields.Add(new(name, ReadValue(ref json)));
        }

        return RecordOf(fields, json, json.Offset);
    }

    private static Value ReadValue(ref JsonCursor json)
    {
        switch (json.Token)
        {
            case JsonTokenType.True or JsonTokenType.False: return Value.Of(json.ReadBool());
            case JsonTokenType.String: return Value.Of(json.ReadString());
            case JsonTokenType.Number: return Value.Of(json.ReadLong());
            case JsonTokenType.StartArray: return Value.Of(ValueSet.Create([.. ReadValues(ref json)]));
            case JsonTokenType.StartObject: return ReadObject(ref json);
            default: throw json.Fail("a value cannot be null", "leave the attribute out");
        }
    }

    private static List<Value> ReadValues(ref JsonCursor json)
    {
        var values = new List<Value>();
        json.EnterArray("an array");
        while (json.HasElement())
        {
            values.Add(ReadValue(ref json));
        }

        return values;
    }

    /// <summary>A record, or one of the escapes for what JSON has no notation for.</summary>
    private static Value ReadObject(ref JsonCursor json)
    {
        var offset = json.Offset;
        json.EnterObject("an object");
        var fields = new List<KeyValuePair<string, Value>>();
        while (json.ReadName() is { } name)
        {
            if (name is "__entity" or "__extn" or "__expr")
            {
                var value = name switch
                {
                    "__entity" => Value.Of(json.ReadUid()),
                    "__extn" => ReadExtension(ref json),
                    _ => throw json.FailAt(offset, "`__expr` is not supported any more", "use `__entity` or `__extn`"),
                };
                return fields.Count == 0 && json.ReadName() is null
                    ? value
                    : throw json.FailAt(offset, $"`{name}` stands alone in its object");
            }

            fields.Add(new(name, ReadValue(ref json)));
        }

        return Value.Of(RecordOf(fields, json, offset));
    }

    /// <summary><c>{"fn", "arg"}</c>, or <c>{"fn", "args": […]}</c> for functions of two arguments.</summary>
    private static Value ReadExtension(ref JsonCursor json)
    {
        var offset = json.Offset;
        string? function = null;
        List<Value>? arguments = null;
        json.EnterObject("`{\"fn\": …, \"arg\": …}`");
        while (json.ReadName() is { } name)
        {
            switch (name)
            {
                case "fn": json.Once(function, name); function = json.ReadString(); break;
                case "arg": json.Once(arguments, name); arguments = [ReadValue(ref json)]; break;
                case "args": json.Once(arguments, name); arguments = ReadValues(ref json); break;
                default: json.SkipValue(); break;
            }
        }

        if (function is null || arguments is null)
        {
            throw json.FailAt(offset, "an extension value has a `fn` and an `arg` or `args`");
        }

        if (!ExtensionFunction.TryFind(function, out var found))
        {
            throw json.FailAt(offset, $"`{function}` is not a function");
        }

        if (!arguments.Select(a => a.Kind).SequenceEqual(found.Parameters))
        {
            throw json.FailAt(offset, $"`{found.Name}` takes {string.Join(" and ", found.Parameters.Select(p => p.Name()))}");
        }

        var (value, failure) = found.Apply(arguments[0], arguments.Count > 1 ? arguments[1] : default);
        return failure is null ? value : throw json.FailAt(offset, failure);
    }

    private static ValueRecord RecordOf(List<KeyValuePair<string, Value>> fields, in JsonCursor json, int offset) =>
        ValueRecord.TryCreate([.. fields], out var record, out var duplicate)
            ? record
            : throw json.FailAt(offset, $"the attribute `{duplicate}` occurs twice");
}
