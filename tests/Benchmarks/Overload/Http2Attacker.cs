using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;

namespace Benchmarks.Overload;

/// <summary>An HTTP/2 client that does what it likes: frames written by hand (RFC 9113), headers as literals (RFC 7541, section 6.2.2).</summary>
internal sealed class Http2Attacker : IDisposable
{
    private const byte Data = 0;
    private const byte Headers = 1;
    private const byte ResetStream = 3;
    private const byte Settings = 4;
    private const byte EndHeaders = 4;
    private const byte EndStream = 1;

    private readonly Socket _socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) { SendTimeout = 2_000 };
    private int _nextStream = 1;

    public Http2Attacker(string socket)
    {
        _socket.Connect(new UnixDomainSocketEndPoint(socket));
        _socket.Send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8);
        Send(Settings, 0, 0, []);
        // What the sidecar answers is read and thrown away, so that it may go on sending.
        _ = Task.Run(async () =>
        {
            var buffer = new byte[64 * 1024];
            try
            {
                while (await _socket.ReceiveAsync(buffer) > 0)
                {
                }
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                // Closed, by either.
            }
        });
    }

    /// <summary>Begins a call.</summary>
    /// <returns>Its stream.</returns>
    public int Begin(string method)
    {
        var block = new List<byte>();
        foreach (var (name, value) in new[] { (":method", "POST"), (":scheme", "http"), (":path", $"/authsidecar.v1.AuthSidecarService/{method}"), (":authority", "x"), ("content-type", "application/grpc"), ("te", "trailers") })
        {
            block.Add(0);
            block.Add((byte)name.Length);
            block.AddRange(Encoding.ASCII.GetBytes(name));
            block.Add((byte)value.Length);
            block.AddRange(Encoding.ASCII.GetBytes(value));
        }

        var stream = _nextStream;
        _nextStream += 2;
        Send(Headers, EndHeaders, stream, [.. block]);
        return stream;
    }

    public void Write(int stream, ReadOnlySpan<byte> content, bool ends)
    {
        const int MaxFrame = 16 * 1024;
        for (var at = 0; at < content.Length || (ends && at == 0); at += MaxFrame)
        {
            var part = content[at..Math.Min(content.Length, at + MaxFrame)];
            Send(Data, ends && at + MaxFrame >= content.Length ? EndStream : (byte)0, stream, part);
        }
    }

    public void Reset(int stream) => Send(ResetStream, 0, stream, [0, 0, 0, 8]);

    public void Dispose() => _socket.Dispose();

    private void Send(byte type, byte flags, int stream, ReadOnlySpan<byte> payload)
    {
        var frame = new byte[9 + payload.Length];
        frame[0] = (byte)(payload.Length >> 16);
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(1), (ushort)payload.Length);
        (frame[3], frame[4]) = (type, flags);
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(5), stream);
        payload.CopyTo(frame.AsSpan(9));
        _socket.Send(frame);
    }
}
