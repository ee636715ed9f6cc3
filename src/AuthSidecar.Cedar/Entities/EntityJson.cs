using System.Text.Json;

namespace AuthSidecar.Cedar;

/// <summary>Reads Cedar's JSON format of entities and values, straight from UTF-8.</summary>
internal ref struct EntityJson
{
    // Attributes nest; whoever compares or prints them recurses. The depth of a sensible record is a handful.
    private const int MaxDepth = 64;

    private readonly SourceText _source;
    private Utf8JsonReader _reader;

    private EntityJson(SourceText source)
    {
        _source = source;
        _reader = new Utf8JsonReader(source.Utf8, new JsonReaderOptions { MaxDepth = MaxDepth });
    }

    public static List<EntityDeclaration> Read(SourceText source, List<Fault> faults)
    {
        var json = new EntityJson(source);
        var entities = new List<EntityDeclaration>();
        try
        {
            json.Next();
            json.ReadArray(entities.Add, static (ref EntityJson j) => j.ReadEntity(), "an array of entities");
            json.ExpectEnd();
        }
        catch (MalformedException e)
        {
            faults.Add(e.Fault);
        }
        catch (JsonException e)
        {
            faults.Add(JsonFault(source, e));
        }

        return entities;
    }

    /// <summary>Reads one record of values, such as a request's context.</summary>
    public static ValueRecord? ReadRecord(SourceText source, List<Fault> faults)
    {
        var json = new EntityJson(source);
        try
        {
            json.Next();
            var record = json.ReadRecord("a record");
            json.ExpectEnd();
            return record;
        }
        catch (MalformedException e)
        {
            faults.Add(e.Fault);
        }
        catch (JsonException e)
        {
            faults.Add(JsonFault(source, e));
        }

        return null;
    }

    private delegate T Reader<T>(ref EntityJson json);

    private EntityDeclaration ReadEntity()
    {
        var offset = Offset;
        EntityUid? uid = null;
        ValueRecord? attributes = null;
        ValueRecord? tags = null;
        List<EntityUid>? parents = null;
        ExpectToken(JsonTokenType.StartObject, "an entity: an object with `uid`, `attrs` and `parents`");
        while (ReadPropertyName() is { } name)
        {
            switch (name)
            {
                case "uid": Once(uid, name); uid = ReadUid(); break;
                case "attrs": Once(attributes, name); attributes = ReadRecord("an object of attributes"); break;
                case "tags": Once(tags, name); tags = ReadRecord("an object of tags"); break;
                case "parents":
                    Once(parents, name);
                    parents = [];
                    ReadArray(parents.Add, static (ref EntityJson j) => j.ReadUid(), "an array of entity uids");
                    break;
                default: _reader.Skip(); Next(); break;
            }
        }

        return new EntityDeclaration(
            uid ?? throw Fail(offset, "this entity has no `uid`"),
            attributes ?? throw Fail(offset, "this entity has no `attrs`"),
            tags ?? ValueRecord.Empty,
            [.. (parents ?? throw Fail(offset, "this entity has no `parents`")).Distinct()],
            offset);
    }

    /// <summary><c>{"type", "id"}</c>, or the same inside <c>{"__entity": …}</c>.</summary>
    private EntityUid ReadUid()
    {
        var offset = Offset;
        string? type = null;
        string? id = null;
        EntityUid? escaped = null;
        ExpectToken(JsonTokenType.StartObject, "an entity uid: `{\"type\": …, \"id\": …}`");
        while (ReadPropertyName() is { } name)
        {
            switch (name)
            {
                case "type": Once(type, name); type = ReadString(); break;
                case "id": Once(id, name); id = ReadString(); break;
                case "__entity": Once(escaped, name); escaped = ReadUid(); break;
                default: _reader.Skip(); Next(); break;
            }
        }

        if (escaped is not null)
        {
            return escaped;
        }

        if (type is null || id is null)
        {
            throw Fail(offset, "an entity uid has a `type` and an `id`");
        }

        return EntityUid.TryCreate(type, id, out var uid) ? uid : throw Fail(offset, $"`{type}` is not an entity type name");
    }

    private ValueRecord ReadRecord(string expected)
    {
        ExpectToken(JsonTokenType.StartObject, expected);
        var fields = new List<KeyValuePair<string, Value>>();
        while (ReadPropertyName() is { } name)
        {
            fields.Add(new(name, ReadValue()));
        }

        return RecordOf(fields, Offset);
    }

    private Value ReadValue()
    {
        var offset = Offset;
        switch (_reader.TokenType)
        {
            case JsonTokenType.True: Next(); return Value.True;
            case JsonTokenType.False: Next(); return Value.False;
            case JsonTokenType.String: return Value.Of(ReadString());
            case JsonTokenType.Number:
                if (!_reader.TryGetInt64(out var number))
                {
                    throw Fail(offset, "a number is a whole number of 64 bits", "for fractions use `{\"__extn\": {\"fn\": \"decimal\", \"arg\": \"1.5\"}}`");
                }

                Next();
                return Value.Of(number);
            case JsonTokenType.StartArray:
                var items = new List<Value>();
                ReadArray(items.Add, static (ref EntityJson j) => j.ReadValue(), "an array");
                return Value.Of(ValueSet.Create([.. items]));
            case JsonTokenType.StartObject:
                return ReadObject();
            default:
                throw Fail(offset, "a value cannot be null", "leave the attribute out");
        }
    }

    /// <summary>A record, or one of the escapes for what JSON has no notation for.</summary>
    private Value ReadObject()
    {
        var offset = Offset;
        Next();
        var fields = new List<KeyValuePair<string, Value>>();
        while (ReadPropertyName() is { } name)
        {
            if (name is "__entity" or "__extn" or "__expr")
            {
                var value = name switch
                {
                    "__entity" => Value.Of(ReadUid()),
                    "__extn" => ReadExtension(),
                    _ => throw Fail(offset, "`__expr` is not supported any more", "use `__entity` or `__extn`"),
                };
                return fields.Count == 0 && ReadPropertyName() is null
                    ? value
                    : throw Fail(offset, $"`{name}` stands alone in its object");
            }

            fields.Add(new(name, ReadValue()));
        }

        return Value.Of(RecordOf(fields, offset));
    }

    /// <summary><c>{"fn", "arg"}</c>, or <c>{"fn", "args": […]}</c> for functions of two arguments.</summary>
    private Value ReadExtension()
    {
        var offset = Offset;
        string? function = null;
        List<Value>? arguments = null;
        ExpectToken(JsonTokenType.StartObject, "`{\"fn\": …, \"arg\": …}`");
        while (ReadPropertyName() is { } name)
        {
            switch (name)
            {
                case "fn": Once(function, name); function = ReadString(); break;
                case "arg": Once(arguments, name); arguments = [ReadValue()]; break;
                case "args":
                    Once(arguments, name);
                    arguments = [];
                    ReadArray(arguments.Add, static (ref EntityJson j) => j.ReadValue(), "an array of arguments");
                    break;
                default: _reader.Skip(); Next(); break;
            }
        }

        if (function is null || arguments is null)
        {
            throw Fail(offset, "an extension value has a `fn` and an `arg` or `args`");
        }

        if (!ExtensionFunction.TryFind(function, out var found))
        {
            throw Fail(offset, $"`{function}` is not a function");
        }

        return Call(found, arguments, offset);
    }

    private readonly Value Call(ExtensionFunction function, List<Value> arguments, int offset)
    {
        if (!arguments.Select(a => a.Kind).SequenceEqual(function.Parameters))
        {
            throw Fail(offset, $"`{function.Name}` takes {string.Join(" and ", function.Parameters.Select(p => p.Name()))}");
        }

        var (value, failure) = function.Apply(arguments[0], arguments.Count > 1 ? arguments[1] : default);
        return failure is null ? value : throw Fail(offset, failure);
    }

    private readonly ValueRecord RecordOf(List<KeyValuePair<string, Value>> fields, int offset) =>
        ValueRecord.TryCreate([.. fields], out var record, out var duplicate)
            ? record
            : throw Fail(offset, $"the attribute `{duplicate}` occurs twice");

    private void ReadArray<T>(Action<T> add, Reader<T> read, string expected)
    {
        ExpectToken(JsonTokenType.StartArray, expected);
        while (_reader.TokenType != JsonTokenType.EndArray)
        {
            add(read(ref this));
        }

        Next();
    }

    /// <summary>The next member's name, leaving the reader at its value; null behind the object's end.</summary>
    private string? ReadPropertyName()
    {
        if (_reader.TokenType == JsonTokenType.EndObject)
        {
            Next();
            return null;
        }

        var name = TextOfToken();
        Next();
        return name;
    }

    private string ReadString()
    {
        if (_reader.TokenType != JsonTokenType.String)
        {
            throw Fail(Offset, "expected a string");
        }

        var text = TextOfToken();
        Next();
        return text;
    }

    private readonly string TextOfToken()
    {
        try
        {
            return _reader.GetString()!;
        }
        catch (InvalidOperationException)
        {
            throw Fail(Offset, "this string is not valid Unicode");
        }
    }

    private readonly int Offset => (int)_reader.TokenStartIndex;

    private void Next()
    {
        if (!_reader.Read() && _reader.BytesConsumed < _source.Utf8.Length)
        {
            throw Fail(Offset, "the JSON ends too early");
        }
    }

    private void ExpectToken(JsonTokenType type, string expected)
    {
        if (_reader.TokenType != type)
        {
            throw Fail(Offset, $"expected {expected}");
        }

        Next();
    }

    private void ExpectEnd()
    {
        if (_reader.Read())
        {
            throw Fail(Offset, "expected the end of the text");
        }
    }

    private readonly void Once(object? seen, string name)
    {
        if (seen is not null)
        {
            throw Fail(Offset, $"`{name}` occurs twice");
        }
    }

    private readonly MalformedException Fail(int offset, string message, string? help = null) => new(Fault.At(_source, offset, message, help));

    private static Fault JsonFault(SourceText source, JsonException e) => new(
        source.Name,
        (int)(e.LineNumber ?? 0) + 1,
        (int)(e.BytePositionInLine ?? 0) + 1,
        "this is not JSON, or is nested too deep",
        $"at most {MaxDepth} levels; no comments, no trailing commas");

    /// <summary>Carries a fault out of the descent; it never leaves this file.</summary>
    private sealed class MalformedException(Fault fault) : Exception
    {
        public Fault Fault { get; } = fault;
    }
}
