using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using AuthSidecar.Common;
using AuthSidecar.ControlPlane.V1;
using AuthSidecar.Sync.Stream;
using Grpc.Core;

namespace AuthSidecar.Tests.Common;

/// <summary>A connection that fails says what is wrong, not the layers that it went through, and never nothing.</summary>
public sealed class ConnectionFailureTests
{
    private static readonly DateTimeOffset Now = TimeProvider.System.GetUtcNow();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Describe_NobodyThere_ConnectionRefused() => Assert.Equal("Connection refused", await DescribeAsync(new Uri("https://127.0.0.1:1"), new SslClientAuthenticationOptions()));

    [Theory]
    [InlineData(-48, -24, true, true, "the certificate of the control plane is not valid now: valid from ")]
    [InlineData(24, 48, true, true, "the certificate of the control plane is not valid now: valid from ")]
    [InlineData(-24, 24, false, true, "certificate name mismatch: the certificate of the control plane is for other.test")]
    [InlineData(-24, 24, true, false, "untrusted certificate: that of the control plane was not issued by the configured CA (`--ca`, or the one of the join token)")]
    public async Task Describe_CertificateThatIsNotToBeTrusted_SaysWhy(int fromHours, int untilHours, bool isForUs, bool isOfTheCa, string expected)
    {
        using var authority = NewAuthority();
        using var other = NewAuthority();
        using var certificate = Issue(authority, fromHours, untilHours, isForUs ? "127.0.0.1" : "other.test");
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var serving = ServeAsync(listener, certificate);
        var address = new Uri($"https://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}");
        Assert.StartsWith(expected, await DescribeAsync(address, ControlPlaneOptions.ToTls([isOfTheCa ? authority : other], certificate: null, Now)), StringComparison.Ordinal);
        listener.Stop();
        await Assert.ThrowsAnyAsync<Exception>(() => serving);
    }

    [Fact]
    public void Describe_WhatSaysNothing_StillSaysSomething()
    {
        Assert.Equal("the server answered Unavailable", ConnectionFailure.Describe(new RpcException(new Status(StatusCode.Unavailable, ""))));
        Assert.Equal("too old", ConnectionFailure.Describe(new RpcException(new Status(StatusCode.Unavailable, "too old"))));
        Assert.Equal("disk full", ConnectionFailure.Describe(new IOException("outer", new IOException("disk full"))));
        Assert.Equal("IOException", ConnectionFailure.Describe(new IOException("")));
    }

    private static async Task<string> DescribeAsync(Uri address, SslClientAuthenticationOptions tls)
    {
        using var channel = ControlPlaneOptions.Connect(address, tls);
        var e = await Assert.ThrowsAsync<RpcException>(() => new EnrolmentService.EnrolmentServiceClient(channel).GetAuthorityAsync(new GetAuthorityRequest(), cancellationToken: Cancellation).ResponseAsync);
        return ConnectionFailure.Describe(e);
    }

    private static async Task ServeAsync(TcpListener listener, X509Certificate2 certificate)
    {
        while (true)
        {
            using var client = await listener.AcceptTcpClientAsync(Cancellation);
            await using var tls = new SslStream(client.GetStream());
            try
            {
                await tls.AuthenticateAsServerAsync(new SslServerAuthenticationOptions { ServerCertificate = certificate, ApplicationProtocols = [SslApplicationProtocol.Http2] }, Cancellation);
                await tls.ReadAtLeastAsync(new byte[1], 1, throwOnEndOfStream: false, Cancellation);
            }
            catch (Exception e) when (e is IOException or System.Security.Authentication.AuthenticationException)
            {
            }
        }
    }

    private static X509Certificate2 NewAuthority()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=test", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, false, 0, critical: true));
        return request.CreateSelfSigned(Now.AddYears(-1), Now.AddYears(1));
    }

    private static X509Certificate2 Issue(X509Certificate2 authority, int fromHours, int untilHours, string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=control", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        if (name == "127.0.0.1")
        {
            names.AddIpAddress(IPAddress.Loopback);
        }
        else
        {
            names.AddDnsName(name);
        }

        request.CertificateExtensions.Add(names.Build());
        using var certificate = request.Create(authority, Now.AddHours(fromHours), Now.AddHours(untilHours), RandomNumberGenerator.GetBytes(8));
        using var withKey = certificate.CopyWithPrivateKey(key);
        return X509CertificateLoader.LoadPkcs12(withKey.Export(X509ContentType.Pfx), null);
    }
}
