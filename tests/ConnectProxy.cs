using System.Net;
using System.Net.Sockets;
using System.Text;

namespace AuthSidecar.Testing;

/// <summary>A proxy (RFC 9110, section 9.3.6) that leads to one place, whichever host is asked for.</summary>
internal sealed class ConnectProxy : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _ending = new();
    private readonly Task _accepting;

    public ConnectProxy(int target)
    {
        _listener.Start();
        _accepting = AcceptAsync(target);
    }

    public Uri Address => new($"http://{_listener.LocalEndpoint}");

    public async ValueTask DisposeAsync()
    {
        await _ending.CancelAsync();
        _listener.Stop();
        await _accepting;
        _ending.Dispose();
    }

    private async Task AcceptAsync(int target)
    {
        var connections = new List<Task>();
        try
        {
            while (true)
            {
                connections.Add(ServeAsync(await _listener.AcceptTcpClientAsync(_ending.Token), target));
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException)
        {
        }

        await Task.WhenAll(connections);
    }

    private async Task ServeAsync(TcpClient client, int target)
    {
        using var caller = client;
        try
        {
            var stream = caller.GetStream();
            var (head, one) = (new StringBuilder(), new byte[1]);
            while (!head.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal) && await stream.ReadAsync(one, _ending.Token) == 1)
            {
                head.Append((char)one[0]);
            }

            using var server = new TcpClient();
            await server.ConnectAsync(IPAddress.Loopback, target, _ending.Token);
            await stream.WriteAsync("HTTP/1.1 200 OK\r\n\r\n"u8.ToArray(), _ending.Token);
            await Task.WhenAny(stream.CopyToAsync(server.GetStream(), _ending.Token), server.GetStream().CopyToAsync(stream, _ending.Token));
        }
        catch (Exception e) when (e is OperationCanceledException or IOException or SocketException)
        {
        }
    }
}
