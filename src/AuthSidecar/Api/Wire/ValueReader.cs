using AuthSidecar.Policies;

namespace AuthSidecar.Api.Wire;

/// <summary>A field that a message has at most once: where its bytes lie. The default is a field that is not there.</summary>
internal readonly ref struct FieldSlice(ReadOnlySpan<byte> bytes)
{
    public ReadOnlySpan<byte> Bytes { get; } = bytes;
    public bool IsPresent { get; } = true;
    public FieldSlice Or(FieldSlice other) => IsPresent ? this : other;
}

/// <summary>Reads uids, entities and values of the contract off the wire.</summary>
internal readonly struct ValueReader(FieldViolations violations)
{
    /// <summary>The fields of an entry of a map (Protocol Buffers, "Encoding", maps).</summary>
    private const int MapKey = 1;

    private const int MapValue = 2;
    private const int MaxTypeBytes = 256;
    private const int MaxIdBytes = 512;
    private const int MaxAttributes = 128;
    private const int MaxAttributeNameBytes = 256;
    private const int MaxParents = 64;
    private const int MaxItems = 1024;
    private const int MaxNesting = 16;
    private const int MaxStringBytes = 16 * 1024;

    // Of the kinds that are written as text; the longest that means anything has some fifty.
    private const int MaxLiteralBytes = 256;

    /// <summary>Takes a field. One that stands there twice is refused: readers differ about which of the two counts.</summary>
    public void Take(ref FieldSlice part, string at, ReadOnlySpan<byte> bytes)
    {
        if (part.IsPresent)
            violations.Add(at, "given twice");

        part = new FieldSlice(bytes);
    }

    /// <summary>Takes a number, in the same way.</summary>
    public void TakeNumber(ref ulong? taken, string at, ulong number)
    {
        if (taken is not null)
            violations.Add(at, "given twice");

        taken = number;
    }

    /// <summary>Reads a revision; the default where there is none.</summary>
    public Revision ReadRevision(string at, FieldSlice text)
    {
        Span<char> chars = stackalloc char[Revision.MaxLength];
        if (text.Bytes.IsEmpty)
            return default;

        if (text.Bytes.Length > chars.Length || Ascii.ToUtf16(text.Bytes, chars, out var length) != OperationStatus.Done
            || !Revision.TryParse(chars[..length], out var revision))
        {
            violations.Add(at, Revision.Form);
            return default;
        }

        return revision;
    }

    public EntityUid? ReadUid(string at, FieldSlice uid)
    {
        if (!uid.IsPresent)
        {
            violations.Add(at, "required");
            return null;
        }

        return ReadUid(at, uid.Bytes, defaultType: default);
    }

    public EntityUid? ReadAction(string at, FieldSlice action)
    {
        if (!action.IsPresent)
        {
            violations.Add(at, "required");
            return null;
        }

        return ReadUid(at, action.Bytes, defaultType: "Action"u8);
    }

    public EntityUid? ReadUid(string at, string type, string id) =>
        CheckUidLengths(at, Encoding.UTF8.GetByteCount(type), Encoding.UTF8.GetByteCount(id))
            && (EntityUid.TryCreate(type, id, out var uid) || FailType(at)) ? uid : null;

    public RequestEntity? ReadEntity(string at, ReadOnlySpan<byte> message)
    {
        FieldSlice uidPart = default;
        int attributeCount = 0, parentCount = 0;
        var reader = new MessageReader(message);
        while (reader.Next())
        {
            switch (reader.Tag)
            {
                case V1.Entity.UidFieldNumber << 3 | MessageReader.Bytes:
                    Take(ref uidPart, violations.At(at, ".uid"), reader.ReadBytes());
                    break;
                case V1.Entity.AttributesFieldNumber << 3 | MessageReader.Bytes: attributeCount++; goto default;
                case V1.Entity.ParentsFieldNumber << 3 | MessageReader.Bytes: parentCount++; goto default;
                default: reader.Skip(); break;
            }
        }

        var uid = ReadUid(violations.At(at, ".uid"), uidPart);
        var parents = ReadParents(violations.At(at, ".parents"), message, parentCount);
        var attributes = ReadFields(violations.At(at, ".attributes"), message, fieldNumber: 2, attributeCount, depth: 1);
        return uid is null ? null : new RequestEntity(uid, attributes, parents);
    }

    /// <summary>Reads the entries of a map of values.</summary>
    /// <param name="at">Where the map is.</param>
    /// <param name="message">The message that has the map.</param>
    /// <param name="fieldNumber">The map's number in it.</param>
    /// <param name="count">How many entries there are.</param>
    /// <param name="depth">How deep the values are nested.</param>
    public ValueRecord ReadFields(string at, ReadOnlySpan<byte> message, int fieldNumber, int count, int depth)
    {
        if (count == 0 || !violations.Count(at, count, MaxAttributes))
            return ValueRecord.Empty;

        var fields = new ValueRecordBuilder(count);
        var reader = new MessageReader(message);
        while (reader.Next())
        {
            if (reader.Tag == ((uint)fieldNumber << 3 | MessageReader.Bytes))
                ReadField(at, reader.ReadBytes(), ref fields, depth);
            else
                reader.Skip();
        }

        return fields.ToRecord();
    }

    private void ReadField(string at, ReadOnlySpan<byte> entry, ref ValueRecordBuilder fields, int depth)
    {
        FieldSlice name = default, value = default;
        var reader = new MessageReader(entry);
        while (reader.Next())
        {
            switch (reader.Tag)
            {
                case MapKey << 3 | MessageReader.Bytes: Take(ref name, at, reader.ReadBytes()); break;
                case MapValue << 3 | MessageReader.Bytes: Take(ref value, at, reader.ReadBytes()); break;
                default: reader.Skip(); break;
            }
        }

        if (!violations.Length(at, name.Bytes.Length, MaxAttributeNameBytes))
            return;

        var text = NameCache.GetName(name.Bytes);
        if (!fields.TryAdd(text, ReadValue(violations.At(at, ".", text), value.Bytes, depth)))
            violations.Add(violations.At(at, ".", text), "given twice");
    }

    private EntityUid[] ReadParents(string at, ReadOnlySpan<byte> message, int count)
    {
        if (count == 0 || !violations.Count(at, count, MaxParents))
            return [];

        var parents = new EntityUid[count];
        var index = 0;
        var reader = new MessageReader(message);
        while (reader.Next())
        {
            if (reader.Tag != (V1.Entity.ParentsFieldNumber << 3 | MessageReader.Bytes))
            {
                reader.Skip();
            }
            else
            {
                if (!violations.CountValue(at))
                    break;

                // One that is no uid is a violation, and then nobody looks at any.
                parents[index] = ReadUid(violations.AtIndex(at, index), reader.ReadBytes(), defaultType: default)!;
                index++;
            }
        }

        return parents;
    }

    private EntityUid? ReadUid(string at, ReadOnlySpan<byte> message, ReadOnlySpan<byte> defaultType)
    {
        FieldSlice type = default, id = default;
        var reader = new MessageReader(message);
        while (reader.Next())
        {
            switch (reader.Tag)
            {
                case V1.EntityUid.TypeFieldNumber << 3 | MessageReader.Bytes:
                    Take(ref type, violations.At(at, ".type"), reader.ReadBytes());
                    break;
                case V1.EntityUid.IdFieldNumber << 3 | MessageReader.Bytes:
                    Take(
                    ref id, violations.At(at, ".id"), reader.ReadBytes()); break;
                default: reader.Skip(); break;
            }
        }

        return CheckUidLengths(at, type.Bytes.Length, id.Bytes.Length)
            && (NameCache.TryGetUid(type.Bytes.IsEmpty ? defaultType : type.Bytes, id.Bytes, out var uid) || FailType(at))
            ? uid
            : null;
    }

    private bool CheckUidLengths(string at, int typeBytes, int idBytes) =>
        violations.Length(violations.At(at, ".type"), typeBytes, MaxTypeBytes)
            && violations.Length(violations.At(at, ".id"), idBytes, MaxIdBytes);

    private bool FailType(string at)
    {
        violations.Add(violations.At(at, ".type"), "not the name of an entity type: identifiers joined by `::`, such as `Docs::User`");
        return false;
    }

    // ------------------------------------------------------------------ values

    private Value ReadValue(string at, ReadOnlySpan<byte> message, int depth)
    {
        if (depth > MaxNesting)
            return Invalid(at, $"nested more than {MaxNesting} deep");

        if (!violations.CountValue(at))
            return Value.False;

        uint kind = 0;
        ulong number = 0;
        FieldSlice part = default;
        var reader = new MessageReader(message);
        while (reader.Next())
        {
            switch (reader.Tag)
            {
                case V1.Value.BoolFieldNumber << 3 | MessageReader.Varint or V1.Value.LongFieldNumber << 3 | MessageReader.Varint:
                    kind = reader.Tag >> 3;
                    number = reader.ReadVarint();
                    Take(ref part, at, default);
                    break;
                case >= V1.Value.StringFieldNumber << 3 and <= (V1.Value.DurationFieldNumber << 3 | MessageReader.Bytes)
                    when (reader.Tag & 7) == MessageReader.Bytes:
                    kind = reader.Tag >> 3;
                    Take(ref part, at, reader.ReadBytes());
                    break;
                default: reader.Skip(); break;
            }
        }

        return kind switch
        {
            1 => Value.Of(number != 0),
            2 => Value.Of(unchecked((long)number)),
            3 => part.Bytes.Length <= MaxStringBytes ? Value.Of(MessageReader.Decode(part.Bytes))
                : Invalid(at, $"longer than {MaxStringBytes}"),
            4 => ReadUid(at, part) is { } uid ? Value.Of(uid) : Value.False,
            5 => ReadSet(at, part.Bytes, depth + 1),
            6 => ReadRecord(at, part.Bytes, depth + 1),
            7 => CedarDecimal.TryParse(ReadLiteral(part), out var scaled) ? Value.Of(scaled) : Invalid(at, "not a decimal such as `12.5`"),
            8 => IpRange.TryParse(ReadLiteral(part), out var ip) ? Value.Of(ip) : Invalid(at, "not an IP address or CIDR range"),
            9 => Instant.TryParse(ReadLiteral(part), out var instant) ? Value.Of(instant)
                : Invalid(at, "not a datetime such as `2026-01-31T23:59:59.999Z`"),
            10 => Duration.TryParse(ReadLiteral(part), out var duration) ? Value.Of(duration)
                : Invalid(at, "not a duration such as `1d2h30m`"),
            _ => Invalid(at, "has no value"),
        };
    }

    private Value ReadSet(string at, ReadOnlySpan<byte> message, int depth)
    {
        var items = new List<Value>();
        var reader = new MessageReader(message);
        while (reader.Next())
        {
            if (reader.Tag != (V1.SetValue.ItemsFieldNumber << 3 | MessageReader.Bytes))
            {
                reader.Skip();
                continue;
            }

            if (items.Count == MaxItems)
                return Invalid(at, $"more than {MaxItems} elements");

            items.Add(ReadValue(at, reader.ReadBytes(), depth));
        }

        return Value.Of(ValueSet.Create([.. items]));
    }

    private Value ReadRecord(string at, ReadOnlySpan<byte> message, int depth)
    {
        var count = 0;
        var reader = new MessageReader(message);
        while (reader.Next())
        {
            count += reader.Tag == (V1.SetValue.ItemsFieldNumber << 3 | MessageReader.Bytes) ? 1 : 0;
            reader.Skip();
        }

        return Value.Of(ReadFields(at, message, fieldNumber: 1, count, depth));
    }

    /// <summary>The text of a literal; one that is too long to be any is as good as none.</summary>
    private static string ReadLiteral(FieldSlice part) => part.Bytes.Length <= MaxLiteralBytes ? MessageReader.Decode(part.Bytes) : "";

    private Value Invalid(string at, string description)
    {
        violations.Add(at, description);
        // Any value will do in its place: a request with violations is never decided.
        return Value.False;
    }
}
