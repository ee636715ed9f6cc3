using AuthSidecar.Cedar;
using AuthSidecar.ControlPlane.Entities;
using AuthSidecar.ControlPlane.Store;

namespace AuthSidecar.ControlPlane.Tests.Testing;

/// <summary>A test of what holds on either database: each has a class for SQLite and one for PostgreSQL.</summary>
public abstract class StoreTest(TestDatabase database) : IAsyncLifetime
{
    private protected static readonly EntityUid Alice = new("User", "alice");
    private protected static readonly EntityUid Reader = new("Role", "reader");

    internal static readonly MayWrite Anywhere = (_, _) => true;

    private protected TestNode Node { get; private set; } = null!;

    internal static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        Node = new TestNode(await database.CreateAsync());
        await Node.Database.MigrateAsync(Cancellation);
        await Node.Store.BeginAsync("test", isAfterRestore: false, Cancellation);
    }

    public ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        database.Dispose();
        return ValueTask.CompletedTask;
    }

    private protected Task<int> CountAsync(Func<StoreContext, Task<int>> count) => Node.Store.ReadAsync((context, _) => count(context), Cancellation);
}
