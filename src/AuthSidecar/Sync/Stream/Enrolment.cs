using System.Buffers.Text;
using System.Security.Authentication;
using AuthSidecar.ControlPlane.V1;
using AuthSidecar.State;

namespace AuthSidecar.Sync.Stream;

/// <summary>Gets the sidecar its certificate from the control plane's own CA: the first for a join token, and the next while the one before
/// is still good. What it gets lies in the same files as what an operator would put there.</summary>
internal sealed partial class Enrolment(ControlPlaneOptions options, TimeProvider time, ILogger<Enrolment> logger)
{
    private static readonly TimeSpan AnswerWithin = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan RetryAfter = TimeSpan.FromMinutes(5);

    private DateTimeOffset _retryAt;
    private (string Serial, long At)? _issued;

    /// <summary>Sees to it that there is a certificate to connect with.</summary>
    /// <exception cref="InvalidDataException">There is no certificate, and enrolment failed.</exception>
    /// <exception cref="Grpc.Core.RpcException">The control plane does not give one.</exception>
    public async Task EnsureAsync(Uri address, CancellationToken cancellation)
    {
        if (options.Join is not { } join)
            return;

        if (!JoinOptions.HasEnrolled(options)
            || (ReadCertificate() is var certificate && time.GetUtcNow() >= certificate.NotAfter && !WasJustIssued(certificate)))
        {
            await EnrolAnewAsync(address, join, cancellation);
        }
        else if (time.GetUtcNow() >= DueAt(certificate) && time.GetUtcNow() >= _retryAt)
        {
            try
            {
                await RenewAsync(address, cancellation);
            }
            catch (Exception e) when (e is RpcException or IOException or UnauthorizedAccessException or InvalidDataException)
            {
                // The one that there is is still good, and good enough to follow with.
                _retryAt = time.GetUtcNow() + (RetryAfter * (0.5 + (RandomNumberGenerator.GetInt32(1_000) / 1_000.0)));
                Log.NotRenewed(logger, e is RpcException rpc ? rpc.Status.Detail : e.Message);
            }
        }
    }

    /// <summary>When the certificate is renewed: after 60 to 75 % of its lifetime, random so that pods of one rollout do not renew at the
    /// same time, or immediately if its CA is no longer trusted. Null: the certificate is provided by an operator.</summary>
    public DateTimeOffset? NextRenewal =>
        options.Join is null || !JoinOptions.HasEnrolled(options) ? null
        : DueAt(ReadCertificate()) is var at && at > _retryAt ? at
        : _retryAt;

    /// <summary>Whether a certificate cannot have run out yet, whatever the clock says: then the clock was set, and another certificate
    /// would be of no more use.</summary>
    private bool WasJustIssued(X509Certificate2 certificate) =>
        _issued is { } issued && issued.Serial == certificate.SerialNumber
            && time.GetElapsedTime(issued.At) < certificate.NotAfter - certificate.NotBefore;

    private async Task EnrolAnewAsync(Uri address, JoinOptions join, CancellationToken cancellation)
    {
        try
        {
            await EnrolAsync(address, join, cancellation);
        }
        catch (RpcException e) when (e.StatusCode is StatusCode.Unauthenticated or StatusCode.AlreadyExists or StatusCode.InvalidArgument)
        {
            // Without an inner exception: the innermost is what is reported.
            throw new InvalidDataException($"{Expired()}enrolment failed: {e.Status.Detail}");
        }
        catch (Exception e) when (e is InvalidDataException or IOException or UnauthorizedAccessException
            && Expired() is { Length: > 0 } expired)
        {
            throw new InvalidDataException($"{expired}{e.Message}");
        }

        string Expired() => JoinOptions.HasEnrolled(options)
            ? $"the certificate of this sidecar expired at {ReadCertificate().NotAfter.ToUniversalTime():u}, and " : "";
    }

    private async Task EnrolAsync(Uri address, JoinOptions join, CancellationToken cancellation)
    {
        var request = new EnrolRequest { Name = join.Name, Application = options.Placement.Application, Tenant = options.Placement.Tenant };
        var text = (await File.ReadAllTextAsync(join.TokenFile, cancellation)).Trim();
        var authorities = join.Ca is null ? await ReadJoinTokenAsync(address, join, text, request, cancellation)
            : await ReadPodTokenAsync(address, join, text, request, cancellation);
        using var channel = ControlPlaneOptions.Connect(
            address, ControlPlaneOptions.ToTls(authorities, certificate: null, time.GetUtcNow()));
        using var key = PendingKey();
        request.CertificateRequest = RequestFor(key);
        var response = await new EnrolmentService.EnrolmentServiceClient(channel).EnrolAsync(request, Call(cancellation));
        StateFolder.CreateOwned(Path.GetDirectoryName(options.Certificate)!);
        StateFolder.WriteSecret(options.Ca, response.Ca);
        StateFolder.WriteSecret(options.PinnedKeys, response.BundleKeys);
        Write(key, response.Certificate);
        File.Delete(PendingKeyFile);
        if (response.ReplacedEnrolledAt?.ToDateTimeOffset() is { } replaced)
            Log.Replaced(logger, join.Name, replaced);
        else
            Log.Enrolled(logger, join.Name);
    }

