using System.Buffers.Binary;

namespace AuthSidecar.Api.Calls;

/// <summary>Names decisions: UUIDs of version 7 (RFC 9562, section 5.7). The random part comes from the system's generator, but a page of
/// it at a time: to ask for sixteen bytes costs more than to write the answer.</summary>
internal static class DecisionId
{
    private const int RandomBytes = 10;
    private const int PageBytes = 200 * RandomBytes;

    [ThreadStatic]
    private static byte[]? _page;

    [ThreadStatic]
    private static int _next;

    public static Guid Create(DateTimeOffset now)
    {
        var page = _page ??= new byte[PageBytes];
        if (_next == 0)
            RandomNumberGenerator.Fill(page);

        Span<byte> id = stackalloc byte[16];
        BinaryPrimitives.WriteInt64BigEndian(id, now.ToUnixTimeMilliseconds() << 16);
        page.AsSpan(_next, RandomBytes).CopyTo(id[6..]);
        _next = (_next + RandomBytes) % PageBytes;
        id[6] = (byte)(0x70 | (id[6] & 0x0f));
        id[8] = (byte)(0x80 | (id[8] & 0x3f));
        return new Guid(id, bigEndian: true);
    }
}
