using System.Runtime.InteropServices;
using AuthSidecar.Api.Calls;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;

namespace AuthSidecar.Hosting;

/// <summary>Limits the number of connections, over all listeners. At the limit, the process with the most connections loses its least
/// recently used one, so that no process is kept out by the connections of another (docs/decisions/0016).</summary>
/// <remarks>A process without a file descriptor left does not only refuse connections: the runtime ends it.</remarks>
/// <param name="max">The most connections at once.</param>
/// <param name="stopping">Is cancelled when the sidecar stops.</param>
internal sealed partial class ConnectionLimit(int max, CancellationToken stopping)
{
    public const int DefaultMax = 1_024;
    public const int LeastMax = 16;

    /// <summary>What a sidecar needs beside connections: assemblies, the bundle, the journal, connections of its own, and some to
    /// spare.</summary>
    private const int ReservedDescriptors = 384;

    /// <summary>Up to how many closing connections are given the time to close gracefully.</summary>
    private const int MaxClosingGracefully = 64;

    /// <summary>How many connections may be closing beside those that are open.</summary>
    private const int MaxClosing = 128;

    /// <summary>How much a client may send until it closes a connection that is closing.</summary>
    private const int MaxLingerBytes = 64 * 1024;

    private const int OpenFiles = 7;

    private static readonly TimeSpan BeginEvery = TimeSpan.FromMilliseconds(10);

    /// <summary>How long a client may take to read that its connection closes.</summary>
    private static readonly TimeSpan LingerFor = TimeSpan.FromMilliseconds(250);

    private readonly Lock _opening = new();

    // Across process namespaces, all processes are one.
    private readonly Dictionary<(int Process, uint User, string Network), HashSet<ConnectionUse>> _byPeer = [];
    private readonly SemaphoreSlim _pace = new(1);
    private int _count;
    private int _open;
    private int _lingering;
    private long _opened;

    /// <summary>Sees to it that there can be so many connections: raises the process's limit of open files where it may.</summary>
    /// <returns>Why there cannot; null: there can.</returns>
    public static string? Ensure(int max)
    {
        if (max < LeastMax)
            return $"`--max-connections` must be at least {LeastMax}";

        var needed = (ulong)max + ReservedDescriptors;
        if (GetResourceLimit(OpenFiles, out var limit) != 0 || limit.Current >= needed)
            return null;

        // The usual soft limit is 1,024, for the sake of programs that use select(2); the hard one is what an operator means.
        return limit.Max < needed || SetResourceLimit(OpenFiles, limit with { Current = needed }) != 0
            ? $"open file limit too low: {limit.Max}, but {max} connections need {needed}; raise it (`ulimit -Hn`, LimitNOFILE), or lower "
                + "`--max-connections`"
            : null;
    }

    /// <summary>Counts a connection while it is open.</summary>
    public ConnectionDelegate Count(ConnectionDelegate next) => async connection =>
    {
        var isClosedGracefully = false;
        var use = new ConnectionUse(
            wasUsed => Close(connection, wasUsed, ref isClosedGracefully), Interlocked.Increment(ref _opened), Environment.TickCount64,
            PeerCredentials.Of(connection.Features.Get<IConnectionSocketFeature>()?.Socket),
            connection.RemoteEndPoint is IPEndPoint { Address: var address } ? RemoteNetwork.Of(RemoteNetwork.Unmapped(address)) : "");
        Interlocked.Increment(ref _open);
        try
        {
            var room = MakeRoom(use);
            if (room == Room.None)
            {
                connection.Abort(new ConnectionAbortedException("too many connections"));
                return;
            }

            // Of peers that are not told apart, those who wait would not be those who flood.
            if (room == Room.OfTheSamePeer && use.Peer is { ProcessId: > 0 })
            {
                if (!await PaceAsync(connection.ConnectionClosed))
                    return;

                use.Start();
            }

            connection.Features.Set(use);
            await next(connection);
            if (Volatile.Read(ref isClosedGracefully) || stopping.IsCancellationRequested)
                await LingerAsync(connection);
        }
        finally
        {
            Remove(use);
            Interlocked.Decrement(ref _open);
        }
    };