    /// <summary>A join token says by a hash which CA is believed.</summary>
    private async Task<X509Certificate2Collection> ReadJoinTokenAsync(
        Uri address, JoinOptions join, string text, EnrolRequest request, CancellationToken cancellation)
    {
        if (text.Split('.') is not ["join", { Length: > 0 } id, { Length: > 0 } secret, var authority] || !Base64Url.IsValid(authority))
            throw new InvalidDataException($"`{join.TokenFile}` is not a join token");

        (request.TokenId, request.TokenSecret) = (id, secret);
        return [await FindAuthorityAsync(address, Base64Url.DecodeFromChars(authority), cancellation)];
    }

    /// <summary>A pod's token says nothing of the control plane: its CA is given. It is sent to nobody else.</summary>
    private async Task<X509Certificate2Collection> ReadPodTokenAsync(
        Uri address, JoinOptions join, string text, EnrolRequest request, CancellationToken cancellation)
    {
        if (text.Split('.').Length != 3)
            throw new InvalidDataException($"`{join.TokenFile}` is not a service account token (JWT)");

        var authorities = CertificateChains.ReadAuthorities(join.Ca!);
        using var channel = ControlPlaneOptions.Connect(
            address, ControlPlaneOptions.ToTls(authorities, certificate: null, time.GetUtcNow()));
        var client = new EnrolmentService.EnrolmentServiceClient(channel);
        CheckClock((await client.GetAuthorityAsync(new GetAuthorityRequest(), Call(cancellation))).Now);
        request.KubernetesToken = text;
        return authorities;
    }

    /// <summary>Before a use of a token is spent on what cannot be used.</summary>
    private void CheckClock(Google.Protobuf.WellKnownTypes.Timestamp? now)
    {
        if (now?.ToDateTimeOffset() is { } theirs && time.GetUtcNow() - theirs is var ahead && ahead.Duration() > Clocks.Tolerance)
            throw new InvalidDataException($"enrolment failed: {Clocks.Describe(ahead)}");
    }

    private async Task RenewAsync(Uri address, CancellationToken cancellation)
    {
        using var channel = ControlPlaneOptions.Connect(address, options.ToTls(time.GetUtcNow()));
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var token = options.Join is { Ca: not null } join ? (await File.ReadAllTextAsync(join.TokenFile, cancellation)).Trim() : "";
        var response = await new EnrolmentService.EnrolmentServiceClient(channel)
            .RenewAsync(new RenewRequest { CertificateRequest = RequestFor(key), KubernetesToken = token }, Call(cancellation));
        CheckRenewed(response.Certificate, key);
        Write(key, response.Certificate);
        Log.Renewed(logger);
    }

    private string PendingKeyFile => Path.Combine(Path.GetDirectoryName(options.Certificate)!, "pending.key");

    /// <summary>The key to enrol with: the same until there is an answer, so that one that got lost can be asked for again without another
    /// use of the token.</summary>
    private ECDsa PendingKey()
    {
        var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        if (File.Exists(PendingKeyFile))
        {
            try
            {
                key.ImportFromPem(File.ReadAllText(PendingKeyFile));
                return key;
            }
            catch (Exception e) when (e is CryptographicException or ArgumentException)
            {
                // Half-written, or somebody else's: another one does as well.
                key.Dispose();
                key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            }
        }

        StateFolder.CreateOwned(Path.GetDirectoryName(PendingKeyFile)!);
        StateFolder.WriteSecret(PendingKeyFile, key.ExportPkcs8PrivateKeyPem());
        return key;
    }

    /// <summary>Asks whoever answers for the CA, and believes it by the hash of its key alone. Nothing else is said on this
    /// connection.</summary>
    private async Task<X509Certificate2> FindAuthorityAsync(Uri address, byte[] keySha256, CancellationToken cancellation)
    {
#pragma warning disable CA5359 // What comes over this connection is believed for itself.
        using var channel = ControlPlaneOptions.Connect(address, new SslClientAuthenticationOptions
        {
            EnabledSslProtocols = SslProtocols.Tls13,
            RemoteCertificateValidationCallback = (_, _, _, _) => true,
        });
#pragma warning restore CA5359
        var response = await new EnrolmentService.EnrolmentServiceClient(channel)
            .GetAuthorityAsync(new GetAuthorityRequest(), Call(cancellation));
        CheckClock(response.Now);
        try
        {
            var authorities = new X509Certificate2Collection();
            authorities.ImportFromPem(response.Ca);
            if (authorities.FirstOrDefault(a => CryptographicOperations.FixedTimeEquals(
                SHA256.HashData(a.PublicKey.ExportSubjectPublicKeyInfo()), keySha256)) is { } authority)
            {
                return authority;
            }
        }
        catch (CryptographicException)
        {
            // No certificate at all.
        }

        throw new InvalidDataException(
            "the CA of the join token is not one of the control plane: the token is from another control plane, or the CA was revoked "
                + "since; create another (`authsidecar-control join-tokens create`)");
    }

