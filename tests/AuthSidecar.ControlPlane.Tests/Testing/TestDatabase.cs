using AuthSidecar.ControlPlane.Store;

namespace AuthSidecar.ControlPlane.Tests.Testing;

/// <summary>A database of one test's own.</summary>
public abstract class TestDatabase : IDisposable
{
    internal abstract Task<Database> CreateAsync();

    public virtual void Dispose() => GC.SuppressFinalize(this);
}

internal sealed class SqliteTestDatabase : TestDatabase
{
    private readonly string _folder = Directory.CreateTempSubdirectory("store").FullName;

    internal override Task<Database> CreateAsync() => Task.FromResult(Database.Parse($"sqlite:{Path.Combine(_folder, "store.db")}"));

    public override void Dispose()
    {
        Microsoft.Data.Sqlite.SqliteConnection.ClearAllPools();
        Directory.Delete(_folder, recursive: true);
        base.Dispose();
    }
}

internal sealed class PostgresTestDatabase(PostgresServer server) : TestDatabase
{
    internal override async Task<Database> CreateAsync()
    {
        Assert.SkipWhen(server.Missing is not null, server.Missing ?? "");
        return Database.Parse($"postgres:{await server.CreateDatabaseAsync()}");
    }
}
