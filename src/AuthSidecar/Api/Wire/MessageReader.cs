using System.Text.Unicode;

namespace AuthSidecar.Api.Wire;

/// <summary>Reads the fields of one protobuf message straight from its bytes, in the order they stand there.</summary>
/// <remarks>For the one message that is read a hundred thousand times a second. Stricter than a general reader has to be: a group, which no
/// message of ours ever had, is malformed, and so is a text that is not UTF-8.</remarks>
internal ref struct MessageReader(ReadOnlySpan<byte> message)
{
    /// <summary>Wire types, which are the low three bits of a tag; the rest is the field's number.</summary>
    public const uint Varint = 0;

    public const uint Bytes = 2;

    private ReadOnlySpan<byte> _rest = message;

    /// <summary>The field that stands next: its number and wire type.</summary>
    public uint Tag { get; private set; }

    /// <summary>Goes on to the next field, which the caller then reads or skips.</summary>
    /// <returns>False at the end of the message.</returns>
    /// <exception cref="Grpc.Core.RpcException">The bytes are no message; here and below.</exception>
    public bool Next()
    {
        if (_rest.IsEmpty)
            return false;

        var tag = ReadVarint();
        if (tag is < 1 << 3 or > uint.MaxValue)
            throw ApiErrors.MalformedMessage();

        Tag = (uint)tag;
        return true;
    }

    public ulong ReadVarint()
    {
        // Tags, lengths and most numbers are one byte.
        if (!_rest.IsEmpty && _rest[0] < 0x80)
        {
            var small = _rest[0];
            _rest = _rest[1..];
            return small;
        }

        var value = 0ul;
        for (var i = 0; i < 10 && i < _rest.Length; i++)
        {
            value |= (ulong)(_rest[i] & 0x7f) << (7 * i);
            if (_rest[i] < 0x80)
            {
                _rest = _rest[(i + 1)..];
                return value;
            }
        }

        throw ApiErrors.MalformedMessage();
    }

    /// <summary>A message within the message, or a text that is yet to be decoded.</summary>
    public ReadOnlySpan<byte> ReadBytes() => Take(ReadVarint());

    /// <summary>A text.</summary>
    public static string Decode(ReadOnlySpan<byte> text) =>
        Utf8.IsValid(text) ? Encoding.UTF8.GetString(text) : throw ApiErrors.MalformedMessage();

    public void Skip()
    {
        switch (Tag & 7)
        {
            case Varint: ReadVarint(); break;
            case Bytes: ReadBytes(); break;
            case 1: Take(8); break;
            case 5: Take(4); break;
            default: throw ApiErrors.MalformedMessage();
        }
    }

    private ReadOnlySpan<byte> Take(ulong length)
    {
        if (length > (ulong)_rest.Length)
            throw ApiErrors.MalformedMessage();

        var taken = _rest[..(int)length];
        _rest = _rest[(int)length..];
        return taken;
    }
}
