using System.Data;
using System.Data.Common;
using System.Net.Sockets;
using AuthSidecar.Common;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.EntityFrameworkCore.Storage;
using Npgsql;

namespace AuthSidecar.ControlPlane.Store;

/// <summary>Where the store is.</summary>
internal abstract class Database
{
    /// <summary>Reads <c>sqlite:PATH</c>, or an Npgsql connection string after <c>postgres:</c>.</summary>
    /// <exception cref="FormatException">It is neither.</exception>
    public static Database Parse(string text) => text.Split(':', 2) switch
    {
        ["sqlite", { Length: > 0 } path] => new SqliteDatabase(path),
        ["postgres", { Length: > 0 } connection] => ParsePostgres(connection),
        _ => throw new FormatException("a database is written `sqlite:PATH` or `postgres:CONNECTION`, such as `postgres:Host=db;Username=authsidecar`"),
    };

    private static PostgresDatabase ParsePostgres(string connection)
    {
        try
        {
            return new PostgresDatabase(connection);
        }
        catch (Exception e) when (e is ArgumentException or FormatException)
        {
            // Its value may be a password: the keyword alone is told.
            throw new FormatException($"the connection string after `postgres:` is malformed: {e.Message}", e);
        }
    }

    /// <summary>Whether other nodes may have it as well.</summary>
    public virtual bool IsShared => false;

    public abstract StoreContext Open();

    /// <summary>Where it is, and no password.</summary>
    public abstract override string ToString();

    /// <summary>Connects, to see whether there is anybody.</summary>
    public virtual Task ConnectAsync(CancellationToken cancellation) => Task.CompletedTask;

    /// <summary>Whether it is the database that is not there, or not now.</summary>
    public static bool IsAway(Exception? e) => e switch
    {
        // That of a provider or of Vault is another's.
        null or HttpRequestException => false,
        DbException { IsTransient: true } or SocketException => true,
        _ => IsAway(e.InnerException),
    };

    /// <summary>Locks a database that supports one node only; null: it supports several.</summary>
    /// <exception cref="IOException">Another process has locked it.</exception>
    public virtual IDisposable? TakeAlone() => null;

    /// <summary>Makes the tables, or brings them up to what this version wants.</summary>
    public virtual async Task MigrateAsync(CancellationToken cancellation)
    {
        await using var context = Open();
        await context.Database.MigrateAsync(cancellation);
    }

    /// <summary>Writes a consistent copy of the database to a new file, also while a node uses it.</summary>
    /// <exception cref="IOException">The file exists, or cannot be written.</exception>
    /// <exception cref="InvalidDataException">The database does not exist, is damaged, or is not SQLite.</exception>
    public virtual Task BackUpAsync(string file, CancellationToken cancellation) =>
        throw new InvalidDataException("only SQLite databases can be backed up with this command: use `pg_dump` for PostgreSQL");

    /// <summary>Begins a transaction that sees one moment of the database.</summary>
    public abstract Task<IDbContextTransaction> BeginReadAsync(StoreContext context, CancellationToken cancellation);

    /// <summary>Has the other nodes told of a revision, once its transaction is committed.</summary>
    /// <param name="context">The transaction's.</param>
    /// <param name="revision">The revision.</param>
    /// <param name="notes">The newest note.</param>
    /// <param name="touched">Whose sidecars get something else by it.</param>
    /// <param name="cancellation">Ends it.</param>
    public virtual Task AnnounceAsync(StoreContext context, Revision revision, long notes, IReadOnlySet<Placement> touched, CancellationToken cancellation) => Task.CompletedTask;

    /// <summary>Hears of what other nodes commit. Announcements get lost where the connection is: whoever listens looks as well, now and then.</summary>
    /// <param name="committed">Gets each revision.</param>
    /// <param name="listening">Told once it hears.</param>
    /// <param name="cancellation">Ends it.</param>
    public virtual Task ListenAsync(Action<Announcement> committed, Action listening, CancellationToken cancellation) => Task.Delay(Timeout.Infinite, cancellation);

