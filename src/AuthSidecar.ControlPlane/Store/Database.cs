using System.Data.Common;
using Microsoft.EntityFrameworkCore.Storage;

namespace AuthSidecar.ControlPlane.Store;

/// <summary>Where the store is.</summary>
internal abstract class Database
{
    /// <summary>Reads <c>sqlite:PATH</c>, or an Npgsql connection string after <c>postgres:</c>.</summary>
    /// <exception cref="FormatException">The text has neither form.</exception>
    public static Database Parse(string text) => text.Split(':', 2) switch
    {
        ["sqlite", { Length: > 0 } path] => new SqliteDatabase(path),
        ["postgres", { Length: > 0 } connection] => ParsePostgres(connection),
        _ => throw new FormatException(
            "invalid database: expected `sqlite:PATH` or `postgres:CONNECTION`, such as `postgres:Host=db;Username=authsidecar`"),
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
    /// <param name="notes">The newest note.</param>
    /// <param name="touched">Whose sidecars get something else by it.</param>
    public virtual Task AnnounceAsync(
        StoreContext context, Revision revision, long notes, IReadOnlySet<Placement> touched, CancellationToken cancellation) =>
        Task.CompletedTask;

    /// <summary>Hears of what other nodes commit. Announcements get lost where the connection is: whoever listens looks as well, now and
    /// then.</summary>
    /// <param name="committed">Gets each revision.</param>
    /// <param name="listening">Told once it hears.</param>
    public virtual Task ListenAsync(Action<Announcement> committed, Action listening, CancellationToken cancellation) =>
        Task.Delay(Timeout.Infinite, cancellation);

    /// <summary>Becomes the node that does what one alone is to do; null when another is. It is until the lease is disposed of, or
    /// lost.</summary>
    public virtual Task<Lease?> TryLeadAsync(CancellationToken cancellation) => Task.FromResult<Lease?>(new Lease());
}

/// <summary>That this node leads.</summary>
internal class Lease : IAsyncDisposable
{
    /// <summary>Whether it still does.</summary>
    public virtual Task<bool> IsHeldAsync(CancellationToken cancellation) => Task.FromResult(true);

    public virtual ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
