using System.Collections.Concurrent;
using System.Net.Sockets;
using AuthSidecar.Cli;
using AuthSidecar.Common;
using AuthSidecar.Hosting;
using AuthSidecar.Issuers;
using AuthSidecar.Snapshots;
using AuthSidecar.Tests.Testing;
using AuthSidecar.V1;
using CsCheck;
using Google.Rpc;
using Grpc.Core;
using Grpc.Health.V1;
using Grpc.Reflection.V1Alpha;
using Microsoft.Extensions.DependencyInjection;

namespace AuthSidecar.Tests.Hosting;

public sealed class HostTests : IDisposable
{
    private readonly TestBundle _bundle = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Calls_BeforeTheFirstSnapshot_UnavailableAndNotServing()
    {
        _bundle.Write("policies/broken.cedar", "permit");
        await using var sidecar = await TestSidecar.StartAsync(_bundle);
        Func<Task>[] calls =
        [
            () => sidecar.Client.ValidateTokenAsync(new ValidateTokenRequest { Token = "a.b.c" }, cancellationToken: Cancellation).ResponseAsync,
            () => sidecar.Client.CheckPermissionAsync(Read, cancellationToken: Cancellation).ResponseAsync,
            () => sidecar.Client.CheckPermissionsAsync(new CheckPermissionsRequest { Checks = { Read } }, cancellationToken: Cancellation).ResponseAsync,
            () => sidecar.Client.EvaluateRiskAsync(new EvaluateRiskRequest { Subject = Read.Principal }, cancellationToken: Cancellation).ResponseAsync,
            () => sidecar.Client.VerifyMfaAsync(new VerifyMfaRequest { Subject = Read.Principal, FactorId = "f", Code = "c" }, cancellationToken: Cancellation).ResponseAsync,
        ];
        foreach (var call in calls)
        {
            var e = await Assert.ThrowsAsync<RpcException>(call);
            Assert.Equal(StatusCode.Unavailable, e.StatusCode);
            Assert.Equal("ERROR_REASON_NO_SNAPSHOT", e.GetRpcStatus()!.GetDetail<ErrorInfo>()!.Reason);
            Assert.NotNull(e.GetRpcStatus()!.GetDetail<RetryInfo>());
        }

        Assert.Equal(HealthCheckResponse.Types.ServingStatus.NotServing, await HealthOf(sidecar));
        _bundle.Delete("policies/broken.cedar");
        await sidecar.WaitForRevisionAfterAsync(0);
        Assert.Equal(V1.Decision.Allow, (await sidecar.Client.CheckPermissionAsync(Read, cancellationToken: Cancellation)).Decision);
        Assert.Equal(HealthCheckResponse.Types.ServingStatus.Serving, await HealthOf(sidecar));
    }

    [Fact]
    public async Task Log_OfARun_TellsStartAddressesReadinessCallersAndEnd()
    {
        System.Collections.Concurrent.ConcurrentQueue<string> logs;
        var socket = "";
        await using (var sidecar = await TestSidecar.StartAsync(_bundle, change: o => o with { LogLevel = Microsoft.Extensions.Logging.LogLevel.Debug }))
        {
            (logs, socket) = (sidecar.Logs, sidecar.Socket);
            await sidecar.WaitForRevisionAfterAsync(0);
            await sidecar.Client.CheckPermissionAsync(Read, cancellationToken: Cancellation);
            await Assert.ThrowsAsync<RpcException>(() => sidecar.Client.CheckPermissionAsync(new CheckPermissionRequest(), cancellationToken: Cancellation).ResponseAsync);
        }

        Assert.Single(logs, l => l.Contains($"starting authsidecar {LifetimeLog.Version}: bundle folder {_bundle.Path}, state ", StringComparison.Ordinal));
        Assert.Single(logs, l => l.Contains($"listening on unix:{socket}", StringComparison.Ordinal));
        Assert.Single(logs, l => l.Contains("ready: serving revision ", StringComparison.Ordinal));
        Assert.Single(logs, l => l.Contains($"/authsidecar.v1.AuthSidecarService/CheckPermission called by uid {UserId()}, gid ", StringComparison.Ordinal) && l.Contains($"pid {Environment.ProcessId}: OK", StringComparison.Ordinal));
        Assert.Single(logs, l => l.Contains($"pid {Environment.ProcessId}: InvalidArgument", StringComparison.Ordinal));
        Assert.Single(logs, l => l.Contains("shutting down, draining calls for at most 5 s", StringComparison.Ordinal));
        Assert.Single(logs, l => l.TrimEnd() == "Information Stopped: stopped");
        Assert.DoesNotContain(logs, l => l.Contains("not ready", StringComparison.Ordinal));

        static string UserId() => File.ReadAllLines("/proc/self/status").Single(l => l.StartsWith("Uid:", StringComparison.Ordinal)).Split('\t')[2];
    }

