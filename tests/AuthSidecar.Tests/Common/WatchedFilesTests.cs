using AuthSidecar.Common;

namespace AuthSidecar.Tests.Common;

public sealed class WatchedFilesTests : IDisposable
{
    private readonly string _file = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
    private readonly List<string> _failures = [];

    public WatchedFilesTests() => File.WriteAllText(_file, "one");

    [Fact]
    public void Look_AnotherContent_IsTheValue()
    {
        using var watched = Watch();
        File.WriteAllText(_file, "two");
        Assert.Equal("one", watched.Current);
        watched.Look();
        Assert.Equal("two", watched.Current);
    }

    [Fact]
    public void Look_ContentThatCannotBeUsed_KeepsTheValueAndSaysSoOnce()
    {
        using var watched = Watch();
        File.Delete(_file);
        watched.Look();
        watched.Look();
        Assert.Equal("one", watched.Current);
        Assert.Single(_failures);
        File.WriteAllText(_file, "two");
        watched.Look();
        Assert.Equal("two", watched.Current);
    }

    /// <summary>Not every reason is in the files: a process may be out of file descriptors.</summary>
    [Fact]
    public void Look_ReadThatFailedOnce_IsTriedAgain()
    {
        var failures = 0;
        using var watched = new WatchedFiles<string>(
            [_file], () => failures-- > 0 ? throw new IOException("too many open files") : File.ReadAllText(_file), e => _failures.Add(e.Message));
        File.WriteAllText(_file, "two");
        failures = 2;
        watched.Look();
        watched.Look();
        Assert.Equal("one", watched.Current);
        watched.Look();
        Assert.Equal("two", watched.Current);
        Assert.Equal(["too many open files"], _failures);
    }

    [Fact]
    public async Task Current_WhileALookHangs_WaitsForNothing()
    {
        using var reading = new SemaphoreSlim(0);
        using var goOn = new SemaphoreSlim(1);
        using var watched = new WatchedFiles<string>([_file], () =>
        {
            reading.Release();
            goOn.Wait(TestContext.Current.CancellationToken);
            return File.ReadAllText(_file);
        }, _ => { });
        reading.Wait(TestContext.Current.CancellationToken);
        File.WriteAllText(_file, "two");
        var look = Task.Run(watched.Look, TestContext.Current.CancellationToken);
        reading.Wait(TestContext.Current.CancellationToken);
        Assert.Equal("one", watched.Current);
        // Nor does another look.
        watched.Look();
        goOn.Release();
        await look;
        Assert.Equal("two", watched.Current);
    }

    [Fact]
    public async Task Watch_AnotherContent_IsSeenByItself()
    {
        using var watched = Watch().Watch();
        await File.WriteAllTextAsync(_file, "two", TestContext.Current.CancellationToken);
        while (watched.Current != "two")
        {
            await Task.Delay(50, TestContext.Current.CancellationToken);
        }
    }

    public void Dispose() => File.Delete(_file);

    private WatchedFiles<string> Watch() => new([_file], () => File.ReadAllText(_file), e => _failures.Add(e.Message));
}
