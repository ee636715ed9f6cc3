using System.Data;
using System.Data.Common;
using Microsoft.EntityFrameworkCore.Storage;
using Npgsql;

namespace AuthSidecar.ControlPlane.Store;

/// <summary>A server that several nodes share.</summary>
internal sealed class PostgresDatabase(string connection) : Database
{
    private const string Channel = "authsidecar_committed";

    /// <summary>A number of our own among the advisory locks of the database.</summary>
    private const long LeaderLock = 0x4175_7468_5369_6465;

    private readonly DbContextOptions<PostgresStoreContext> _options = new DbContextOptionsBuilder<PostgresStoreContext>()
        .UseNpgsql(Pooled(connection))
        .AddInterceptors(new NullCharacterGuard())
        .Options;

    public override bool IsShared => true;

    /// <summary>Where it is, and no password.</summary>
    public override string ToString() => Describe(new NpgsqlConnectionStringBuilder(connection));

    public override StoreContext Open() => new PostgresStoreContext(_options);

    public override async Task ConnectAsync(CancellationToken cancellation)
    {
        await using var probe = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(connection) { Pooling = false }.ToString());
        await probe.OpenAsync(cancellation);
    }

    public override Task<IDbContextTransaction> BeginReadAsync(StoreContext context, CancellationToken cancellation) =>
        context.Database.BeginTransactionAsync(IsolationLevel.RepeatableRead, cancellation);

    public override Task AnnounceAsync(
        StoreContext context, Revision revision, long notes, IReadOnlySet<Placement> touched, CancellationToken cancellation) =>
        context.Database.ExecuteSqlAsync($"SELECT pg_notify({Channel}, {Announcement.Write(revision, notes, touched)})", cancellation);

    public override async Task ListenAsync(Action<Announcement> committed, Action listening, CancellationToken cancellation)
    {
        await using var listener = new NpgsqlConnection(
            new NpgsqlConnectionStringBuilder(connection) { KeepAlive = 10, Pooling = false }.ToString());
        listener.Notification += (_, notification) =>
        {
            if (Announcement.TryParse(notification.Payload, out var announcement))
                committed(announcement);
        };
        await listener.OpenAsync(cancellation);
        await using var listen = new NpgsqlCommand($"LISTEN {Channel}", listener);
        await listen.ExecuteNonQueryAsync(cancellation);
        listening();
        while (true)
            await listener.WaitAsync(cancellation);
    }

    public override async Task<Lease?> TryLeadAsync(CancellationToken cancellation)
    {
        var leader = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(connection) { KeepAlive = 10, Pooling = false }.ToString());
        try
        {
            await leader.OpenAsync(cancellation);
            await using var command = new NpgsqlCommand("SELECT pg_try_advisory_lock($1)", leader)
            {
                Parameters = { new() { Value = LeaderLock } },
            };
            if (await command.ExecuteScalarAsync(cancellation) is true)
                return new PostgresLease(leader);
        }
        catch
        {
            await leader.DisposeAsync();
            throw;
        }

        await leader.DisposeAsync();
        return null;
    }

    /// <summary>An advisory lock, which is the session's: it ends with the connection, however that ends.</summary>
    private sealed class PostgresLease(NpgsqlConnection connection) : Lease
    {
        public override async Task<bool> IsHeldAsync(CancellationToken cancellation)
        {
            try
            {
                await using var command = new NpgsqlCommand("SELECT 1", connection);
                return await command.ExecuteScalarAsync(cancellation) is 1;
            }
            catch (Exception e) when (e is NpgsqlException or InvalidOperationException)
            {
                return false;
            }
        }

        public override ValueTask DisposeAsync() => connection.DisposeAsync();
    }

    /// <summary>With as many connections as two nodes can have of a server that has its default number of them, unless the operator says
    /// how many.</summary>
    private static string Pooled(string connection)
    {
        const int MostOfANode = 40;
        // Npgsql's own says of every keyword that it has it.
        var given = new DbConnectionStringBuilder { ConnectionString = connection };
        var parts = new NpgsqlConnectionStringBuilder(connection);
        if (!given.ContainsKey("Maximum Pool Size") && !given.ContainsKey("MaxPoolSize"))
            parts.MaxPoolSize = MostOfANode;

        return parts.ToString();
    }

    private static string Describe(NpgsqlConnectionStringBuilder parts) =>
        $"postgres {parts.Host}:{parts.Port}/{parts.Database ?? parts.Username}";
}