    [Fact]
    public async Task Connections_BeyondTheLimit_LeastRecentlyUsedOnesAreClosedAndCallersServed()
    {
        await using var sidecar = await StartWithFewConnectionsAsync();
        Assert.Equal(HealthCheckResponse.Types.ServingStatus.Serving, await HealthOf(sidecar));
        var idle = Enumerable.Range(0, 3 * ConnectionLimit.LeastMax).Select(_ =>
        {
            var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            socket.Connect(new UnixDomainSocketEndPoint(sidecar.Socket));
            return socket;
        }).ToList();
        try
        {
            // One that was closed is opened again, and another is accepted.
            Assert.Equal(V1.Decision.Allow, (await sidecar.Client.CheckPermissionAsync(Read, cancellationToken: Cancellation)).Decision);
            using var another = SidecarClient.Connect($"unix:{sidecar.Socket}");
            Assert.Equal(V1.Decision.Allow, (await new AuthSidecarService.AuthSidecarServiceClient(another).CheckPermissionAsync(Read, cancellationToken: Cancellation)).Decision);
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
            patience.CancelAfter(TimeSpan.FromSeconds(30));
            while (idle.Count(IsClosed) < (2 * ConnectionLimit.LeastMax) + 1)
            {
                await Task.Delay(20, patience.Token);
            }
        }
        finally
        {
            idle.ForEach(s => s.Dispose());
        }

        // The sidecar has begun with its settings (RFC 9113, section 3.4): behind them is the end.
        static bool IsClosed(Socket socket)
        {
            var buffer = new byte[1024];
            while (socket.Poll(0, SelectMode.SelectRead))
            {
                try
                {
                    if (socket.Receive(buffer) == 0)
                    {
                        return true;
                    }
                }
                catch (SocketException)
                {
                    return true;
                }
            }

            return false;
        }
    }

    [Fact]
    public async Task Connections_ClosedWhileCallsBeginOnThem_FailNoCall()
    {
        await using var sidecar = await StartWithFewConnectionsAsync();
        // A few more than there may be: each that opens closes one that is about to be used.
        var channels = Enumerable.Range(0, ConnectionLimit.LeastMax + 2).Select(_ => SidecarClient.Connect($"unix:{sidecar.Socket}")).ToList();
        try
        {
            var clients = channels.ConvertAll(c => new AuthSidecarService.AuthSidecarServiceClient(c));
            var orders = Gen.Int[0, clients.Count - 1].Array[1_500].Array[4].Single();
            var failed = new ConcurrentQueue<string>();
            await Task.WhenAll(orders.Select(order => Task.Run(async () =>
            {
                foreach (var i in order)
                {
                    try
                    {
                        Assert.Equal(V1.Decision.Allow, (await clients[i].CheckPermissionAsync(Read, cancellationToken: Cancellation)).Decision);
                    }
                    catch (RpcException e)
                    {
                        failed.Enqueue(e.Status.Detail);
                    }
                }
            })));
            Assert.Empty(failed);
        }
        finally
        {
            channels.ForEach(c => c.Dispose());
        }
    }

