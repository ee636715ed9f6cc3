using System.Security.Cryptography.X509Certificates;
using AuthSidecar.ControlPlane.Tests.Testing;
using AuthSidecar.ControlPlane.V1;
using AuthSidecar.V1;
using Google.Protobuf;
using Google.Rpc;
using Grpc.Core;
using Grpc.Net.Client;
using static EndToEnd.Tests.Writes;
using Decision = AuthSidecar.V1.Decision;

namespace EndToEnd.Tests;

/// <summary>A database that was restored from a backup: sidecars have had what it does not have any more, and must not take the one for the other.</summary>
public sealed class RestoreTests : IAsyncLifetime
{
    private PostgresServer? _postgres;
    private Fleet _fleet = null!;
    private string? _database;
    private string? _backup;
    private TcpRelay _network = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        if (_fleet is not null)
        {
            await _fleet.DisposeAsync();
        }

        if (_network is not null)
        {
            await _network.DisposeAsync();
        }

        if (_postgres is not null)
        {
            await _postgres.DisposeAsync();
        }
    }

    /// <summary>Whoever is dismissed after a restore is out at the revision that says so, wherever a sidecar was meanwhile.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task RestoredAndSaidSo_AccessTakenAway_IsEnforcedAtItsRevision(bool isPostgres)
    {
        var lost = await LoseAsync(isPostgres);
        await _fleet.StartControlPlaneAsync(0, "--after-restore");
        var removed = await RemoveRoleAsync(_fleet.Directories, "alice");
        await AssertTakenAnewAsync(lost, removed);
        Assert.DoesNotContain(_fleet.OutputOf(), l => l.Contains("rollback detected", StringComparison.Ordinal));
    }

    /// <summary>Nobody has said so: then it is noticed, told, and nothing is answered that is not so until somebody does.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task RestoredAndNotSaidSo_NoticedAndRefused_UntilItIsConfirmed(bool isPostgres)
    {
        var lost = await LoseAsync(isPostgres);
        await _fleet.StartControlPlaneAsync();
        await Fleet.UntilAsync(() => Task.FromResult(_fleet.OutputOf().Any(l => l.Contains("rollback detected", StringComparison.Ordinal) && l.Contains("Critical", StringComparison.Ordinal) && l.Contains("restore --confirm", StringComparison.Ordinal))));

        // Neither is anything written, nor is anything taken for written.
        var refused = await Assert.ThrowsAsync<RpcException>(() => RemoveRoleAsync(_fleet.Directories, "alice"));
        Assert.Equal((StatusCode.FailedPrecondition, "ERROR_REASON_HISTORY_LOST"), (refused.StatusCode, refused.GetRpcStatus()!.GetDetail<ErrorInfo>()!.Reason));
        await Fleet.UntilAsync(async () => await _fleet.HealthAsync() == Grpc.Health.V1.HealthCheckResponse.Types.ServingStatus.NotServing);
        Assert.Contains("restore --confirm", refused.Status.Detail, StringComparison.Ordinal);
        var asked = await Assert.ThrowsAsync<RpcException>(() => AskAsync(_fleet.ClientOf("connected"), "alice", lost));
        Assert.Equal((StatusCode.FailedPrecondition, "ERROR_REASON_REVISION_OF_ANOTHER_HISTORY"), (asked.StatusCode, asked.GetRpcStatus()!.GetDetail<ErrorInfo>()!.Reason));
        Assert.Equal(lost, (await _fleet.Sidecars.ListSidecarsAsync(new ListSidecarsRequest(), cancellationToken: Cancellation)).LostRevision);

        var shown = await Binary.RunControlAsync("restore", "--admin-socket", _fleet.In("control.sock"));
        Assert.Equal(1, shown.ExitCode);
        Assert.Contains(lost, shown.Output, StringComparison.Ordinal);
        var confirmed = await Binary.RunControlAsync("restore", "--confirm", "--admin-socket", _fleet.In("control.sock"));
        Assert.Equal(0, confirmed.ExitCode);
        Assert.Equal(0, (await Binary.RunControlAsync("restore", "--admin-socket", _fleet.In("control.sock"))).ExitCode);
        var history = await _fleet.Histories.GetHistoryAsync(new GetHistoryRequest(), cancellationToken: Cancellation);
        Assert.Equal((confirmed.Output.Trim(), ""), (history.Revision, history.LostRevision));
        await AssertTakenAnewAsync(lost, await RemoveRoleAsync(_fleet.Directories, "alice"));
    }

    /// <summary>It was said of another history: whoever repeats the command, or is late, begins nothing.</summary>
    [Fact]
    public async Task BeginHistory_ThatIsNotTheExpectedOne_Aborted()
    {
        _fleet = await Fleet.StartAsync();
        var before = await _fleet.Histories.GetHistoryAsync(new GetHistoryRequest(), cancellationToken: Cancellation);
        var uncalledFor = await Assert.ThrowsAsync<RpcException>(async () => await _fleet.Histories.BeginHistoryAsync(new BeginHistoryRequest { ExpectedHistory = before.History }, cancellationToken: Cancellation));
        Assert.Equal((StatusCode.FailedPrecondition, "ERROR_REASON_NO_ROLLBACK"), (uncalledFor.StatusCode, uncalledFor.GetRpcStatus()!.GetDetail<ErrorInfo>()!.Reason));
        var begun = await _fleet.Histories.BeginHistoryAsync(new BeginHistoryRequest { ExpectedHistory = before.History, Force = true }, cancellationToken: Cancellation);
        Assert.DoesNotContain(before.History, begun.Revision, StringComparison.Ordinal);
        var again = await Assert.ThrowsAsync<RpcException>(async () => await _fleet.Histories.BeginHistoryAsync(new BeginHistoryRequest { ExpectedHistory = before.History }, cancellationToken: Cancellation));
        Assert.Equal(StatusCode.Aborted, again.StatusCode);
        foreach (var malformed in new[] { "", "folder", "15", begun.Revision })
        {
            var refused = await Assert.ThrowsAsync<RpcException>(async () => await _fleet.Histories.BeginHistoryAsync(new BeginHistoryRequest { ExpectedHistory = malformed }, cancellationToken: Cancellation));
            Assert.Equal(StatusCode.InvalidArgument, refused.StatusCode);
        }
    }

    /// <summary>Whoever has the key of a sidecar can say anything. That it has more than there is counts when it was signed here.</summary>
    [Fact]
    public async Task Subscribe_WithMoreThanThereIsAndNoProof_GetsEverythingAndKeepsNobodyFromWriting()
    {
        _fleet = await Fleet.StartAsync();
        await PublishAsync(_fleet, "", ReadersRead);
        await _fleet.StartSidecarAsync("one");
        _fleet.KillSidecar("one");
        var history = (await _fleet.Histories.GetHistoryAsync(new GetHistoryRequest(), cancellationToken: Cancellation)).History;
        var claimed = new Heartbeat { Placement = new Placement { Application = "documents" }, Revision = $"{history}.999" };
        foreach (var revision in new[] { $"{history}.999", "zzzzzzzzzzzz.1" })
        {
            using var channel = ConnectAsSidecar("one");
            using var call = new SyncService.SyncServiceClient(channel).Sync(cancellationToken: Cancellation);
            await call.RequestStream.WriteAsync(
                new SyncRequest
                {
                    Subscribe = new Subscribe
                    {
                        Held = { new TypeRevision { Type = DataType.Policies, Revision = revision }, new TypeRevision { Type = DataType.Factors, Revision = revision } },
                        Heartbeat = new Signed { Content = claimed.ToByteString(), KeyId = "forged", Signature = ByteString.CopyFrom(new byte[64]) },
                    },
                },
                Cancellation);
            while (await call.ResponseStream.MoveNext(Cancellation) && call.ResponseStream.Current.Update is null)
            {
            }

            var sent = call.ResponseStream.Current.Update!.Bundles.Select(b => Bundle.Parser.ParseFrom(b.Content)).ToList();
            Assert.Equal([DataType.Policies, DataType.Factors], sent.Select(b => b.Type));
            Assert.All(sent, b => Assert.Equal((history, ""), (b.Revision.Split('.')[0], b.BaseRevision)));
        }

        using (var channel = ConnectAsSidecar("one"))
        {
            using var call = new SyncService.SyncServiceClient(channel).Sync(cancellationToken: Cancellation);
            await call.RequestStream.WriteAsync(new SyncRequest { Subscribe = new Subscribe { Held = { new TypeRevision { Type = DataType.Policies, Revision = "999" } } } }, Cancellation);
            Assert.Equal(StatusCode.InvalidArgument, (await Assert.ThrowsAsync<RpcException>(() => call.ResponseStream.MoveNext(Cancellation))).StatusCode);
        }

        // Nor is memory filled with what it says.
        foreach (var hostile in new[]
        {
            new SyncRequest { Nack = new Nack { Type = DataType.Policies, Reason = NackReason.Base, Revision = new string('9', 100_000) } },
            new SyncRequest { Nack = new Nack { Type = DataType.Policies, Faults = { new string('x', 100_000) } } },
            new SyncRequest { Ack = new Ack { Type = DataType.Policies, Revision = new string('9', 100_000) } },
            new SyncRequest { Status = new SidecarStatus { Types_ = { new TypeStatus { Revision = new string('9', 100_000) } } } },
            new SyncRequest { Status = new SidecarStatus { Problems = { new string('x', 100_000) } } },
        })
        {
            using var channel = ConnectAsSidecar("one");
            using var call = new SyncService.SyncServiceClient(channel).Sync(cancellationToken: Cancellation);
            await call.RequestStream.WriteAsync(new SyncRequest { Subscribe = new Subscribe() }, Cancellation);
            await call.RequestStream.WriteAsync(hostile, Cancellation);
            var refused = await Assert.ThrowsAsync<RpcException>(async () =>
            {
                while (await call.ResponseStream.MoveNext(Cancellation))
                {
                }
            });
            Assert.Equal(StatusCode.InvalidArgument, refused.StatusCode);
        }

        Assert.Equal("", (await _fleet.Sidecars.ListSidecarsAsync(new ListSidecarsRequest(), cancellationToken: Cancellation)).LostRevision);
        await WriteAsync(_fleet, User("alice", "reader"));
    }

    private GrpcChannel ConnectAsSidecar(string name)
    {
        using var certificate = X509Certificate2.CreateFromPemFile(_fleet.In($"{name}.pem"), _fleet.In($"{name}.key"));
        return GrpcChannel.ForAddress(_fleet.Addresses[0], new GrpcChannelOptions
        {
            DisposeHttpClient = true,
            HttpHandler = new SocketsHttpHandler
            {
                SslOptions = new()
                {
                    ClientCertificates = [X509CertificateLoader.LoadPkcs12(certificate.Export(X509ContentType.Pkcs12), null)],
#pragma warning disable CA5359 // Whom we ask is not the question here.
                    RemoteCertificateValidationCallback = (_, _, _, _) => true,
#pragma warning restore CA5359
                },
            },
        });
    }

    /// <summary>Three sidecars that had everything, and a database that has lost the newest of it: one stays, one is cut off, one is killed.</summary>
    /// <returns>The newest revision that they had.</returns>
    private async Task<string> LoseAsync(bool isPostgres)
    {
        if (isPostgres)
        {
            _postgres = new PostgresServer();
            await _postgres.InitializeAsync();
            Assert.SkipWhen(_postgres.Missing is not null, _postgres.Missing ?? "");
            (_database, _backup) = (await _postgres.CreateDatabaseAsync(), await _postgres.CreateDatabaseAsync());
        }

        _fleet = await Fleet.StartAsync(database: _database is null ? null : $"postgres:{_database}");
        _network = new TcpRelay(_fleet.Port);
        await WriteAsync(_fleet, User("alice", "reader"), User("bob", "reader"));
        var published = await PublishAsync(_fleet, "", ReadersRead);
        await _fleet.StartSidecarAsync("connected");
        await _fleet.StartSidecarAsync("killed");
        _fleet.Addresses = [$"https://127.0.0.1:{_network.Port}"];
        await _fleet.StartSidecarAsync("cut");
        await BackUpAsync();

        // What is lost: a user, a type of which the backup has nothing, and policies.
        await WriteAsync(_fleet, User("carol", "reader"));
        await _fleet.Risks.WriteRiskSettingsAsync(new WriteRiskSettingsRequest { Application = "documents", Settings = new RiskSettings() }, cancellationToken: Cancellation);
        var policies = await PublishAsync(_fleet, published.Revision, $"@id(\"lost\") {ReadersRead}");
        for (var i = 0; i < 5; i++)
        {
            await WriteAsync(_fleet, User($"user{i}", "reader"));
        }

        var lost = (await WriteAsync(_fleet, User("dave", "reader"))).Revision;
        foreach (var name in new[] { "connected", "cut", "killed" })
        {
            Assert.Equal(Decision.Allow, await AskAsync(_fleet.ClientOf(name), "carol", lost));
        }

        await _fleet.UntilKeptAsync("killed", $"policies-{policies.Revision}");
        _network.Cut();
        _fleet.KillControlPlane();
        _fleet.KillSidecar("killed");
        await RestoreAsync();
        return lost;
    }

    private async Task AssertTakenAnewAsync(string lost, string removed)
    {
        Assert.True(NumberOf(removed) < NumberOf(lost), $"{removed} is to be no larger number than {lost}");
        Assert.NotEqual(lost.Split('.')[0], removed.Split('.')[0]);
        _fleet.StartSidecar("killed");
        _network.Mend();
        foreach (var name in new[] { "connected", "cut", "killed" })
        {
            var sidecar = _fleet.ClientOf(name);
            await Fleet.UntilAsync(async () => await AskAsync(sidecar, "alice", removed) == Decision.Deny);
            Assert.Equal((Decision.Allow, Decision.Deny), (await AskAsync(sidecar, "bob", removed), await AskAsync(sidecar, "carol", removed)));
            var gone = await Assert.ThrowsAsync<RpcException>(() => AskAsync(sidecar, "alice", lost));
            Assert.Equal((StatusCode.FailedPrecondition, "ERROR_REASON_REVISION_OF_ANOTHER_HISTORY"), (gone.StatusCode, gone.GetRpcStatus()!.GetDetail<ErrorInfo>()!.Reason));

            // Of every type: also of the one that there is nothing of any more.
            var risk = (await sidecar.EvaluateRiskAsync(new EvaluateRiskRequest { Subject = new EntityUid { Type = "User", Id = "bob" } }, cancellationToken: Cancellation)).Freshness.Risk;
            Assert.StartsWith(removed.Split('.')[0], risk.Revision, StringComparison.Ordinal);
            var permitted = await sidecar.CheckPermissionAsync(Fleet.Check("User", "bob", removed), cancellationToken: Cancellation);
            Assert.DoesNotContain("lost", permitted.DeterminingPolicies.Select(p => p.PolicyId));
            Assert.InRange(permitted.Freshness.Policies.AgeMs, 0UL, 20_000UL);
        }

        await Fleet.UntilAsync(async () => (await _fleet.Sidecars.ListSidecarsAsync(new ListSidecarsRequest(), cancellationToken: Cancellation)) is { LostRevision: "" } listed
            && listed.Sidecars.Count == 3 && listed.Sidecars.All(s => s.IsCurrent));
    }

    private async Task BackUpAsync()
    {
        if (_database is null)
        {
            var backup = await Binary.RunControlAsync("backup", _fleet.In("backup.db"), "--state", _fleet.In("control"));
            Assert.Equal((0, ""), (backup.ExitCode, backup.Error));
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_fleet.In("backup.db")));
            return;
        }

        // A database that is in use cannot be copied.
        _fleet.KillControlPlane();
        await _postgres!.CopyDatabaseAsync(_database, _backup!);
        await _fleet.StartControlPlaneAsync();
    }

    private async Task RestoreAsync()
    {
        if (_database is not null)
        {
            await _postgres!.CopyDatabaseAsync(_backup!, _database);
            return;
        }

        var database = _fleet.In("control/control.db");
        File.Copy(_fleet.In("backup.db"), database, overwrite: true);
        File.Delete($"{database}-wal");
        File.Delete($"{database}-shm");
    }
}
