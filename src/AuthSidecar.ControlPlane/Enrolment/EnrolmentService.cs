using System.Security.Cryptography.X509Certificates;
using AuthSidecar.ControlPlane.Administration;
using AuthSidecar.ControlPlane.Sync;
using AuthSidecar.ControlPlane.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;

namespace AuthSidecar.ControlPlane.Enrolment;

/// <summary>Gives sidecars their certificates.</summary>
internal sealed partial class EnrolmentService(SidecarRegistry registry, CertificateAuthority authority, BundleSigner signer, Feed feed, TimeProvider time, ILogger<EnrolmentService> logger)
    : V1.EnrolmentService.EnrolmentServiceBase
{
    private const string NoKey = "the certificate request has no key on P-256";

    public override Task<GetAuthorityResponse> GetAuthority(GetAuthorityRequest request, ServerCallContext context) =>
        Task.FromResult(new GetAuthorityResponse { Ca = authority.CertificatePem, Now = Timestamp.FromDateTimeOffset(time.GetUtcNow()) });

    public override async Task<EnrolResponse> Enrol(EnrolRequest request, ServerCallContext context)
    {
        var (token, name) = (new JoinToken(RequestChecks.Text(request.TokenId, "token_id"), RequestChecks.Text(request.TokenSecret, "token_secret")), RequestChecks.Name(request.Name, "name"));
        var result = await registry.EnrolAsync(token, name, request.CertificateRequest, context.CancellationToken);
        if (result.Refusal is { } refusal)
        {
            Log.Refused(logger, name, token.Id, refusal);
            throw Describe(refusal, token, name);
        }

        var response = new EnrolResponse { Certificate = result.Certificate, Ca = authority.CertificatePem, BundleKeys = signer.KeySet };
        if (result.ReplacedAt is { } replacedAt)
        {
            response.ReplacedEnrolledAt = Timestamp.FromDateTimeOffset(replacedAt);
            Log.Replaced(logger, name, replacedAt, token.Id);
        }

        return response;
    }

    public override async Task<RenewResponse> Renew(RenewRequest request, ServerCallContext context)
    {
        var (identity, before) = await AuthenticateAsync(context);
        var certificate = await registry.TryRenewAsync(identity, before, request.CertificateRequest, context.CancellationToken)
            ?? throw (CertificateAuthority.TryReadKey(request.CertificateRequest) is null
                ? Failures.InvalidField("certificate_request", NoKey)
                : new RpcException(new Status(StatusCode.Unauthenticated, "the sidecar was removed, or has a newer certificate")));
        return new RenewResponse { Certificate = certificate, Ca = authority.CertificatePem, BundleKeys = signer.KeySet };
    }

    /// <summary>What to do about it: each has a remedy of its own.</summary>
    private static RpcException Describe(EnrolmentRefusal refusal, JoinToken token, string name) => refusal switch
    {
        EnrolmentRefusal.TokenUnknown => Failures.JoinRefused("JOIN_TOKEN_UNKNOWN", $"unknown join token `{token.Id}`, or wrong secret: it was removed, or is from another control plane"),
        EnrolmentRefusal.TokenExpired => Failures.JoinRefused("JOIN_TOKEN_EXPIRED", $"join token `{token.Id}` expired: create another (`authsidecar-control join-token`)"),
        EnrolmentRefusal.TokenUsedUp => Failures.JoinRefused("JOIN_TOKEN_USED_UP", $"join token `{token.Id}` has no uses left: create another (`authsidecar-control join-token --uses`)"),
        EnrolmentRefusal.TokenOfAnotherName => Failures.JoinRefused("JOIN_TOKEN_OF_ANOTHER_NAME", $"join token `{token.Id}` is restricted to another name than `{name}`"),
        EnrolmentRefusal.NameInUse => Failures.NameInUse(name),
        _ => Failures.InvalidField("certificate_request", NoKey),
    };

    private async Task<(SidecarIdentity Identity, X509Certificate2 Certificate)> AuthenticateAsync(ServerCallContext context)
    {
        if (context.GetHttpContext().Connection.ClientCertificate is not { } certificate || SidecarIdentity.Of(certificate) is not { } identity || !authority.HasIssued(certificate))
        {
            throw new RpcException(new Status(StatusCode.Unauthenticated, "the certificate is not that of an enrolled sidecar"));
        }

        return await registry.FindRefusalAsync(identity, certificate, isOurs: true, feed.Notes, feed.Head.History, context.CancellationToken) is { } refusal
            ? throw new RpcException(new Status(StatusCode.Unauthenticated, refusal))
            : (identity, certificate);
    }

    private static partial class Log
    {
        [LoggerMessage(30, LogLevel.Warning, "enrolment of {Name} refused, join token {TokenId}: {Refusal}", EventName = "EnrolmentRefused")]
        public static partial void Refused(ILogger logger, string name, string tokenId, EnrolmentRefusal refusal);

        [LoggerMessage(31, LogLevel.Warning, "{Name} enrolled with another key, replacing the sidecar enrolled at {EnrolledAt:u}, join token {TokenId}", EventName = "SidecarReplaced")]
        public static partial void Replaced(ILogger logger, string name, DateTimeOffset enrolledAt, string tokenId);
    }
}
