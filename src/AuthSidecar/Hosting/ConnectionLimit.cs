using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using AuthSidecar.Services;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;

namespace AuthSidecar.Hosting;

/// <summary>
/// Bounds how many connections there are, over all listeners. Where there is one too many, the one that has gone unused for longest is closed: first those that were never
/// used, so that nobody is kept out by connections that somebody opens and leaves.
/// </summary>
/// <remarks>A process without a file descriptor left does not only refuse connections: the runtime ends it.</remarks>
internal sealed partial class ConnectionLimit(int max)
{
    public const int DefaultMax = 1_024;
    public const int LeastMax = 16;

    /// <summary>What a sidecar needs beside connections: assemblies, the bundle, the journal, connections of its own, and some to spare.</summary>
    private const int ReservedDescriptors = 384;

    private const int OpenFiles = 7;

    private readonly ConcurrentDictionary<ConnectionUse, byte> _connections = new();
    private int _count;

    /// <summary>Sees to it that there can be so many connections: raises the process's limit of open files where it may.</summary>
    /// <returns>Why there cannot; null: there can.</returns>
    public static string? Ensure(int max)
    {
        if (max < LeastMax)
        {
            return $"`--max-connections` must be at least {LeastMax}";
        }

        var needed = (ulong)max + ReservedDescriptors;
        if (GetResourceLimit(OpenFiles, out var limit) != 0 || limit.Current >= needed)
        {
            return null;
        }

        // The usual soft limit is 1,024, for the sake of programs that use select(2); the hard one is what an operator means.
        return limit.Max < needed || SetResourceLimit(OpenFiles, limit with { Current = needed }) != 0
            ? $"open file limit too low: {limit.Max}, but {max} connections need {needed}; raise it (`ulimit -Hn`, LimitNOFILE), or lower `--max-connections`"
            : null;
    }

    /// <summary>Counts a connection while it is open.</summary>
    public ConnectionDelegate Count(ConnectionDelegate next) => async connection =>
    {
        var use = new ConnectionUse(
            () => connection.Abort(new ConnectionAbortedException("connection limit reached: least recently used connection closed")),
            Environment.TickCount64,
            PeerCredentials.Of(connection.Features.Get<IConnectionSocketFeature>()?.Socket));
        _connections.TryAdd(use, 0);
        if (Interlocked.Increment(ref _count) > max && !TryCloseOne(except: use))
        {
            // All the others are at work.
            connection.Abort(new ConnectionAbortedException("too many connections"));
        }

        try
        {
            connection.Features.Set(use);
            await next(connection);
        }
        finally
        {
            Interlocked.Decrement(ref _count);
            _connections.TryRemove(use, out _);
        }
    };

    private bool TryCloseOne(ConnectionUse except)
    {
        while (FindIdle(except) is { } idle)
        {
            _connections.TryRemove(idle, out _);
            if (idle.TryClose())
            {
                return true;
            }
        }

        return false;
    }

    private ConnectionUse? FindIdle(ConnectionUse except)
    {
        ConnectionUse? found = null;
        foreach (var (use, _) in _connections)
        {
            if (use.IsIdle && use != except && (found is null || (use.WasUsed, use.LastUsedAt).CompareTo((found.WasUsed, found.LastUsedAt)) < 0))
            {
                found = use;
            }
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