    private static string RequestFor(ECDsa key) =>
        new CertificateRequest("CN=authsidecar", key, HashAlgorithmName.SHA256).CreateSigningRequestPem();

#pragma warning disable RS0030 // A deadline is a moment of the machine's clock.
    private static CallOptions Call(CancellationToken cancellation) => new(
        deadline: DateTime.UtcNow + AnswerWithin, cancellationToken: cancellation);
#pragma warning restore RS0030

    /// <summary>Writes the certificate and its key to one file: neither is usable without the other.</summary>
    private void Write(ECDsa key, string certificate)
    {
        StateFolder.WriteSecret(options.Certificate, $"{certificate.Trim()}\n{key.ExportPkcs8PrivateKeyPem()}\n");
        using var written = ReadCertificate();
        _issued = (written.SerialNumber, time.GetTimestamp());
    }

    private X509Certificate2 ReadCertificate() => X509Certificate2.CreateFromPem(File.ReadAllText(options.Certificate));

    /// <summary>Validates a renewed certificate before it replaces the current one. With the TLS key of one node, an attacker could
    /// otherwise send one that expires at once, and receive the join token when the sidecar enrols again, or one that the sidecar cannot
    /// use.</summary>
    /// <exception cref="InvalidDataException">It is invalid.</exception>
    private void CheckRenewed(string pem, ECDsa key)
    {
        try
        {
            using var next = X509Certificate2.CreateFromPem(pem);
            using var before = ReadCertificate();
            if (!next.PublicKey.ExportSubjectPublicKeyInfo().AsSpan().SequenceEqual(key.ExportSubjectPublicKeyInfo())
                || !NamesOf(next).SequenceEqual(NamesOf(before))
                || next.NotAfter < before.NotAfter
                || !IsOfTrustedCa(next))
            {
                throw new InvalidDataException(
                    "invalid renewed certificate: key, name or CA does not match, or it expires before the current certificate");
            }
        }
        catch (CryptographicException e)
        {
            throw new InvalidDataException("invalid renewed certificate: not a certificate in PEM", e);
        }

        static byte[] NamesOf(X509Certificate2 certificate) =>
            certificate.Extensions.OfType<X509SubjectAlternativeNameExtension>().FirstOrDefault()?.RawData ?? [];
    }

    /// <summary>When to renew the certificate: immediately if its CA is no longer trusted.</summary>
    private DateTimeOffset DueAt(X509Certificate2 certificate)
    {
        try
        {
            return IsOfTrustedCa(certificate) ? RenewAt(certificate) : DateTimeOffset.MinValue;
        }
        catch (Exception e) when (e is CryptographicException or InvalidDataException)
        {
            // The file of the CAs is invalid, which the connection reports.
            return RenewAt(certificate);
        }
    }

    private bool IsOfTrustedCa(X509Certificate2 certificate) =>
        CertificateChains.IsIssuedBy(certificate, CertificateChains.ReadAuthorities(options.Ca));

    /// <summary>The same for one certificate, whenever it is asked: by its serial number, which is random.</summary>
    private static DateTimeOffset RenewAt(X509Certificate2 certificate)
    {
        const double Earliest = 0.60, Spread = 0.15;
        var chance = certificate.SerialNumberBytes.Span[^1] / 256.0;
        var lifetime = certificate.NotAfter - certificate.NotBefore;
        return new DateTimeOffset(certificate.NotBefore) + (lifetime * (Earliest + (Spread * chance)));
    }

    private static partial class Log
    {
        [LoggerMessage(50, LogLevel.Information, "enrolled as {Name}", EventName = "Enrolled")]
        public static partial void Enrolled(ILogger logger, string name);

        [LoggerMessage(53, LogLevel.Warning,
            "enrolled as {Name}, replacing the sidecar enrolled at {EnrolledAt:u}; its certificate is revoked",
            EventName = "EnrolledAsReplacement")]
        public static partial void Replaced(ILogger logger, string name, DateTimeOffset enrolledAt);

        [LoggerMessage(52, LogLevel.Warning, "failed to renew the certificate, using the current one: {Error}",
            EventName = "CertificateRenewalFailed")]
        public static partial void NotRenewed(ILogger logger, string error);

        [LoggerMessage(51, LogLevel.Information, "certificate renewed", EventName = "CertificateRenewed")]
        public static partial void Renewed(ILogger logger);
    }
}
