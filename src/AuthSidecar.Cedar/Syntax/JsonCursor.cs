namespace AuthSidecar.Cedar;

/// <summary>Walks over a JSON text token by token, straight from UTF-8, and knows where it is when something is wrong.</summary>
internal ref struct JsonCursor
{
    private readonly SourceText _source;
    private readonly NameTable _names = new();
    private readonly int _start;
    private Utf8JsonReader _reader;

    private JsonCursor(SourceText source, int start, int maxDepth)
    {
        (_source, _start) = (source, start);
        _reader = new Utf8JsonReader(source.Utf8[start..], new JsonReaderOptions { MaxDepth = maxDepth });
    }

    public delegate T Reading<out T>(ref JsonCursor json);

    /// <summary>Reads a text that holds one JSON value.</summary>
    /// <param name="source">The text.</param>
    /// <param name="maxDepth">How deep it may be nested: whoever reads it recurses.</param>
    /// <param name="faults">Gets the first fault.</param>
    /// <param name="read">Reads the value.</param>
    /// <returns>Null beside a fault.</returns>
    public static T? Read<T>(SourceText source, int maxDepth, List<Fault> faults, Reading<T> read)
        where T : class
    {
        if (source.FindEncodingFault() is { } fault)
        {
            faults.Add(fault);
            return null;
        }

        var json = new JsonCursor(source, source.Start, maxDepth);
        try
        {
            json.Next();
            var value = read(ref json);
            if (json._reader.Read())
                throw json.Fail("expected the end of the text");

            return value;
        }
        catch (SyntaxException e)
        {
            faults.Add(e.Fault);
        }
        catch (JsonException e)
        {
            var offset = source.OffsetOf(e.LineNumber ?? 0, e.BytePositionInLine ?? 0);
            var isAtEnd = source.Utf8[Math.Min(offset, source.Utf8.Length)..].IndexOfAnyExcept(" \t\r\n"u8) < 0;
            faults.Add(source.Utf8[source.Start..].IndexOfAnyExcept(" \t\r\n"u8) < 0 ? Fault.At(source, 0, "empty: expected JSON", null)
                : e.Message.StartsWith("The maximum configured depth", StringComparison.Ordinal)
                    ? Fault.At(source, offset, "nested too deep", $"at most {maxDepth} levels")
                : isAtEnd ? Fault.At(source, offset, "unexpected end of JSON", "the text is incomplete")
                : Fault.At(source, offset, "invalid JSON", "comments and trailing commas are not allowed"));
        }

        return null;
    }

    /// <summary>A cursor at a value that was read before, to look for a part of it.</summary>
    public static JsonCursor At(SourceText source, int offset, int maxDepth)
    {
        var json = new JsonCursor(source, offset, maxDepth);
        json.Next();
        return json;
    }

    /// <summary>The kind of the token that stands next.</summary>
    public readonly JsonTokenType Token => _reader.TokenType;

    public readonly int Offset => _start + (int)_reader.TokenStartIndex;
    public readonly SourceText Source => _source;

    /// <summary>From an offset to what was read last.</summary>
    public readonly SourceSpan SpanFrom(int start) => new(start, Math.Max(0, Offset - start));

    public void Next()
    {
        if (!_reader.Read() && _start + _reader.BytesConsumed < _source.Utf8.Length)
            throw Fail("unexpected end of JSON");
    }

    /// <summary>Goes over a whole value.</summary>
    public void SkipValue()
    {
        _reader.Skip();
        Next();
    }

    public void EnterObject(string expected) => Expect(JsonTokenType.StartObject, expected);

    /// <summary>The next member's name, leaving the cursor at its value; null behind the object's end.</summary>
    public string? ReadName()
    {
        if (_reader.TokenType == JsonTokenType.EndObject)
        {
            Next();
            return null;
        }

        var name = SharedTextOfToken();
        Next();
        return name;
    }

    public void EnterArray(string expected) => Expect(JsonTokenType.StartArray, expected);

    /// <summary>Whether the array has another element, at which the cursor then is; else it is behind the array's end.</summary>
    public bool HasElement()
    {
        if (_reader.TokenType != JsonTokenType.EndArray)
            return true;

        Next();
        return false;
    }

    public string ReadString(string expected = "a string")
    {
        if (_reader.TokenType != JsonTokenType.String)
            throw Fail($"expected {expected}");

        var text = TextOfToken();
        Next();
        return text;
    }

    /// <summary>A string that is likely to occur again.</summary>
    private string ReadSharedString()
    {
        if (_reader.TokenType != JsonTokenType.String)
            throw Fail("expected a string");

        var text = SharedTextOfToken();
        Next();
        return text;
    }

    /// <summary>A string, or null.</summary>
    public string? ReadStringOrNull() => SkipNull() ? null : ReadString("a string or null");

    /// <summary>Goes over a null, if one stands next.</summary>
    public bool SkipNull()
    {
        if (_reader.TokenType != JsonTokenType.Null)
            return false;

        Next();
        return true;
    }

    public bool ReadBool()
    {
        if (_reader.TokenType is not (JsonTokenType.True or JsonTokenType.False))
            throw Fail("expected true or false");

        var value = _reader.TokenType == JsonTokenType.True;
        Next();
        return value;
    }

    public long ReadLong()
    {
        if (_reader.TokenType != JsonTokenType.Number || !_reader.TryGetInt64(out var number))
        {
            throw Fail("a number must be a 64-bit integer", "for fractions use `{\"__extn\": {\"fn\": \"decimal\", \"arg\": \"1.5\"}}`");
        }

        Next();
        return number;
    }

    /// <summary>Reads <c>{"type", "id"}</c>, or the same inside <c>{"__entity": …}</c>.</summary>
    public EntityUid ReadUid()
    {
        var offset = Offset;
        string? type = null;
        string? id = null;
        EntityUid? escaped = null;
        EnterObject("an entity uid: `{\"type\": …, \"id\": …}`");
        while (ReadName() is { } name)
        {
            switch (name)
            {
                case "type": Once(type, name); type = ReadSharedString(); break;
                case "id": Once(id, name); id = ReadString(); break;
                case "__entity": Once(escaped, name); escaped = ReadUid(); break;
                default: SkipValue(); break;
            }
        }

        if (escaped is not null)
            return escaped;

        if (type is null || id is null)
            throw FailAt(offset, "an entity uid must have a `type` and an `id`");

        return EntityUid.TryCreate(type, id, out var uid) ? _names.Share(uid)
            : throw FailAt(offset, $"`{type}` is not an entity type name");
    }

    /// <summary>Refuses a member that was there before.</summary>
    public readonly void Once(object? seen, string name)
    {
        if (seen is not null)
            throw Fail($"`{name}` occurs twice");
    }

    /// <summary>Refuses a member that was there before, by this name or by the other.</summary>
    public readonly void OnceOf(object? seen, string name, string other)
    {
        if (seen is not null)
            throw Fail($"duplicate member: `{name}` and `{other}` are synonyms", "keep one");
    }

    public readonly SyntaxException Fail(string message, string? help = null) => FailAt(Offset, message, help);

    public readonly SyntaxException FailAt(int offset, string message, string? help = null) =>
        new(Fault.At(_source, offset, message, help));

    private void Expect(JsonTokenType type, string expected)
    {
        if (_reader.TokenType != type)
            throw Fail($"expected {expected}");

        Next();
    }

    private readonly string SharedTextOfToken()
    {
        if (_reader.ValueSpan.Length > NameTable.MaxShared)
            return TextOfToken();

        Span<char> text = stackalloc char[NameTable.MaxShared];
        try
        {
            return _names.Share(text[.._reader.CopyString(text)]);
        }
        catch (InvalidOperationException)
        {
            throw Fail("the string is not valid Unicode");
        }
    }

    private readonly string TextOfToken()
    {
        try
        {
            return _reader.GetString()!;
        }
        catch (InvalidOperationException)
        {
            throw Fail("the string is not valid Unicode");
        }
    }
}