    /// <summary>Becomes the node that does what one alone is to do; null when another is. It is until the lease is disposed of, or lost.</summary>
    public virtual Task<Lease?> TryLeadAsync(CancellationToken cancellation) => Task.FromResult<Lease?>(new Lease());
}

/// <summary>That this node leads.</summary>
internal class Lease : IAsyncDisposable
{
    /// <summary>Whether it still does.</summary>
    public virtual Task<bool> IsHeldAsync(CancellationToken cancellation) => Task.FromResult(true);

    public virtual ValueTask DisposeAsync() => ValueTask.CompletedTask;
}

internal sealed class SqliteDatabase(string path) : Database
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private readonly DbContextOptions<SqliteStoreContext> _options = new DbContextOptionsBuilder<SqliteStoreContext>()
        .UseSqlite(new SqliteConnectionStringBuilder { DataSource = path, DefaultTimeout = 30 }.ToString())
        .AddInterceptors(new Patience(), new NullCharacterGuard())
        .Options;

    public override string ToString() => $"sqlite {Path.GetFullPath(path)}";

    public override StoreContext Open() => new SqliteStoreContext(_options);

    /// <summary>SQLite has no notifications: nodes would not learn of each other's writes.</summary>
    public override IDisposable? TakeAlone() => FileLock.Take($"{path}.lock", $"the database `{path}`");

    public override async Task MigrateAsync(CancellationToken cancellation)
    {
        Protect();
        await base.MigrateAsync(cancellation);
        // Kept in the file: readers go on while somebody writes, and what was committed survives the machine.
        await using var context = Open();
        await context.Database.ExecuteSqlRawAsync("PRAGMA journal_mode = WAL", cancellation);
    }

    /// <summary>Makes the file its owner's alone, whatever the umask is and whatever it was: there are hashes of passwords in it. What SQLite lays beside it has its mode.</summary>
    private void Protect()
    {
        using (File.Open(path, new FileStreamOptions { Mode = FileMode.OpenOrCreate, Access = FileAccess.ReadWrite, Share = FileShare.ReadWrite, UnixCreateMode = OwnerOnly }))
        {
        }

        foreach (var file in new[] { path, $"{path}-wal", $"{path}-shm" }.Where(File.Exists))
        {
            if ((File.GetUnixFileMode(file) & ~OwnerOnly) != 0)
            {
                File.SetUnixFileMode(file, OwnerOnly);
            }
        }
    }

    public override async Task BackUpAsync(string file, CancellationToken cancellation)
    {
        if (!File.Exists(path))
        {
            throw new InvalidDataException($"the database `{path}` does not exist");
        }

        if (Path.Exists(file))
        {
            throw new IOException($"The file '{file}' already exists.");
        }

        // By another name until it is complete: an empty file would be restored as a new database. SQLite writes to an empty file, and creates others with the permissions of the umask.
        var partial = $"{file}.partial";
        File.Delete(partial);
        File.Open(partial, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = OwnerOnly }).Dispose();
        try
        {
            await ExecuteAsync(path, "VACUUM INTO $file", partial);
            if (await ExecuteAsync(partial, "PRAGMA quick_check", null) is not "ok" and var fault)
            {
                throw new InvalidDataException($"the database `{path}` is damaged: {fault}");
            }

            using (var written = File.Open(partial, FileMode.Open, FileAccess.ReadWrite))
            {
                written.Flush(flushToDisk: true);
            }

            File.Move(partial, file, overwrite: false);
        }
        catch (SqliteException e)
        {
            File.Delete(partial);
            throw new InvalidDataException($"failed to back up the database `{path}`: {e.Message}", e);
        }
        catch
        {
            File.Delete(partial);
            throw;
        }

        async Task<object?> ExecuteAsync(string source, string sql, string? argument)
        {
            await using var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = source, Mode = SqliteOpenMode.ReadWrite, Pooling = false, DefaultTimeout = 30 }.ToString());
            await connection.OpenAsync(cancellation);
            await using var command = connection.CreateCommand();
            command.CommandText = sql;
            command.Parameters.AddWithValue("$file", argument ?? "");
            return await command.ExecuteScalarAsync(cancellation);
        }
    }

    // Deferred: a reader must not wait for a writer, nor keep one waiting.
    public override async Task<IDbContextTransaction> BeginReadAsync(StoreContext context, CancellationToken cancellation)
    {
        await context.Database.OpenConnectionAsync(cancellation);
        var transaction = ((SqliteConnection)context.Database.GetDbConnection()).BeginTransaction(deferred: true);
        return (await context.Database.UseTransactionAsync(transaction, cancellation))!;
    }

    /// <summary>Writers queue up in SQLite, which looks again after a millisecond; its client for .NET would after a hundred and fifty.</summary>
    private sealed class Patience : DbConnectionInterceptor
    {
        private const string Wait = "PRAGMA busy_timeout = 30000";

        public override void ConnectionOpened(DbConnection connection, ConnectionEndEventData eventData) => Set(connection);

        public override Task ConnectionOpenedAsync(DbConnection connection, ConnectionEndEventData eventData, CancellationToken cancellationToken = default)
        {
            Set(connection);
            return Task.CompletedTask;
        }

        private static void Set(DbConnection connection)
        {
            using var command = connection.CreateCommand();
            command.CommandText = Wait;
            command.ExecuteNonQuery();
        }
    }
}

