using System.Net;
using System.Net.Sockets;

namespace EndToEnd.Tests;

/// <summary>A network between sidecars and their control plane that can be cut: what is sent is neither delivered nor refused.</summary>
internal sealed class TcpRelay : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _ending = new();
    private readonly Task _accepting;
    private readonly int _target;
    private volatile TaskCompletionSource _mended = Mended();

    public TcpRelay(int target)
    {
        _target = target;
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    public void Cut() => _mended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);

    public void Mend() => _mended.TrySetResult();

    public async ValueTask DisposeAsync()
    {
        await _ending.CancelAsync();
        Mend();
        _listener.Stop();
        await _accepting;
        _ending.Dispose();
    }

    private async Task AcceptAsync()
    {
        var connections = new List<Task>();
        try
        {
            while (true)
            {
                connections.Add(ConnectAsync(await _listener.AcceptTcpClientAsync(_ending.Token)));
            }
        }
        catch (Exception) when (_ending.IsCancellationRequested)
        {
            await Task.WhenAll(connections);
        }
    }

    private async Task ConnectAsync(TcpClient near)
    {
        using (near)
        {
            try
            {
                await _mended.Task;
                using var far = new TcpClient();
                await far.ConnectAsync(IPAddress.Loopback, _target, _ending.Token);
                await Task.WhenAny(CopyAsync(near, far), CopyAsync(far, near));
            }
            catch (Exception e) when (e is IOException or SocketException or OperationCanceledException)
            {
                // One of the two has gone.
            }
        }
    }

    private async Task CopyAsync(TcpClient from, TcpClient to)
    {
        var buffer = new byte[16 * 1024];
        while (await from.GetStream().ReadAsync(buffer, _ending.Token) is > 0 and var length)
        {
            await _mended.Task;
            await to.GetStream().WriteAsync(buffer.AsMemory(0, length), _ending.Token);
        }
    }

    private static TaskCompletionSource Mended()
    {
        var mended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        mended.SetResult();
        return mended;
    }
}