    /// <summary>Connections of a process at the limit start one after another: starting HTTP/2 costs far more than closing a connection
    /// that has not started.</summary>
    /// <returns>Whether it starts; or was closed in favour of the next before its turn came, which happens too often in a flood for an
    /// exception each.</returns>
    private async Task<bool> PaceAsync(CancellationToken closed)
    {
        // Not with the token: cancelled, it would throw within.
        var turn = _pace.WaitAsync(CancellationToken.None);
        await turn.WaitAsync(closed).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (closed.IsCancellationRequested)
        {
            _ = turn.ContinueWith(_ => _pace.Release(), CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
            return false;
        }

        try
        {
            await Task.Delay(BeginEvery, closed).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            return !closed.IsCancellationRequested;
        }
        finally
        {
            _pace.Release();
        }
    }

    /// <summary>Leaves it to the client to be the first to close a connection that is closed in favour of others, or because the sidecar
    /// stops: a call that it is writing when the connection closes fails, though the GOAWAY before says that it can be sent again (RFC
    /// 9113, section 6.8).</summary>
    private async Task LingerAsync(ConnectionContext connection)
    {
        if (connection.Features.Get<IConnectionSocketFeature>()?.Socket is not { } socket)
            return;

        try
        {
            if (Interlocked.Increment(ref _lingering) > MaxClosingGracefully && !stopping.IsCancellationRequested)
                return;

            using var patience = new CancellationTokenSource(LingerFor);
            var ignored = new byte[4_096];
            for (var left = MaxLingerBytes; left > 0;)
            {
                var read = await socket.ReceiveAsync(ignored, patience.Token);
                left = read == 0 ? 0 : left - read;
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // It does not close, or is closed.
        }
        finally
        {
            Interlocked.Decrement(ref _lingering);
        }
    }

    /// <summary>Those that linger have had their GOAWAY: who leaves them open takes it from nobody else.</summary>
    private bool MayCloseGracefully => Volatile.Read(ref _open) - Volatile.Read(ref _lingering) - max <= MaxClosingGracefully;

    private void Close(ConnectionContext connection, bool wasUsed, ref bool isGraceful)
    {
        // With a GOAWAY, so that a client whose call crosses with it knows that it was not processed, and retries on another connection.
        // Not in a flood, where that takes too long.
        if (wasUsed && MayCloseGracefully && connection.Features.Get<IConnectionLifetimeNotificationFeature>() is { } lifetime)
        {
            Volatile.Write(ref isGraceful, true);
            lifetime.RequestClose();
        }
        else
        {
            connection.Abort(new ConnectionAbortedException("connection limit reached: least recently used connection closed"));
        }
    }

    private enum Room
    {
        /// <summary>There is none, and no connection that can be closed to make some.</summary>
        None = 0,
        Free,
        OfAnotherPeer,
        OfTheSamePeer,
    }

    private Room MakeRoom(ConnectionUse use)
    {
        lock (_opening)
        {
            // A connection that is closing still has its descriptor. The process with the most connections is refused first.
            var closing = Volatile.Read(ref _open) - max;
            var room = closing > 2 * MaxClosing || (closing > MaxClosing && HasMost(use)) ? Room.None
                : _count < max ? Room.Free : CloseOne(use);
            if (room == Room.None)
                return room;

            if (!_byPeer.TryGetValue(use.Owner, out var connections))
                _byPeer.Add(use.Owner, connections = []);

            connections.Add(use);
            _count++;
            return room;
        }
    }

    private Room CloseOne(ConnectionUse use)
    {
        while (FindIdle() is { } idle)
        {
            Remove(idle);
            if (idle.TryClose())
                return idle.Owner == use.Owner ? Room.OfTheSamePeer : Room.OfAnotherPeer;
        }

        return Room.None;
    }

    private bool HasMost(ConnectionUse use) => _byPeer.GetValueOrDefault(use.Owner) is { } own
        && _byPeer.Values.All(c => c.Count <= own.Count);

    private void Remove(ConnectionUse use)
    {
        lock (_opening)
        {
            if (!_byPeer.TryGetValue(use.Owner, out var connections) || !connections.Remove(use))
                return;

            _count--;
            if (connections.Count == 0)
                _byPeer.Remove(use.Owner);
        }
    }

    /// <summary>The least recently used of those that have the most, or of others where none of theirs is idle.</summary>
    private ConnectionUse? FindIdle()
    {
        ConnectionUse? found = null;
        var most = 0;
        foreach (var (_, connections) in _byPeer)
        {
            if (connections.Count > most && LeastRecentlyUsed(connections) is { } idle)
                (found, most) = (idle, connections.Count);
        }

        return found;
    }

    private static ConnectionUse? LeastRecentlyUsed(HashSet<ConnectionUse> connections)
    {
        ConnectionUse? found = null;
        foreach (var use in connections)
        {
            if (use.IsIdle && (found is null || use.IsOlderThan(found)))
                found = use;
        }

        return found;
    }

    [LibraryImport("libc", EntryPoint = "getrlimit")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int GetResourceLimit(int resource, out ResourceLimit limit);

    [LibraryImport("libc", EntryPoint = "setrlimit")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int SetResourceLimit(int resource, in ResourceLimit limit);

    [StructLayout(LayoutKind.Sequential)]
    private struct ResourceLimit
    {
        public ulong Current;
        public ulong Max;
    }
}
