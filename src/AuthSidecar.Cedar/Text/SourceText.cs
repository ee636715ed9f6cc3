namespace AuthSidecar.Cedar;

/// <summary>A source text and the name it is known by, which turns byte offsets into lines and columns.</summary>
/// <remarks>Immutable.</remarks>
public sealed class SourceText
{
    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly byte[] _utf8;

    // Made for the first question; two threads that meet here make the same.
    private LineTable? _lines;

    /// <summary>Wraps a UTF-8 text, which the caller must not change afterwards.</summary>
    /// <param name="name">What the text is called in faults: a file's name, say.</param>
    /// <param name="utf8">The text. Invalid UTF-8 is reported as a fault when it is parsed.</param>
    public SourceText(string name, byte[] utf8)
    {
        Name = name;
        _utf8 = utf8;
    }

    /// <summary>What the text is called in faults.</summary>
    public string Name { get; }

    /// <summary>The text as UTF-8, with the byte-order mark if it begins with one.</summary>
    public ReadOnlySpan<byte> Utf8 => _utf8;

    /// <summary>Where the text begins: behind a byte-order mark, which says nothing and has no column.</summary>
    internal int Start => Utf8.StartsWith(ByteOrderMark) ? ByteOrderMark.Length : 0;

    internal static ReadOnlySpan<byte> ByteOrderMark => [0xef, 0xbb, 0xbf];

    /// <summary>Why the bytes are no text, at the first that is none; null when they are. What cannot be read is not to be guessed at, in a
    /// comment neither.</summary>
    internal Fault? FindEncodingFault()
    {
        // With its mark, or by the zeros between its letters.
        if (Utf8 is [0xff, 0xfe, ..] or [0xfe, 0xff, ..] or [not 0, 0, not 0, 0, ..] or [0, not 0, 0, not 0, ..])
            return Fault.At(this, 0, "unsupported encoding: UTF-16", "save it as UTF-8");

        if (System.Text.Unicode.Utf8.IsValid(Utf8))
            return null;

        var at = 0;
        while (Rune.DecodeFromUtf8(Utf8[at..], out _, out var length) == OperationStatus.Done)
            at += length;

        return Fault.At(this, at, "invalid UTF-8", "save the text as UTF-8");
    }

    /// <summary>Wraps a string. A lone surrogate becomes an invalid byte, so that the parser reports it in its place.</summary>
    public static SourceText Of(string text, string name = "")
    {
        try
        {
            return new SourceText(name, StrictUtf8.GetBytes(text));
        }
        catch (EncoderFallbackException)
        {
            return new SourceText(name, EncodeWithInvalidBytes(text));
        }
    }

    private static byte[] EncodeWithInvalidBytes(string text)
    {
        var bytes = new List<byte>(text.Length);
        Span<byte> encoded = stackalloc byte[4];
        for (var i = 0; i < text.Length;)
        {
            if (Rune.TryGetRuneAt(text, i, out var rune))
            {
                bytes.AddRange(encoded[..rune.EncodeToUtf8(encoded)]);
                i += rune.Utf16SequenceLength;
            }
            else
            {
                bytes.Add(0xff);
                i++;
            }
        }

        return [.. bytes];
    }

    /// <summary>The text of a span.</summary>
    public string this[SourceSpan span] => Encoding.UTF8.GetString(_utf8, span.Start, span.Length);

    /// <summary>The byte offset of a line and a byte of it, both from 0, as readers of JSON count them behind the text's start.</summary>
    internal int OffsetOf(long line, long byteInLine) => (_lines ??= new LineTable(_utf8)).OffsetOf(line, byteInLine);

    /// <summary>Line and column of a byte offset, both from 1; columns count Unicode scalars.</summary>
    public (int Line, int Column) PositionOf(int offset) => (_lines ??= new LineTable(_utf8)).PositionOf(Math.Min(offset, _utf8.Length));

    /// <summary>Where the lines begin, and how many scalars there are before every so many bytes: a text may have many faults, all of them
    /// on one long line.</summary>
    private sealed class LineTable
    {
        private const int BytesPerCount = 1024;

        private readonly byte[] _utf8;
        private readonly List<int> _starts = [0];
        private readonly int[] _scalarsBefore;

        public LineTable(byte[] utf8)
        {
            _utf8 = utf8;
            for (var at = utf8.AsSpan().IndexOf((byte)'\n'); at >= 0;)
            {
                _starts.Add(at + 1);
                var next = utf8.AsSpan(at + 1).IndexOf((byte)'\n');
                at = next < 0 ? -1 : at + 1 + next;
            }

            _scalarsBefore = new int[(utf8.Length / BytesPerCount) + 1];
            for (var i = 1; i < _scalarsBefore.Length; i++)
                _scalarsBefore[i] = _scalarsBefore[i - 1] + Count(utf8.AsSpan((i - 1) * BytesPerCount, BytesPerCount));
        }

        public (int Line, int Column) PositionOf(int offset)
        {
            var found = _starts.BinarySearch(offset);
            var line = found >= 0 ? found : ~found - 1;
            return (line + 1, ScalarsBefore(offset) - ScalarsBefore(_starts[line]) + 1);
        }

        public int OffsetOf(long line, long byteInLine)
        {
            var start = line == 0 && _utf8.AsSpan().StartsWith(ByteOrderMark) ? ByteOrderMark.Length
                : _starts[(int)Math.Min(line, _starts.Count - 1)];
            return (int)Math.Min(start + byteInLine, _utf8.Length);
        }

        private int ScalarsBefore(int offset)
        {
            if (offset >= ByteOrderMark.Length && _utf8.AsSpan().StartsWith(ByteOrderMark))
                return CountBefore(offset) - 1;

            return CountBefore(offset);
        }

        private int CountBefore(int offset)
        {
            var counted = offset / BytesPerCount;
            return _scalarsBefore[counted] + Count(_utf8.AsSpan(counted * BytesPerCount, offset % BytesPerCount));
        }

        private static int Count(ReadOnlySpan<byte> utf8)
        {
            var scalars = 0;
            foreach (var b in utf8)
            {
                // Continuation bytes belong to the scalar before them.
                scalars += (b & 0xc0) == 0x80 ? 0 : 1;
            }

            return scalars;
        }
    }
}