internal sealed class PostgresDatabase(string connection) : Database
{
    private const string Channel = "authsidecar_committed";

    /// <summary>A number of our own among the advisory locks of the database.</summary>
    private const long LeaderLock = 0x4175_7468_5369_6465;

    private readonly DbContextOptions<PostgresStoreContext> _options = new DbContextOptionsBuilder<PostgresStoreContext>().UseNpgsql(Pooled(connection)).AddInterceptors(new NullCharacterGuard()).Options;

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

    public override Task AnnounceAsync(StoreContext context, Revision revision, long notes, IReadOnlySet<Placement> touched, CancellationToken cancellation) => context.Database.ExecuteSqlAsync(
        $"SELECT pg_notify({Channel}, {Announcement.Write(revision, notes, touched)})", cancellation);

    public override async Task ListenAsync(Action<Announcement> committed, Action listening, CancellationToken cancellation)
    {
        await using var listener = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(connection) { KeepAlive = 10, Pooling = false }.ToString());
        listener.Notification += (_, notification) =>
        {
            if (Announcement.TryParse(notification.Payload, out var announcement))
            {
                committed(announcement);
            }
        };
        await listener.OpenAsync(cancellation);
        await using var listen = new NpgsqlCommand($"LISTEN {Channel}", listener);
        await listen.ExecuteNonQueryAsync(cancellation);
        listening();
        while (true)
        {
            await listener.WaitAsync(cancellation);
        }
    }

    public override async Task<Lease?> TryLeadAsync(CancellationToken cancellation)
    {
        var leader = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(connection) { KeepAlive = 10, Pooling = false }.ToString());
        try
        {
            await leader.OpenAsync(cancellation);
            await using var command = new NpgsqlCommand("SELECT pg_try_advisory_lock($1)", leader) { Parameters = { new() { Value = LeaderLock } } };
            if (await command.ExecuteScalarAsync(cancellation) is true)
            {
                return new PostgresLease(leader);
            }
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

    /// <summary>With as many connections as two nodes can have of a server that has its default number of them, unless the operator says how many.</summary>
    private static string Pooled(string connection)
    {
        const int MostOfANode = 40;
        // Npgsql's own says of every keyword that it has it.
        var given = new DbConnectionStringBuilder { ConnectionString = connection };
        var parts = new NpgsqlConnectionStringBuilder(connection);
        if (!given.ContainsKey("Maximum Pool Size") && !given.ContainsKey("MaxPoolSize"))
        {
            parts.MaxPoolSize = MostOfANode;
        }

        return parts.ToString();
    }

    private static string Describe(NpgsqlConnectionStringBuilder parts) => $"postgres {parts.Host}:{parts.Port}/{parts.Database ?? parts.Username}";
}
