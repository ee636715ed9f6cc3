using AuthSidecar.ControlPlane.Store;
using Microsoft.Extensions.Hosting.Internal;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace AuthSidecar.ControlPlane.Tests.Store;

/// <summary>What holds on SQLite alone.</summary>
public sealed class SqliteDatabaseTests : IDisposable
{
    private readonly string _folder = System.IO.Directory.CreateTempSubdirectory("store").FullName;

    /// <summary>Nobody else writes to it, so that it is looked at once a minute; but what cannot be read is not said to be current.</summary>
    [Fact]
    public async Task Feed_WhereTheDatabaseCannotBeRead_IsFreshNoLongerAndAgain()
    {
        var cancellation = TestContext.Current.CancellationToken;
        var path = Path.Combine(_folder, "away.db");
        var database = Database.Parse($"sqlite:{path}");
        await database.MigrateAsync(cancellation);
        var time = new FakeTimeProvider(TimeProvider.System.GetUtcNow());
        var store = new ControlStore(database, time);
        await store.BeginAsync("test", isAfterRestore: false, cancellation);
        using var feed = new StoreWatcher(database, store, new ApplicationLifetime(NullLogger<ApplicationLifetime>.Instance), time, NullLogger<StoreWatcher>.Instance);
        await feed.StartAsync(cancellation);
        await UntilAsync(() => feed.IsFresh, TimeSpan.Zero);
        time.Advance(TimeSpan.FromSeconds(50));
        Assert.True(feed.IsFresh);
        Microsoft.Data.Sqlite.SqliteConnection.ClearAllPools();
        File.Move(path, $"{path}.away");
        System.IO.Directory.CreateDirectory(path);
        await UntilAsync(() => !feed.IsFresh, TimeSpan.FromSeconds(1));
        System.IO.Directory.Delete(path);
        File.Move($"{path}.away", path);
        await UntilAsync(() => feed.IsFresh, TimeSpan.FromSeconds(1));
        await feed.StopAsync(cancellation);

        async Task UntilAsync(Func<bool> condition, TimeSpan step)
        {
            for (var i = 0; !condition(); i++)
            {
                Assert.InRange(i, 0, 2_000);
                time.Advance(step);
                await Task.Delay(10, cancellation);
            }
        }
    }

    /// <summary>Folders of containers and of systemd are for everybody to look into, and what is made in them as well: hashes of passwords are not.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Migrate_WhateverTheModeOfTheFileIs_ItIsTheOwnersAlone(bool isThere)
    {
        var path = Path.Combine(_folder, "modes.db");
        if (isThere)
        {
            await Database.Parse($"sqlite:{path}").MigrateAsync(TestContext.Current.CancellationToken);
            foreach (var file in System.IO.Directory.EnumerateFiles(_folder, "modes.db*"))
            {
                File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
            }
        }

        var database = Database.Parse($"sqlite:{path}");
        await database.MigrateAsync(TestContext.Current.CancellationToken);
        await new ControlStore(database, TimeProvider.System).WriteAsync("test", _ => Task.FromResult<Refusal?>(null), TestContext.Current.CancellationToken);
        var files = System.IO.Directory.EnumerateFiles(_folder, "modes.db*").ToList();
        Assert.Equal(3, files.Count);
        Assert.All(files, f => Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(f)));
    }

    public void Dispose()
    {
        Microsoft.Data.Sqlite.SqliteConnection.ClearAllPools();
        System.IO.Directory.Delete(_folder, recursive: true);
    }
}
