using System.Security.Cryptography.X509Certificates;
using AuthSidecar.ControlPlane.Administration;
using AuthSidecar.ControlPlane.Enrolment.Kubernetes;
using AuthSidecar.ControlPlane.Store;
using AuthSidecar.ControlPlane.Sync;
using AuthSidecar.ControlPlane.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;

namespace AuthSidecar.ControlPlane.Enrolment;

/// <summary>Gives sidecars their certificates.</summary>
internal sealed partial class EnrolmentService(SidecarRegistry registry, PodTokens pods, Applications applications, CertificateAuthority authority, BundleSigner signer, Feed feed, TimeProvider time, ILogger<EnrolmentService> logger)
    : V1.EnrolmentService.EnrolmentServiceBase
{
    private const string NoKey = "the certificate request has no key on P-256";

    public override Task<GetAuthorityResponse> GetAuthority(GetAuthorityRequest request, ServerCallContext context) =>
        Task.FromResult(new GetAuthorityResponse { Ca = authority.CertificatePem, Now = Timestamp.FromDateTimeOffset(time.GetUtcNow()) });

    public override async Task<EnrolResponse> Enrol(EnrolRequest request, ServerCallContext context)
    {
        var name = RequestChecks.Name(request.Name, "name");
        if (request.KubernetesToken.Length > 0)
        {
            return request.TokenId.Length + request.TokenSecret.Length > 0
                ? throw Failures.InvalidField("kubernetes_token", "it excludes a join token")
                : await EnrolPodAsync(request, name, context.CancellationToken);
        }

        var token = new JoinToken(RequestChecks.Text(request.TokenId, "token_id"), RequestChecks.Text(request.TokenSecret, "token_secret"));
        var result = await registry.EnrolAsync(token, name, request.CertificateRequest, context.CancellationToken);
        if (result.Refusal is { } refusal)
        {
            Log.Refused(logger, name, $"join token {token.Id}", refusal.ToString());
            throw Describe(refusal, token, name);
        }

        return Answer(result, name, $"join token {token.Id}");
    }

    private async Task<EnrolResponse> EnrolPodAsync(EnrolRequest request, string name, CancellationToken cancellation)
    {
        if (!pods.IsConfigured)
        {
            throw Failures.JoinRefused("POD_TOKEN_REJECTED", "service account tokens are not accepted: the control plane was started without `--join-kubernetes`");
        }

        var found = await pods.VerifyAsync(request.KubernetesToken, cancellation);
        if (found is not { Pod: { } pod, Binding: { } binding })
        {
            Log.Refused(logger, name, "service account token", found.Refusal!);
            throw found.IsUnavailable
                ? new RpcException(new Status(StatusCode.Unavailable, found.Refusal!))
                : Failures.JoinRefused("POD_TOKEN_REJECTED", $"service account token rejected: {found.Refusal}");
        }

        if (name != pod.Name && name != $"{pod.Namespace}.{pod.Name}")
        {
            Log.Refused(logger, name, $"pod {pod}", "PodNameMismatch");
            throw Failures.JoinRefused("POD_NAME_MISMATCH", $"`--name {name}` is not the name of the pod: use `{pod.Name}` or `{pod.Namespace}.{pod.Name}`");
        }

        if (!await applications.ExistsAsync(binding.Application, cancellation))
        {
            Log.Refused(logger, name, $"pod {pod}", $"unknown application {binding.Application}");
            throw Failures.JoinRefused("POD_TOKEN_REJECTED", $"service account `{pod.ServiceAccount}` is bound to the application `{binding.Application}`, which does not exist");
        }

        var identity = new SidecarIdentity(new SyncScope(binding.Application, binding.Tenant), name);
        var result = await registry.EnrolPodAsync($"pod:{pod}", pod.Key, identity, request.CertificateRequest, cancellation);
        return result.Refusal switch
        {
            null => Answer(result, name, $"pod {pod}"),
            EnrolmentRefusal.SidecarRemoved => throw Failures.JoinRefused("SIDECAR_REMOVED", $"the sidecar of pod `{pod}` was removed: delete the pod, so that another one takes its place"),
            EnrolmentRefusal.NameInUse => throw Failures.NameOfAnotherNamespace(name, $"{pod.Namespace}.{pod.Name}"),
            _ => throw Failures.InvalidField("certificate_request", NoKey),
        };
    }

    /// <summary>A pod's sidecar is one as long as its cluster says so: a copied certificate is not renewed when the pod is gone, or its service account is bound no more.</summary>
    private async Task DemandPodAsync(SidecarIdentity identity, string token, CancellationToken cancellation)
    {
        if (await registry.PodUidOfAsync(identity, cancellation) is not { Length: > 0 } uid)
        {
            return;
        }

        var found = token.Length == 0 || !pods.IsConfigured ? PodTokenResult.Refuse("the sidecar enrolled as a pod, and shows no token that is accepted here") : await pods.VerifyAsync(token, cancellation);
        if (found.Pod?.Uid == uid && found.Binding is { } binding && new SyncScope(binding.Application, binding.Tenant) == identity.Scope)
        {
            return;
        }

        var why = found.Refusal ?? "it is of another pod, or its service account is bound to another application";
        Log.Refused(logger, identity.Name, "service account token at renewal", why);
        throw found.IsUnavailable ? new RpcException(new Status(StatusCode.Unavailable, why)) : Failures.JoinRefused("POD_TOKEN_REJECTED", $"service account token rejected: {why}");
    }

    private EnrolResponse Answer(EnrolmentResult result, string name, string by)
    {
        var response = new EnrolResponse { Certificate = result.Certificate, Ca = authority.CertificatePem, BundleKeys = signer.KeySet };
        if (result.ReplacedAt is { } replacedAt)
        {
            response.ReplacedEnrolledAt = Timestamp.FromDateTimeOffset(replacedAt);
            Log.Replaced(logger, name, replacedAt, by);
        }

        return response;
    }

    public override async Task<RenewResponse> Renew(RenewRequest request, ServerCallContext context)
    {
        var (identity, before) = await AuthenticateAsync(context);
        await DemandPodAsync(identity, request.KubernetesToken, context.CancellationToken);
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
        [LoggerMessage(30, LogLevel.Warning, "enrolment of {Name} refused, {By}: {Refusal}", EventName = "EnrolmentRefused")]
        public static partial void Refused(ILogger logger, string name, string by, string refusal);

        [LoggerMessage(31, LogLevel.Warning, "{Name} enrolled with another key, replacing the sidecar enrolled at {EnrolledAt:u}, {By}", EventName = "SidecarReplaced")]
        public static partial void Replaced(ILogger logger, string name, DateTimeOffset enrolledAt, string by);
    }
}
