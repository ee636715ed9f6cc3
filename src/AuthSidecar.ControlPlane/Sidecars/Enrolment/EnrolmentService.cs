using AuthSidecar.ControlPlane.Entities;
using AuthSidecar.ControlPlane.Sidecars.Enrolment.Kubernetes;
using AuthSidecar.ControlPlane.Sidecars.Trust;
using AuthSidecar.ControlPlane.Telemetry;
using AuthSidecar.ControlPlane.V1;
using Google.Protobuf.WellKnownTypes;

namespace AuthSidecar.ControlPlane.Sidecars.Enrolment;

/// <summary>Gives sidecars their certificates.</summary>
internal sealed partial class EnrolmentService(
    SidecarRegistry registry, SidecarAdmission admission, PodTokens pods, Applications applications, TrustRing trust, StoreWatcher watcher,
    AuthenticationLog log, TimeProvider time, ILogger<EnrolmentService> logger)
    : V1.EnrolmentService.EnrolmentServiceBase
{
    private const string NoKey = "the certificate request has no key on P-256";

    public override Task<GetAuthorityResponse> GetAuthority(GetAuthorityRequest request, ServerCallContext context) =>
        Task.FromResult(new GetAuthorityResponse { Ca = trust.Current.CaPem, Now = Timestamp.FromDateTimeOffset(time.GetUtcNow()) });

    public override async Task<EnrolResponse> Enrol(EnrolRequest request, ServerCallContext context)
    {
        var name = RequestChecks.Name(request.Name, "name");
        Placement? placement = request.Application.Length == 0 ? null
            : new Placement(RequestChecks.Name(request.Application, "application"), RequestChecks.NameOrEmpty(request.Tenant, "tenant"));
        if (request.KubernetesToken.Length > 0)
        {
            return request.TokenId.Length + request.TokenSecret.Length > 0
                ? throw ApiErrors.InvalidField("kubernetes_token", "mutually exclusive with token_id and token_secret")
                : await EnrolPodAsync(request, name, placement, context);
        }

        var token = new JoinToken(RequestChecks.Text(request.TokenId, "token_id"), RequestChecks.Text(request.TokenSecret, "token_secret"));
        var result = await registry.EnrolAsync(token, name, placement, request.CertificateRequest, context.CancellationToken);
        if (result.Refusal is { } refusal)
            throw Noted(context, name, $"join token {token.Id}", Describe(refusal, token, name, placement));

        return Answer(result, name, $"join token {token.Id}");
    }

    private async Task<EnrolResponse> EnrolPodAsync(EnrolRequest request, string name, Placement? placement, ServerCallContext context)
    {
        var cancellation = context.CancellationToken;
        var (pod, binding) = await VerifyPodAsync(request.KubernetesToken, name, context);
        if (name != pod.Name && name != $"{pod.Namespace}.{pod.Name}")
        {
            throw Refused(
                ErrorReason.PodNameMismatch, $"`--name {name}` does not match the pod: use `{pod.Name}` or `{pod.Namespace}.{pod.Name}`");
        }

        var bound = new Placement(binding.Application, binding.Tenant);
        if (placement is { } wanted && wanted != bound)
        {
            throw Refused(ErrorReason.PodTokenRejected,
                $"service account `{pod.Namespace}/{pod.ServiceAccount}` is configured for {Describe(bound)}, and the sidecar serves "
                    + $"{Describe(wanted)} (`--application`, `--tenant`)");
        }

        if (!await applications.ExistsAsync(binding.Application, cancellation))
        {
            throw Refused(ErrorReason.PodTokenRejected,
                $"unknown application `{binding.Application}` of service account `{pod.Namespace}/{pod.ServiceAccount}`");
        }

        var identity = new SidecarIdentity(bound, name);
        var result = await registry.EnrolPodAsync($"pod:{pod}", pod.Key, identity, request.CertificateRequest, cancellation);
        switch (result.Refusal)
        {
            case null: return Answer(result, name, $"pod {pod}");
            case EnrolmentRefusal.SidecarRemoved:
                throw Refused(
                    ErrorReason.SidecarRemoved, $"the sidecar of pod `{pod}` was removed: delete the pod to enrol its replacement");
            case EnrolmentRefusal.NameInUse:
                throw Noted(context, name, $"pod {pod}", ApiErrors.NameOfAnotherNamespace(name, $"{pod.Namespace}.{pod.Name}"));
            default: throw ApiErrors.InvalidField("certificate_request", NoKey);
        }

        RpcException Refused(ErrorReason reason, string message) => Noted(
            context, name, $"pod {pod}", ApiErrors.JoinRefused(reason, message));
    }

    /// <summary>Demands the pod's token again at renewal: a copied certificate is not renewed once the pod is deleted, or its service
    /// account is no longer configured.</summary>
    private async Task RequirePodAsync(SidecarIdentity identity, string token, ServerCallContext context)
    {
        if (await registry.PodUidOfAsync(identity, context.CancellationToken) is not { Length: > 0 } uid)
            return;

        var (pod, binding) = await VerifyPodAsync(token, identity.Name, context);
        if (pod.Uid != uid || new Placement(binding.Application, binding.Tenant) != identity.Placement)
        {
            const string Why = "token of another pod, or of a service account of another application";
            throw Noted(context, identity.Name, $"pod {pod}", ApiErrors.JoinRefused(
                ErrorReason.PodTokenRejected, $"service account token rejected: {Why}"));
        }
    }

    /// <exception cref="RpcException">UNAUTHENTICATED: the token is rejected; UNAVAILABLE: its cluster did not answer.</exception>
    private async Task<(Pod Pod, ServiceAccountBinding Binding)> VerifyPodAsync(string token, string name, ServerCallContext context)
    {
        var result = !pods.IsConfigured ? PodTokenResult.Refuse("the control plane was started without `--join-kubernetes`")
            : token.Length == 0 ? PodTokenResult.Refuse("missing; the sidecar enrolled as a pod")
            : await pods.VerifyAsync(token, context.CancellationToken);
        if (result is { Pod: { } pod, Binding: { } binding })
            return (pod, binding);

        throw Noted(context, name, "unverified pod", result.IsUnavailable
            ? ApiErrors.ClusterUnavailable(result.Refusal!)
            : ApiErrors.JoinRefused(ErrorReason.PodTokenRejected, $"service account token rejected: {result.Refusal}"));
    }

    /// <summary>A refusal, which the log has by now.</summary>
    private RpcException Noted(ServerCallContext context, string name, string by, RpcException refusal)
    {
        log.EnrolmentRefused(
            name, by, ApiErrors.ReasonOf(refusal), refusal.Status.Detail, ClientAddress.NetworkOf(context.GetHttpContext()));
        return refusal;
    }

    private EnrolResponse Answer(EnrolmentResult result, string name, string by)
    {
        var anchors = trust.Current;
        var response = new EnrolResponse { Certificate = result.Certificate, Ca = anchors.CaPem, BundleKeys = anchors.KeySet };
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
        await RequirePodAsync(identity, request.KubernetesToken, context);
        var certificate = await registry.TryRenewAsync(identity, before, request.CertificateRequest, context.CancellationToken)
            ?? throw (CertificateAuthority.TryReadKey(request.CertificateRequest) is null
                ? ApiErrors.InvalidField("certificate_request", NoKey)
                : ApiErrors.CertificateRejected("the sidecar was removed, or has a newer certificate"));
        return new RenewResponse { Certificate = certificate };
    }

    /// <summary>What to do about it: each has a remedy of its own.</summary>
    private static RpcException Describe(EnrolmentRefusal refusal, JoinToken token, string name, Placement? placement) => refusal switch
    {
        EnrolmentRefusal.TokenUnknown => ApiErrors.JoinRefused(ErrorReason.JoinTokenUnknown,
            $"unknown join token `{token.Id}`, or wrong secret: it was removed, or is from another control plane"),
        EnrolmentRefusal.TokenExpired => ApiErrors.JoinRefused(
            ErrorReason.JoinTokenExpired, $"join token `{token.Id}` expired: create another (`authsidecar-control join-tokens create`)"),
        EnrolmentRefusal.TokenUsedUp => ApiErrors.JoinRefused(ErrorReason.JoinTokenUsedUp,
            $"join token `{token.Id}` has no uses left: create another (`authsidecar-control join-tokens create --uses`)"),
        EnrolmentRefusal.TokenOfAnotherName => ApiErrors.JoinRefused(
            ErrorReason.JoinTokenOfAnotherName, $"join token `{token.Id}` is restricted to another name than `{name}`"),
        EnrolmentRefusal.TokenOfAnotherPlacement => ApiErrors.JoinRefused(
            ErrorReason.JoinTokenOfAnotherPlacement,
            $"join token `{token.Id}` is not for {Describe(placement!.Value)}: correct `--application` or `--tenant` of the sidecar, or "
                + "create another token (`authsidecar-control join-tokens list` shows what each is for)"),
        EnrolmentRefusal.NameInUse => ApiErrors.NameInUse(name),
        _ => ApiErrors.InvalidField("certificate_request", NoKey),
    };

    private static string Describe(Placement placement) =>
        $"application `{placement.Application}`{(placement.Tenant.Length == 0 ? "" : $", tenant `{placement.Tenant}`")}";

    private async Task<(SidecarIdentity Identity, X509Certificate2 Certificate)> AuthenticateAsync(ServerCallContext context)
    {
        if (context.GetHttpContext().Connection.ClientCertificate is not { } certificate
            || SidecarIdentity.Of(certificate) is not { } identity || !trust.Current.HasIssued(certificate))
        {
            throw ApiErrors.CertificateRejected("the certificate is not that of an enrolled sidecar");
        }

        return await admission.FindRefusalAsync(
            identity, certificate, isOurs: true, watcher.Notes, watcher.Head.History, context.CancellationToken) is { } refusal
            ? throw ApiErrors.CertificateRejected(refusal)
            : (identity, certificate);
    }

    private static partial class Log
    {
        [LoggerMessage(31, LogLevel.Warning, "{Name} enrolled with another key, replacing the sidecar enrolled at {EnrolledAt:u}, {By}",
            EventName = "SidecarReplaced")]
        public static partial void Replaced(ILogger logger, string name, DateTimeOffset enrolledAt, string by);
    }
}
