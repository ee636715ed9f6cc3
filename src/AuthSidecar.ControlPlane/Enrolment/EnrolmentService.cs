using System.Security.Cryptography.X509Certificates;
using AuthSidecar.ControlPlane.Administration;
using AuthSidecar.ControlPlane.Sync;
using AuthSidecar.ControlPlane.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;

namespace AuthSidecar.ControlPlane.Enrolment;

/// <summary>Gives sidecars their certificates.</summary>
internal sealed class EnrolmentService(SidecarRegistry registry, CertificateAuthority authority, BundleSigner signer, Feed feed, TimeProvider time) : V1.EnrolmentService.EnrolmentServiceBase
{
    public override Task<GetAuthorityResponse> GetAuthority(GetAuthorityRequest request, ServerCallContext context) =>
        Task.FromResult(new GetAuthorityResponse { Ca = authority.CertificatePem, Now = Timestamp.FromDateTimeOffset(time.GetUtcNow()) });

    public override async Task<EnrolResponse> Enrol(EnrolRequest request, ServerCallContext context)
    {
        var token = new JoinToken(RequestChecks.Text(request.TokenId, "token_id"), RequestChecks.Text(request.TokenSecret, "token_secret"));
        var certificate = await registry.TryEnrolAsync(token, RequestChecks.Name(request.Name, "name"), request.CertificateRequest, context.CancellationToken)
            ?? throw new RpcException(new Status(StatusCode.Unauthenticated, "the join token is not known, has expired or was used up, or the certificate request has no key on P-256"));
        return new EnrolResponse { Certificate = certificate.ExportCertificatePem(), Ca = authority.CertificatePem, BundleKeys = signer.KeySet };
    }

    public override async Task<RenewResponse> Renew(RenewRequest request, ServerCallContext context)
    {
        var (identity, before) = await AuthenticateAsync(context);
        var certificate = await registry.TryRenewAsync(identity, before, request.CertificateRequest, context.CancellationToken)
            ?? throw new RpcException(new Status(StatusCode.Unauthenticated, "the sidecar was removed or has a newer certificate, or the certificate request has no key on P-256"));
        return new RenewResponse { Certificate = certificate.ExportCertificatePem(), Ca = authority.CertificatePem, BundleKeys = signer.KeySet };
    }

    private async Task<(SidecarIdentity Identity, X509Certificate2 Certificate)> AuthenticateAsync(ServerCallContext context)
    {
        if (context.GetHttpContext().Connection.ClientCertificate is { } certificate
            && SidecarIdentity.Of(certificate) is { } identity
            && authority.HasIssued(certificate)
            && await registry.IsAdmittedAsync(identity, certificate, isOurs: true, feed.Head, context.CancellationToken))
        {
            return (identity, certificate);
        }

        throw new RpcException(new Status(StatusCode.Unauthenticated, "the certificate is not that of an enrolled sidecar"));
    }
}
