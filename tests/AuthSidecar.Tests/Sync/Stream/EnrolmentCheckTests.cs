using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using AuthSidecar.ControlPlane.V1;
using AuthSidecar.Sync.Stream;
using AuthSidecar.Tests.Testing;
using Google.Protobuf;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Testing;
using Microsoft.Extensions.Time.Testing;

namespace AuthSidecar.Tests.Sync.Stream;

/// <summary>Whoever answers for the control plane, with the TLS key of a node say, gives a sidecar no certificate that would have it enrol anew, or keep it out.</summary>
public sealed class EnrolmentCheckTests : IDisposable
{
    private const string Name = "spiffe://authsidecar/application/documents/sidecar/one";

    private static readonly DateTimeOffset Now = TimeProvider.System.GetUtcNow();

    private readonly TemporaryFolder _folder = new();
    private readonly FakeTimeProvider _time = new(Now);
    private readonly ECDsa _caKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly X509Certificate2 _ca;

    public EnrolmentCheckTests()
    {
        var request = new CertificateRequest("CN=ca", _caKey, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        _ca = request.CreateSelfSigned(Now.AddDays(-1), Now.AddYears(1));
    }

    public static TheoryData<string> Certificates => [.. Answers.Keys];

    [Theory]
    [MemberData(nameof(Certificates))]
    public async Task Renew_WithWhatTheControlPlaneSends_TakesTheNextCertificateAndNoOther(string what)
    {
        var (isTaken, make) = Answers[what];
        await using var server = new TlsServer();
        server.Answer = async context =>
        {
            using var body = new MemoryStream();
            await context.Request.Body.CopyToAsync(body);
            var request = RenewRequest.Parser.ParseFrom(body.ToArray().AsSpan(5));
            var key = CertificateRequest.LoadSigningRequestPem(request.CertificateRequest, HashAlgorithmName.SHA256).PublicKey;
            var content = new RenewResponse { Certificate = make(this, key) }.ToByteArray();
            context.Response.ContentType = "application/grpc";
            await context.Response.Body.WriteAsync((byte[])[0, (byte)(content.Length >> 24), (byte)(content.Length >> 16), (byte)(content.Length >> 8), (byte)content.Length, .. content]);
            context.Response.AppendTrailer("grpc-status", "0");
        };
        await server.StartAsync();
        var options = ControlPlaneOptions.Joining([server.UrlOf("")], TestControlPlane.Placement, new JoinOptions("none", "one"), _folder["state"]);
        Directory.CreateDirectory(_folder["state/identity"]);
        // Both trusted: the CA of the server, and that of sidecars.
        await File.WriteAllTextAsync(options.Ca, File.ReadAllText(server.CaFile) + "\n" + _ca.ExportCertificatePem(), TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(options.PinnedKeys, "{}", TestContext.Current.CancellationToken);
        using var own = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var before = $"{Issue(new PublicKey(own), Name, Now.AddHours(-20), Now.AddHours(4))}\n{own.ExportPkcs8PrivateKeyPem()}\n";
        await File.WriteAllTextAsync(options.Certificate, before, TestContext.Current.CancellationToken);
        var logger = new FakeLogger<Enrolment>();
        await new Enrolment(options, _time, logger).EnsureAsync(server.UrlOf(""), TestContext.Current.CancellationToken);
        Assert.Equal(1, server.Requests);
        Assert.Equal(isTaken, await File.ReadAllTextAsync(options.Certificate, TestContext.Current.CancellationToken) != before);
        Assert.Equal(isTaken ? "CertificateRenewed" : "CertificateRenewalFailed", logger.LatestRecord.Id.Name);
    }

    /// <summary>The sidecar was off for too long: that is the cause, whatever else is missing now.</summary>
    [Fact]
    public async Task Enrol_WithACertificateThatHasExpired_SaysSoBesideTheReason()
    {
        var options = ControlPlaneOptions.Joining([new Uri("https://localhost:1")], TestControlPlane.Placement, new JoinOptions(_folder["none"], "one"), _folder["state"]);
        Directory.CreateDirectory(_folder["state/identity"]);
        await File.WriteAllTextAsync(options.Ca, _ca.ExportCertificatePem(), TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(options.PinnedKeys, "{}", TestContext.Current.CancellationToken);
        using var own = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        await File.WriteAllTextAsync(options.Certificate, $"{Issue(new PublicKey(own), Name, Now.AddHours(-23), Now.AddHours(-1))}\n{own.ExportPkcs8PrivateKeyPem()}\n", TestContext.Current.CancellationToken);
        var refused = await Assert.ThrowsAsync<InvalidDataException>(() => new Enrolment(options, _time, new FakeLogger<Enrolment>()).EnsureAsync(new Uri("https://localhost:1"), TestContext.Current.CancellationToken));
        Assert.StartsWith($"the certificate of this sidecar expired at {Now.AddHours(-1):u}, and Could not find file", refused.Message, StringComparison.Ordinal);
    }

    private static readonly Dictionary<string, (bool IsTaken, Func<EnrolmentCheckTests, PublicKey, string> Make)> Answers = new()
    {
        ["the next"] = (true, (t, key) => t.Issue(key, Name, Now.AddMinutes(-5), Now.AddHours(24))),
        ["expires earlier"] = (false, (t, key) => t.Issue(key, Name, Now.AddMinutes(-5), Now.AddSeconds(1))),
        ["another name"] = (false, (t, key) => t.Issue(key, Name + "2", Now.AddMinutes(-5), Now.AddHours(24))),
        ["another key"] = (false, (t, _) => t.Issue(new PublicKey(t._caKey), Name, Now.AddMinutes(-5), Now.AddHours(24))),
        ["another CA"] = (false, (t, key) =>
        {
            using var others = new EnrolmentCheckTests();
            return others.Issue(key, Name, Now.AddMinutes(-5), Now.AddHours(24));
        }
        ),
        ["no certificate"] = (false, (_, _) => "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"),
        ["nothing"] = (false, (_, _) => ""),
    };

    public void Dispose()
    {
        _ca.Dispose();
        _caKey.Dispose();
        _folder.Dispose();
    }

    private string Issue(PublicKey key, string name, DateTimeOffset from, DateTimeOffset until)
    {
        var request = new CertificateRequest(new X500DistinguishedName("CN=one"), key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddUri(new Uri(name));
        request.CertificateExtensions.Add(names.Build());
        using var issued = request.Create(_ca.SubjectName, X509SignatureGenerator.CreateForECDsa(_caKey), from, until, RandomNumberGenerator.GetBytes(8));
        return issued.ExportCertificatePem();
    }
}
