using System.Diagnostics;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using AuthSidecar.ControlPlane.V1;
using Grpc.Core;
using Grpc.Net.Client;

namespace EndToEnd.Tests;

/// <summary>How a sidecar comes to its certificate, and how it loses it.</summary>
public sealed class EnrolmentTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Join_WithAToken_GetsACertificateAndFollows_UntilItIsRemoved()
    {
        await using var fleet = await Fleet.StartAsync(ownCa: true);
        await fleet.CreateApplicationAsync();
        var token = await NewTokenAsync(fleet);
        var sidecar = await fleet.JoinAsync("one", token);
        Assert.Equal(["one"], (await ListAsync(fleet)).Select(s => s.Name));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(fleet.In("one/identity/certificate.pem")));

        // The token was good for one.
        var second = fleet.StartJoining("two", token);
        await Task.Delay(2_000, Cancellation);
        Assert.Equal(["one"], (await ListAsync(fleet)).Select(s => s.Name));
        Assert.False(second.HasExited);

        await fleet.Sidecars.RemoveSidecarAsync(new RemoveSidecarRequest { Application = "documents", Name = "one" }, cancellationToken: Cancellation);
        await Fleet.UntilAsync(async () => (await ListAsync(fleet)).Count == 0);
        // What it has, it goes on serving, for as long as its operator lets it.
        Assert.NotNull(await sidecar.CheckPermissionAsync(Fleet.Check("User", "nobody"), cancellationToken: Cancellation));
        await Task.Delay(1_000, Cancellation);
        Assert.Empty(await ListAsync(fleet));
        Assert.Equal(StatusCode.NotFound, (await Assert.ThrowsAsync<RpcException>(async () =>
            await fleet.Sidecars.RemoveSidecarAsync(new RemoveSidecarRequest { Application = "documents", Name = "one" }, cancellationToken: Cancellation))).StatusCode);

        // With another token, it is another sidecar of the same name.
        await fleet.JoinAsync("three", await NewTokenAsync(fleet));
        await Fleet.UntilAsync(async () => (await ListAsync(fleet)).Select(s => s.Name).SequenceEqual(["three"]));
    }

    /// <summary>Somebody else of the same name, a container of a copied manifest say: who is there stays, and who comes is told what to do.</summary>
    [Fact]
    public async Task Join_WithANameThatIsConnected_RefusedUnlessTheTokenReplaces_AndBothAreTold()
    {
        await using var fleet = await Fleet.StartAsync(ownCa: true);
        await fleet.CreateApplicationAsync();
        await fleet.JoinAsync("one", await NewTokenAsync(fleet));
        fleet.StartJoining("other", await NewTokenAsync(fleet), calledAs: "one");
        await Fleet.UntilAsync(() => Task.FromResult(fleet.OutputOf("other").Any(l => l.Contains("enrolment failed: name `one` is in use by a connected sidecar with another key: use another `--name`", StringComparison.Ordinal))));
        var first = Assert.Single(await ListAsync(fleet));
        Assert.DoesNotContain(fleet.OutputOf("one"), l => l.Contains("not connected", StringComparison.Ordinal));

        var replacing = (await fleet.Sidecars.CreateJoinTokenAsync(new CreateJoinTokenRequest { Application = "documents", Replace = true }, cancellationToken: Cancellation)).Token;
        await File.WriteAllTextAsync(fleet.In("other.token"), replacing, Cancellation);
        await Fleet.UntilAsync(() => Task.FromResult(fleet.OutputOf("other").Any(l => l.Contains("enrolled as one, replacing the sidecar enrolled at ", StringComparison.Ordinal))));
        await Fleet.UntilAsync(() => Task.FromResult(fleet.OutputOf("one").Any(l => l.Contains("name `one` was enrolled with another key at ", StringComparison.Ordinal))));
        await Fleet.UntilAsync(async () => (await ListAsync(fleet)) is [var now] && now.ConnectedAt != first.ConnectedAt);
        Assert.Contains(fleet.OutputOf(), l => l.Contains("one enrolled with another key, replacing the sidecar enrolled at", StringComparison.Ordinal));
    }

    /// <summary>A machine that was cloned with its state folder: one of the two is refused, and everybody hears of it.</summary>
    [Fact]
    public async Task StateFolderThatWasCopied_SecondProcessIsRefused_AndReported()
    {
        await using var fleet = await Fleet.StartAsync(ownCa: true);
        await fleet.CreateApplicationAsync();
        await fleet.JoinAsync("one", await NewTokenAsync(fleet));
        var first = Assert.Single(await ListAsync(fleet));
        Directory.CreateDirectory(fleet.In("copy/identity"));
        foreach (var file in Directory.EnumerateFiles(fleet.In("one/identity")))
        {
            File.Copy(file, Path.Combine(fleet.In("copy/identity"), Path.GetFileName(file)));
        }

        fleet.StartJoining("copy", "join.spent.spent.spent", calledAs: "one");
        await Fleet.UntilAsync(() => Task.FromResult(fleet.OutputOf("copy").Any(l => l.Contains("duplicate identity `one`: another process has been connected with it since ", StringComparison.Ordinal))));
        await Fleet.UntilAsync(async () => (await ListAsync(fleet)) is [var listed] && listed.Problems.Any(p => p.Contains("duplicate identity: a second process has connected with it", StringComparison.Ordinal)));
        Assert.Equal(first.ConnectedAt, Assert.Single(await ListAsync(fleet)).ConnectedAt);
        Assert.Single(fleet.OutputOf(), l => l.Contains("duplicate identity spiffe://authsidecar/application/documents/sidecar/one", StringComparison.Ordinal));

        // Once the first is gone, whoever has its identity is it.
        fleet.KillSidecar("one");
        await Fleet.UntilAsync(async () => (await ListAsync(fleet)) is [var now] && now.ConnectedAt != first.ConnectedAt);
    }

    /// <summary>A rollout: a thousand enrol at once. Each has one certificate, uses spent equal certificates, and who is quiet stays quiet.</summary>
    [Fact]
    public async Task Enrol_AThousandAtOnce_EachHasOneCertificate_AndOthersHearNothingOfIt()
    {
        const int Pods = 1_000;
        await using var fleet = await Fleet.StartAsync(ownCa: true);
        await fleet.CreateApplicationAsync();
        await fleet.JoinAsync("quiet", await NewTokenAsync(fleet));
        using var identity = X509Certificate2.CreateFromPemFile(fleet.In("quiet/identity/certificate.pem"), fleet.In("quiet/identity/certificate.pem"));
        fleet.KillSidecar("quiet");
        using var quiet = Connect(fleet, identity);
        using var stream = new SyncService.SyncServiceClient(quiet).Sync(cancellationToken: Cancellation);
        await stream.RequestStream.WriteAsync(new SyncRequest { Subscribe = new Subscribe() }, Cancellation);
        var heartbeats = 0;
        var listening = Task.Run(async () =>
        {
            while (await stream.ResponseStream.MoveNext(Cancellation))
            {
                if (stream.ResponseStream.Current.Update is { } update)
                {
                    foreach (var bundle in update.Bundles.Select(b => Bundle.Parser.ParseFrom(b.Content)))
                    {
                        await stream.RequestStream.WriteAsync(new SyncRequest { Ack = new Ack { Type = bundle.Type, Revision = bundle.Revision } }, Cancellation);
                    }
                }

                heartbeats += stream.ResponseStream.Current.Heartbeat is null ? 0 : 1;
            }
        }, Cancellation);

        var started = TimeProvider.System.GetTimestamp();
        var token = (await fleet.Sidecars.CreateJoinTokenAsync(new CreateJoinTokenRequest { Application = "documents", Uses = Pods + 1 }, cancellationToken: Cancellation)).Token.Split('.');
        using var channel = Connect(fleet, null);
        var client = new EnrolmentService.EnrolmentServiceClient(channel);
        var requests = Enumerable.Range(0, Pods).Select(n => new EnrolRequest { TokenId = token[1], TokenSecret = token[2], Name = $"pod-{n}", CertificateRequest = NewRequest() }).ToList();
        // Each asks twice, as one does whose first answer got lost.
        var answers = await Task.WhenAll(requests.Concat(requests).Select(async r => (r.Name, (await client.EnrolAsync(r, cancellationToken: Cancellation)).Certificate)));
        Assert.Equal(Pods, answers.DistinctBy(a => a.Certificate).Count());
        Assert.All(answers.GroupBy(a => a.Name), a => Assert.Single(a.Distinct()));
        var listed = (await fleet.Sidecars.ListJoinTokensAsync(new ListJoinTokensRequest(), cancellationToken: Cancellation)).Tokens.Single(t => t.Id == token[1]);
        Assert.Equal((Pods + 1, 1), (listed.Uses, listed.UsesLeft));

        // One heartbeat every five seconds, and one more for the first.
        var most = (int)(TimeProvider.System.GetElapsedTime(started).TotalSeconds / 5) + 2;
        Assert.InRange(heartbeats, 0, most);
        await stream.RequestStream.CompleteAsync();
        await Assert.ThrowsAnyAsync<Exception>(async () => { await listening; throw new OperationCanceledException(); });
    }

    /// <summary>The four refusals are told apart, and each says what to do.</summary>
    [Fact]
    public async Task Enrol_Refused_SaysWhyAndWhatToDo()
    {
        await using var fleet = await Fleet.StartAsync(ownCa: true);
        await fleet.CreateApplicationAsync();
        using var channel = Connect(fleet, null);
        var client = new EnrolmentService.EnrolmentServiceClient(channel);
        var (once, named) = ((await NewTokenAsync(fleet)).Split('.'), (await fleet.Sidecars.CreateJoinTokenAsync(new CreateJoinTokenRequest { Application = "documents", Name = "edge-1" }, cancellationToken: Cancellation)).Token.Split('.'));
        await client.EnrolAsync(Request(once, "one", NewRequest()), cancellationToken: Cancellation);
        await AssertRefusedAsync(Request(once, "two", NewRequest()), StatusCode.Unauthenticated, "ERROR_REASON_JOIN_TOKEN_USED_UP", "create another");
        await AssertRefusedAsync(Request(["", "nobody", once[2]], "two", NewRequest()), StatusCode.Unauthenticated, "ERROR_REASON_JOIN_TOKEN_UNKNOWN", "unknown join token");
        await AssertRefusedAsync(Request(named, "edge-2", NewRequest()), StatusCode.Unauthenticated, "ERROR_REASON_JOIN_TOKEN_OF_ANOTHER_NAME", "restricted to another name than `edge-2`");
        await AssertRefusedAsync(Request(named, "edge-1", "none"), StatusCode.InvalidArgument, "ERROR_REASON_INVALID_FIELD", "no key on P-256");
        var misspelt = Request(named, "edge-1", NewRequest());
        misspelt.Application = "document";
        await AssertRefusedAsync(misspelt, StatusCode.Unauthenticated, "ERROR_REASON_JOIN_TOKEN_OF_ANOTHER_PLACEMENT", "is not for application `document`: correct `--application`");
        var shown = await Binary.RunControlAsync("join-tokens", "list", "--admin-socket", fleet.In("control.sock"));
        Assert.Contains($"{once[1]}  documents  0 of 1 use left, expires ", shown.Output, StringComparison.Ordinal);
        Assert.Contains($"{named[1]}  documents  1 of 1 use left, expires ", shown.Output, StringComparison.Ordinal);
        Assert.Equal("removed\n", (await Binary.RunControlAsync("join-tokens", "remove", named[1], "--admin-socket", fleet.In("control.sock"))).Output);
        await AssertRefusedAsync(Request(named, "edge-1", NewRequest()), StatusCode.Unauthenticated, "ERROR_REASON_JOIN_TOKEN_UNKNOWN", "unknown join token");
        Assert.Equal(2, (await Binary.RunControlAsync("join-tokens", "remove", named[1], "--admin-socket", fleet.In("control.sock"))).ExitCode);

        async Task AssertRefusedAsync(EnrolRequest request, StatusCode status, string reason, string says)
        {
            var e = await Assert.ThrowsAsync<RpcException>(async () => await client.EnrolAsync(request, cancellationToken: Cancellation));
            Assert.Equal((status, reason), (e.StatusCode, e.GetRpcStatus()!.GetDetail<Google.Rpc.ErrorInfo>()!.Reason));
            Assert.Contains(says, e.Status.Detail, StringComparison.Ordinal);
        }

        static EnrolRequest Request(string[] token, string name, string request) => new() { TokenId = token[1], TokenSecret = token[2], Name = name, CertificateRequest = request };
    }

    private static string NewRequest()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        return new CertificateRequest("CN=x", key, HashAlgorithmName.SHA256).CreateSigningRequestPem();
    }

    /// <summary>The newest certificate admits, and the one before it; an older one does not, nor does anything of a sidecar that was removed.</summary>
    [Fact]
    public async Task Renew_WithTheCertificateBefore_GivesTheNext()
    {
        await using var fleet = await Fleet.StartAsync(ownCa: true);
        await fleet.CreateApplicationAsync();
        await fleet.JoinAsync("one", await NewTokenAsync(fleet));
        using var first = X509Certificate2.CreateFromPemFile(fleet.In("one/identity/certificate.pem"), fleet.In("one/identity/certificate.pem"));
        Assert.InRange(first.NotAfter - first.NotBefore, TimeSpan.FromHours(24), TimeSpan.FromHours(24.5));
        var second = await RenewAsync(fleet, first);
        Assert.NotEqual(first.SerialNumber, second.SerialNumber);
        Assert.Equal(Uris(first), Uris(second));
        var third = await RenewAsync(fleet, second);
        Assert.Equal(StatusCode.Unauthenticated, (await Assert.ThrowsAsync<RpcException>(() => RenewAsync(fleet, first))).StatusCode);
        var fourth = await RenewAsync(fleet, third);
        await fleet.Sidecars.RemoveSidecarAsync(new RemoveSidecarRequest { Application = "documents", Name = "one" }, cancellationToken: Cancellation);
        Assert.Equal(StatusCode.Unauthenticated, (await Assert.ThrowsAsync<RpcException>(() => RenewAsync(fleet, fourth))).StatusCode);

        static string Uris(X509Certificate2 certificate) => certificate.Extensions.Single(e => e.Oid!.Value == "2.5.29.17").Format(multiLine: false);
    }

    [Theory]
    [InlineData("")]
    [InlineData("-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----")]
    [InlineData("RSA")]
    [InlineData("P-384")]
    public async Task Enrol_WithARequestThatIsNone_RefusedAndTheTokenIsNotSpent(string request)
    {
        await using var fleet = await Fleet.StartAsync(ownCa: true);
        await fleet.CreateApplicationAsync();
        using var rsa = RSA.Create(2048);
        using var large = ECDsa.Create(ECCurve.NamedCurves.nistP384);
        request = request switch
        {
            "RSA" => new CertificateRequest("CN=x", rsa, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1).CreateSigningRequestPem(),
            "P-384" => new CertificateRequest("CN=x", large, HashAlgorithmName.SHA256).CreateSigningRequestPem(),
            _ => request,
        };
        var token = await NewTokenAsync(fleet);
        using var channel = Connect(fleet, certificate: null);
        var refused = await Assert.ThrowsAsync<RpcException>(async () => await new EnrolmentService.EnrolmentServiceClient(channel).EnrolAsync(
            new EnrolRequest { TokenId = token.Split('.')[1], TokenSecret = token.Split('.')[2], Name = "one", CertificateRequest = request }, cancellationToken: Cancellation));
        Assert.Equal(StatusCode.InvalidArgument, refused.StatusCode);
        await fleet.JoinAsync("one", token);
    }

    /// <summary>Whoever shows no certificate can enrol, and nothing else.</summary>
    [Fact]
    public async Task Sync_WithoutACertificate_Refused()
    {
        await using var fleet = await Fleet.StartAsync(ownCa: true);
        await fleet.CreateApplicationAsync();
        using var channel = Connect(fleet, certificate: null);
        using var call = new SyncService.SyncServiceClient(channel).Sync(cancellationToken: Cancellation);
        Assert.Equal(StatusCode.Unauthenticated, (await Assert.ThrowsAsync<RpcException>(() => call.ResponseStream.MoveNext(Cancellation))).StatusCode);
        Assert.Equal(StatusCode.Unauthenticated, (await Assert.ThrowsAsync<RpcException>(async () =>
            await new EnrolmentService.EnrolmentServiceClient(channel).RenewAsync(new RenewRequest(), cancellationToken: Cancellation))).StatusCode);
        Assert.Equal(StatusCode.Unimplemented, (await Assert.ThrowsAsync<RpcException>(async () =>
            await new SidecarService.SidecarServiceClient(channel).ListSidecarsAsync(new ListSidecarsRequest(), cancellationToken: Cancellation))).StatusCode);
    }

    /// <summary>A stream on which nobody says anything is not kept.</summary>
    [Fact]
    public async Task Stream_ThatDoesNotSubscribe_IsEndedAfterTenSeconds()
    {
        await using var fleet = await Fleet.StartAsync(ownCa: true);
        await fleet.CreateApplicationAsync();
        await fleet.JoinAsync("one", await NewTokenAsync(fleet));
        fleet.KillSidecar("one");
        using var certificate = X509Certificate2.CreateFromPemFile(fleet.In("one/identity/certificate.pem"));
        using var channel = Connect(fleet, certificate);
        var began = Stopwatch.GetTimestamp();
        using var call = new SyncService.SyncServiceClient(channel).Sync(cancellationToken: Cancellation);
        var ended = await Assert.ThrowsAsync<RpcException>(() => call.ResponseStream.MoveNext(Cancellation));
        Assert.Equal((StatusCode.DeadlineExceeded, "no `subscribe` within 10 s"), (ended.StatusCode, ended.Status.Detail));
        Assert.True(Stopwatch.GetElapsedTime(began) > TimeSpan.FromSeconds(9));
    }

    [Fact]
    public async Task Join_WithATokenOfAnotherControlPlane_ConnectsToNoOther()
    {
        await using var fleet = await Fleet.StartAsync(ownCa: true);
        await fleet.CreateApplicationAsync();
        await using var other = await Fleet.StartAsync(ownCa: true);
        await other.CreateApplicationAsync();
        fleet.StartJoining("one", await NewTokenAsync(other));
        await Task.Delay(2_000, Cancellation);
        Assert.False(Directory.Exists(fleet.In("one/identity")));
        Assert.Empty(await ListAsync(fleet));
    }

    [Theory]
    [InlineData(0, -1)]
    [InlineData(-1, 0)]
    [InlineData(10_001, 0)]
    [InlineData(0, 31 * 86_400)]
    public async Task CreateJoinToken_BeyondItsLimits_Refused(int uses, int lifetime)
    {
        await using var fleet = await Fleet.StartAsync(ownCa: true);
        await fleet.CreateApplicationAsync();
        Assert.Equal(StatusCode.InvalidArgument, (await Assert.ThrowsAsync<RpcException>(async () => await fleet.Sidecars.CreateJoinTokenAsync(
            new CreateJoinTokenRequest { Application = "documents", Uses = uses, LifetimeSeconds = lifetime }, cancellationToken: Cancellation))).StatusCode);
    }

    private static async Task<X509Certificate2> RenewAsync(Fleet fleet, X509Certificate2 before)
    {
        using var channel = Connect(fleet, before);
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var response = await new EnrolmentService.EnrolmentServiceClient(channel).RenewAsync(
            new RenewRequest { CertificateRequest = new CertificateRequest("CN=x", key, HashAlgorithmName.SHA256).CreateSigningRequestPem() }, cancellationToken: Cancellation);
        using var certificate = X509Certificate2.CreateFromPem(response.Certificate);
        return certificate.CopyWithPrivateKey(key);
    }

    private static GrpcChannel Connect(Fleet fleet, X509Certificate2? certificate) => GrpcChannel.ForAddress(fleet.Addresses[0], new GrpcChannelOptions
    {
        HttpHandler = new SocketsHttpHandler
        {
            SslOptions = new()
            {
                ClientCertificates = certificate is null ? null : [X509CertificateLoader.LoadPkcs12(certificate.Export(X509ContentType.Pkcs12), null)],
#pragma warning disable CA5359 // Whom we ask is not the question here.
                RemoteCertificateValidationCallback = (_, _, _, _) => true,
#pragma warning restore CA5359
            },
        },
        DisposeHttpClient = true,
    });

    private static async Task<string> NewTokenAsync(Fleet fleet) =>
        (await fleet.Sidecars.CreateJoinTokenAsync(new CreateJoinTokenRequest { Application = "documents" }, cancellationToken: Cancellation)).Token;

    private static async Task<IReadOnlyList<Sidecar>> ListAsync(Fleet fleet) =>
        (await fleet.Sidecars.ListSidecarsAsync(new ListSidecarsRequest(), cancellationToken: Cancellation)).Sidecars;
}