    [Fact]
    public async Task Connections_OfAnotherProcessAtTheLimit_AreClosedInsteadOfOurs()
    {
        await using var sidecar = await StartWithFewConnectionsAsync();
        using var kept = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await kept.ConnectAsync(new UnixDomainSocketEndPoint(sidecar.Socket), Cancellation);
        // Another process, and so the same user under another process id.
        using var other = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo("perl", ["-e", $$"""
            use Socket;
            $| = 1;
            my @held;
            for (1..200) {
                socket(my $s, PF_UNIX, SOCK_STREAM, 0) or die;
                connect($s, pack_sockaddr_un('{{sidecar.Socket}}')) or die;
                push @held, $s;
            }
            print "done\n";
            <STDIN>;
            """])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        })!;
        try
        {
            Assert.Equal("done", await other.StandardOutput.ReadLineAsync(Cancellation));
            for (var i = 0; i < 20; i++)
            {
                using var fresh = SidecarClient.Connect($"unix:{sidecar.Socket}");
                Assert.Equal(V1.Decision.Allow, (await new AuthSidecarService.AuthSidecarServiceClient(fresh).CheckPermissionAsync(Read, cancellationToken: Cancellation)).Decision);
            }

            // A connection that has ended is one to be read from, without a byte.
            Assert.False(kept.Poll(0, SelectMode.SelectRead) && kept.Available == 0);
        }
        finally
        {
            other.Kill();
            await other.WaitForExitAsync(CancellationToken.None);
        }
    }

    private async Task<TestSidecar> StartWithFewConnectionsAsync()
    {
        var sidecar = await TestSidecar.StartAsync(_bundle, change: o => o with { MaxConnections = ConnectionLimit.LeastMax });
        await sidecar.WaitForRevisionAfterAsync(0);
        return sidecar;
    }

    [Theory]
    [InlineData(ConnectionLimit.LeastMax - 1, "must be at least")]
    [InlineData(int.MaxValue / 2, "open file limit too low")]
    public void MaxConnections_ThatCannotBe_Refused(int max, string fault) => Assert.Contains(fault, ConnectionLimit.Ensure(max), StringComparison.Ordinal);

    [Fact]
    public async Task Socket_WhileServing_IsForOwnerAndGroupAndGoneAfterwards()
    {
        using var folder = new TemporaryFolder();
        var options = Options(folder);
        var app = SidecarHost.Build(options);
        await app.StartAsync(Cancellation);
        Assert.Equal(
            UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite,
            File.GetUnixFileMode(options.Socket!));
        await app.StopAsync(Cancellation);
        await app.DisposeAsync();
        Assert.False(File.Exists(options.Socket));
    }

    [Fact]
    public async Task Start_SocketThatAnotherSidecarListensOn_RefusedAndTheOtherGoesOn()
    {
        using var folder = new TemporaryFolder();
        var options = Options(folder);
        await using var first = SidecarHost.Build(options);
        await first.StartAsync(Cancellation);
        await using var second = SidecarHost.Build(options with { State = folder["state2"] });
        var e = await Assert.ThrowsAsync<IOException>(() => second.StartAsync(Cancellation));
        Assert.Contains("another process is listening", e.Message, StringComparison.Ordinal);
        using var channel = SidecarClient.Connect($"unix:{options.Socket}");
        await new Health.HealthClient(channel).CheckAsync(new HealthCheckRequest(), cancellationToken: Cancellation);
    }

    [Theory]
    [InlineData("file")]
    [InlineData("folder")]
    [InlineData("link")]
    public async Task Start_SomethingElseWhereTheSocketIsToBe_RefusedAndLeftAlone(string kind)
    {
        using var folder = new TemporaryFolder();
        var options = Options(folder);
        folder.Write("precious", "precious");
        switch (kind)
        {
            case "file": File.WriteAllText(options.Socket!, "precious"); break;
            case "folder": Directory.CreateDirectory(options.Socket!); break;
            case "link": File.CreateSymbolicLink(options.Socket!, folder["precious"]); break;
        }

        await using (var app = SidecarHost.Build(options))
        {
            var e = await Assert.ThrowsAsync<IOException>(() => app.StartAsync(Cancellation));
            Assert.Contains("exists and is not a socket", e.Message, StringComparison.Ordinal);
        }

        Assert.True(Path.Exists(options.Socket));
        Assert.Equal("precious", File.ReadAllText(folder["precious"]));
    }

    [Fact]
    public async Task Socket_WithAMode_HasItBeforeAnybodyConnects()
    {
        using var folder = new TemporaryFolder();
        var options = Options(folder) with { SocketAccess = new SocketAccess(UnixFileMode.UserRead | UnixFileMode.UserWrite, UnixSockets.FindGroup("root")) };
        await using var app = SidecarHost.Build(options);
        await app.StartAsync(Cancellation);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(options.Socket!));
        Assert.Null(UnixSockets.FindGroup("no-such-group"));
    }

    [Fact]
    public async Task Start_SocketLeftBehindByAKilledSidecar_IsTakenOver()
    {
        using var folder = new TemporaryFolder();
        var options = Options(folder);
        using (var dead = new System.Net.Sockets.Socket(System.Net.Sockets.AddressFamily.Unix, System.Net.Sockets.SocketType.Stream, 0))
        {
            dead.Bind(new System.Net.Sockets.UnixDomainSocketEndPoint(options.Socket!));
            // Closing a bound socket removes its file; a killed process does not get to.
            File.Move(options.Socket!, folder["kept"]);
        }

        File.Move(folder["kept"], options.Socket!);
        await using var app = SidecarHost.Build(options);
        await app.StartAsync(Cancellation);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Reflection_OutsideDevelopment_IsOff(bool isDevelopment)
    {
        await using var sidecar = await TestSidecar.StartAsync(_bundle, change: o => o with { IsDevelopment = isDevelopment });
        using var call = new ServerReflection.ServerReflectionClient(sidecar.Channel).ServerReflectionInfo(cancellationToken: Cancellation);
        if (isDevelopment)
        {
            await call.RequestStream.WriteAsync(new ServerReflectionRequest { ListServices = "" }, Cancellation);
            Assert.True(await call.ResponseStream.MoveNext(Cancellation));
            Assert.Contains(call.ResponseStream.Current.ListServicesResponse.Service, s => s.Name == "authsidecar.v1.AuthSidecarService");
        }
        else
        {
            var e = await Assert.ThrowsAsync<RpcException>(() => call.ResponseStream.MoveNext(Cancellation));
            Assert.Equal(StatusCode.Unimplemented, e.StatusCode);
        }
    }

    [Fact]
    public async Task Stop_WhileACallIsUnderWay_AnswersIt()
    {
        await using var sidecar = await TestSidecar.StartAsync(_bundle);
        await sidecar.WaitForRevisionAfterAsync(0);
        var cache = sidecar.Services.GetRequiredService<SnapshotCache>();
        var next = cache.Current!.At(new Revision(default, cache.Current!.Revision.Number + 1_000_000_000));
        var waiting = Read;
        waiting.AtLeastRevision = next.Revision.ToString();
        var call = sidecar.Client.CheckPermissionAsync(waiting, cancellationToken: Cancellation).ResponseAsync;
        await Task.Delay(200, Cancellation);
        var stopping = sidecar.StopAsync();
        await Task.Delay(200, Cancellation);
        Assert.False(call.IsCompleted);
        cache.Publish(next);
        Assert.Equal(V1.Decision.Allow, (await call).Decision);
        await stopping;
    }

    [Theory]
    [InlineData("0.0.0.0:7080")]
    [InlineData("10.0.0.1:7080")]
    public void Validate_AddressThatIsNotLoopback_Refused(string address)
    {
        using var folder = new TemporaryFolder();
        var faults = (Options(folder) with { Listen = ListenAddress.TryParseEndPoint(address) }).Validate();
        Assert.Contains(faults, f => f.Contains("not a loopback address", StringComparison.Ordinal));
    }

    [Fact]
    public void Validate_NamesThatCannotBe_Refused()
    {
        using var folder = new TemporaryFolder();
        var options = Options(folder);
        Assert.Equal(["`--state` is empty: specify a folder for keys and cached bundles"], (options with { State = "" }).Validate());
        var longest = "/" + new string('x', 106);
        Assert.Empty((options with { Socket = longest }).Validate());
        foreach (var path in new[] { "", longest + "x", "a\0b" })
        {
            Assert.Equal([$"`{path}` is not a path for a Unix socket: 1 to 107 bytes, without a null character"], (options with { Socket = path }).Validate());
        }

        // Bound is the absolute path, but connected to is the one that is given.
        var relative = new string('x', 100);
        Assert.Equal([$"`{Path.GetFullPath(relative)}` is not a path for a Unix socket: 1 to 107 bytes, without a null character"], (options with { Socket = relative }).Validate());
        Assert.Null(UnixSockets.FindFault(relative));

        // What no address can have as its host would allow nothing, and nobody would learn why.
        foreach (var host in new[] { "", "https://login.example", "login.example:8443", "login.example/keys", " login.example", "::1", "a b", "*.example" })
        {
            Assert.Equal([$"`{host}` of `--issuer-host` is not a host such as `login.example`, without scheme, port and path"], (options with { Issuers = new IssuerHosts { Hosts = ["login.example", host] } }).Validate());
            Assert.Single((options with { Issuers = new IssuerHosts { PrivateHosts = [host] } }).Validate());
        }

        Assert.Empty((options with { Issuers = new IssuerHosts { Hosts = ["login.example", "LOGIN.example", "10.0.0.1", "[::1]", "bücher.example", "localhost", "a_b.example"] } }).Validate());
    }

    [Theory]
    [InlineData("127.0.0.1:7080", true)]
    [InlineData("[::1]:7080", true)]
    [InlineData("127.1:7080", false)]
    [InlineData("localhost:7080", false)]
    [InlineData("[[127.0.0.1:7080", false)]
    [InlineData("127.0.0.1]:7080", false)]
    [InlineData("::1:7080", false)]
    [InlineData("[127.0.0.1]:7080", false)]
    [InlineData("127.0.0.1", false)]
    [InlineData("127.0.0.1:65536", false)]
    public void TryParseEndPoint_Text_ReadStrictly(string text, bool isEndPoint) => Assert.Equal(isEndPoint, ListenAddress.TryParseEndPoint(text) is not null);

    private static CheckPermissionRequest Read => new()
    {
        Principal = new EntityUid { Type = "User", Id = "alice" },
        Action = new EntityUid { Id = "read" },
        Resource = new Entity { Uid = new EntityUid { Type = "Document", Id = "plan" } },
    };

    private ServeOptions Options(TemporaryFolder folder) =>
        new() { Bundle = _bundle.Path, State = folder["state"], Socket = folder["s.sock"], Log = LogFormat.None };

    private static async Task<HealthCheckResponse.Types.ServingStatus> HealthOf(TestSidecar sidecar) =>
        (await new Health.HealthClient(sidecar.Channel).CheckAsync(new HealthCheckRequest(), cancellationToken: Cancellation)).Status;

    public void Dispose() => _bundle.Dispose();
}
