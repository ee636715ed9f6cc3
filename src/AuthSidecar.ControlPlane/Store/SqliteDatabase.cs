using System.Data;
using System.Data.Common;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.EntityFrameworkCore.Storage;

namespace AuthSidecar.ControlPlane.Store;

/// <summary>A file that one node has to itself.</summary>
internal sealed class SqliteDatabase(string path) : Database
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private readonly DbContextOptions<SqliteStoreContext> _options = new DbContextOptionsBuilder<SqliteStoreContext>()
        .UseSqlite(new SqliteConnectionStringBuilder { DataSource = path, DefaultTimeout = 30 }.ToString())
        .AddInterceptors(new BusyTimeoutInterceptor(), new NullCharacterGuard())
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

    /// <summary>Makes the file its owner's alone, whatever the umask is and whatever it was: there are hashes of passwords in it. What
    /// SQLite lays beside it has its mode.</summary>
    private void Protect()
    {
        using (File.Open(path, new FileStreamOptions
        {
            Mode = FileMode.OpenOrCreate,
            Access = FileAccess.ReadWrite,
            Share = FileShare.ReadWrite,
            UnixCreateMode = OwnerOnly,
        }))
        {
        }

        foreach (var file in new[] { path, $"{path}-wal", $"{path}-shm" }.Where(File.Exists))
        {
            if ((File.GetUnixFileMode(file) & ~OwnerOnly) != 0)
                File.SetUnixFileMode(file, OwnerOnly);
        }
    }

    public override async Task BackUpAsync(string file, CancellationToken cancellation)
    {
        if (!File.Exists(path))
            throw new InvalidDataException($"the database `{path}` does not exist");

        if (Path.Exists(file))
            throw new IOException($"The file '{file}' already exists.");

        // By another name until it is complete: an empty file would be restored as a new database. SQLite writes to an empty file, and
        // creates others with the permissions of the umask.
        var partial = $"{file}.partial";
        File.Delete(partial);
        File.Open(partial, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = OwnerOnly })
            .Dispose();
        try
        {
            if (await ExecuteAsync(path, "SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'head'", null) is not "head")
                throw new InvalidDataException($"`{path}` is not the database of a control plane");

            await ExecuteAsync(path, "VACUUM INTO $file", partial);
            if (await ExecuteAsync(partial, "PRAGMA quick_check", null) is not "ok" and var fault)
                throw new InvalidDataException($"the database `{path}` is damaged: {fault}");

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
            await using var connection = new SqliteConnection(new SqliteConnectionStringBuilder
            {
                DataSource = source,
                Mode = SqliteOpenMode.ReadWrite,
                Pooling = false,
                DefaultTimeout = 30,
            }.ToString());
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

    /// <summary>Writers queue up in SQLite, which looks again after a millisecond; its client for .NET would after a hundred and
    /// fifty.</summary>
    private sealed class BusyTimeoutInterceptor : DbConnectionInterceptor
    {
        private const string Wait = "PRAGMA busy_timeout = 30000";

        public override void ConnectionOpened(DbConnection connection, ConnectionEndEventData eventData) => Set(connection);

        public override Task ConnectionOpenedAsync(
            DbConnection connection, ConnectionEndEventData eventData, CancellationToken cancellationToken = default)
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
