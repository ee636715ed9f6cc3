namespace AuthSidecar.Api.Wire;

/// <summary>Writes the fields of a protobuf message. A field that has its default is left out, as the format has it.</summary>
internal ref struct MessageWriter
{
    private const int InitialBytes = 512;

    private byte[] _buffer;
    private int _length;

    /// <remarks>Ended by <see cref="ToArray"/>, which gives the buffer back.</remarks>
    public MessageWriter() => _buffer = ArrayPool<byte>.Shared.Rent(InitialBytes);

    public void Varint(int field, ulong value)
    {
        if (value != 0)
        {
            Tag(field, MessageReader.Varint);
            Raw(value);
        }
    }

    public void Text(int field, string text)
    {
        if (text.Length > 0)
        {
            Tag(field, MessageReader.Bytes);
            var bytes = Encoding.UTF8.GetByteCount(text);
            Raw((ulong)bytes);
            Encoding.UTF8.GetBytes(text, Reserve(bytes));
        }
    }

    public void Revision(int field, Revision revision)
    {
        if (revision != default)
        {
            Span<byte> text = stackalloc byte[Bundles.Revision.MaxLength];
            Bytes(field, text[..revision.Format(text)]);
        }
    }

    /// <summary>A message within the message, or ASCII, that is already written: also when it is empty.</summary>
    public void Bytes(int field, scoped ReadOnlySpan<byte> bytes)
    {
        Tag(field, MessageReader.Bytes);
        Raw((ulong)bytes.Length);
        Fields(bytes);
    }

    /// <summary>Fields of this message that are already written.</summary>
    public void Fields(scoped ReadOnlySpan<byte> bytes) => bytes.CopyTo(Reserve(bytes.Length));

    /// <summary>Fields of this message that a generated one has.</summary>
    public void Fields(IMessage fields) => fields.WriteTo(Reserve(fields.CalculateSize()));

    /// <summary>Begins a message within the message.</summary>
    /// <returns>What <see cref="End"/> needs.</returns>
    public int Begin(int field)
    {
        Tag(field, MessageReader.Bytes);
        // One byte for the length; most messages need no more.
        Reserve(1);
        return _length;
    }

    public void End(int start)
    {
        var size = _length - start;
        var lengthBytes = VarintBytes((ulong)size);
        if (lengthBytes > 1)
        {
            Reserve(lengthBytes - 1);
            _buffer.AsSpan(start, size).CopyTo(_buffer.AsSpan(start + lengthBytes - 1));
        }

        WriteVarint(_buffer.AsSpan(start - 1), (ulong)size);
    }

    public byte[] ToArray()
    {
        var written = _buffer.AsSpan(0, _length).ToArray();
        ArrayPool<byte>.Shared.Return(_buffer);
        _buffer = [];
        return written;
    }

    private void Tag(int field, uint wireType) => Raw((uint)field << 3 | wireType);

    private void Raw(ulong value)
    {
        if (value < 0x80 && _length < _buffer.Length)
        {
            _buffer[_length++] = (byte)value;
            return;
        }

        var bytes = VarintBytes(value);
        WriteVarint(Reserve(bytes), value);
    }

    private static int VarintBytes(ulong value)
    {
        var bytes = 1;
        while ((value >>= 7) != 0)
            bytes++;

        return bytes;
    }

    private static void WriteVarint(Span<byte> to, ulong value)
    {
        var i = 0;
        for (; value >= 0x80; value >>= 7)
            to[i++] = (byte)(value | 0x80);

        to[i] = (byte)value;
    }

    private Span<byte> Reserve(int bytes)
    {
        if (_buffer.Length - _length < bytes)
            Grow(bytes);

        _length += bytes;
        return _buffer.AsSpan(_length - bytes, bytes);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void Grow(int bytes)
    {
        var larger = ArrayPool<byte>.Shared.Rent(Math.Max(_buffer.Length * 2, _length + bytes));
        _buffer.AsSpan(0, _length).CopyTo(larger);
        ArrayPool<byte>.Shared.Return(_buffer);
        _buffer = larger;
    }
}
