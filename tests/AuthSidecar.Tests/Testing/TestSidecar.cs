using System.Collections.Concurrent;
using System.Net.Sockets;
using AuthSidecar.Cli;
using AuthSidecar.Common;
using AuthSidecar.Hosting;
using AuthSidecar.Snapshots;
using AuthSidecar.V1;
using Grpc.Net.Client;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace AuthSidecar.Tests.Testing;

/// <summary>A whole sidecar: real Kestrel on a real Unix socket, following a real bundle folder.</summary>
internal sealed class TestSidecar : IAsyncDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly WebApplication _app;

    private TestSidecar(string bundle, Action<IServiceCollection>? configure, Func<ServeOptions, ServeOptions>? change)
    {
        var state = _folder["state"];
        // The key that the test bundles wrap their secrets with.
        Directory.CreateDirectory(state);
        File.WriteAllText(Path.Combine(state, "mfa-wrapping.key"), Convert.ToBase64String(TestBundle.WrappingKey));
        var options = new ServeOptions { Bundle = bundle, State = state, Socket = Socket, Drain = TimeSpan.FromSeconds(5), Log = LogFormat.None };
        try
        {
            _app = SidecarHost.Build(
                change?.Invoke(options) ?? options,
                services =>
                {
                    services.AddSingleton<ILoggerProvider>(new CollectingLoggerProvider(Logs));
                    configure?.Invoke(services);
                });
        }
        catch
        {
            _folder.Dispose();
            throw;
        }

        Channel = SidecarClient.Connect($"unix:{Socket}");
        Client = new AuthSidecarService.AuthSidecarServiceClient(Channel);
    }

    public GrpcChannel Channel { get; }

    public AuthSidecarService.AuthSidecarServiceClient Client { get; }

    /// <summary>Everything that was logged, in whatever category and at whatever level.</summary>
    public ConcurrentQueue<string> Logs { get; } = new();

    public IServiceProvider Services => _app.Services;

    public string State => _folder["state"];

    public string Socket => _folder["s.sock"];

    public static async Task<TestSidecar> StartAsync(TestBundle bundle, Action<IServiceCollection>? configure = null, Func<ServeOptions, ServeOptions>? change = null)
    {
        var sidecar = new TestSidecar(bundle.Path, configure, change);
        await sidecar._app.StartAsync(TestContext.Current.CancellationToken);
        // Until it has looked at its bundle, and taken or refused it.
        while (sidecar.Services.GetRequiredService<SnapshotCache>().Current is null && !sidecar.Logs.Any(l => l.Contains("NoSnapshot", StringComparison.Ordinal)))
        {
            await Task.Delay(10, TestContext.Current.CancellationToken);
        }

        return sidecar;
    }

    /// <summary>A caller that sends what it likes.</summary>
    public HttpClient CreateHttp() => new(new SocketsHttpHandler
    {
        ConnectCallback = async (_, cancellation) =>
        {
            var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(Socket), cancellation);
            return new NetworkStream(socket, ownsSocket: true);
        },
    })
    {
        BaseAddress = new Uri("http://localhost"),
    };

    /// <summary>Waits until the sidecar serves another revision than this.</summary>
    public async Task<ulong> WaitForRevisionAfterAsync(ulong revision)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        patience.CancelAfter(TimeSpan.FromSeconds(10));
        var snapshot = await _app.Services.GetRequiredService<SnapshotCache>().WaitForAsync(new Revision(default, revision + 1), patience.Token);
        return snapshot!.Revision.Number;
    }

    public Task StopAsync() => _app.StopAsync();

    public async ValueTask DisposeAsync()
    {
        Channel.Dispose();
        await _app.StopAsync();
        await _app.DisposeAsync();
        _folder.Dispose();
    }

    private sealed class CollectingLoggerProvider(ConcurrentQueue<string> logs) : ILoggerProvider, ILogger
    {
        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull
        {
            logs.Enqueue(state.ToString() ?? "");
            return null;
        }

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            logs.Enqueue($"{logLevel} {eventId}: {formatter(state, exception)} {exception}");

        public void Dispose()
        {
        }
    }
}
