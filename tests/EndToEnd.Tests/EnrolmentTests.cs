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
        Assert.Equal(StatusCode.Unauthenticated, refused.StatusCode);
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
            await new FleetService.FleetServiceClient(channel).ListSidecarsAsync(new ListSidecarsRequest(), cancellationToken: Cancellation))).StatusCode);
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
