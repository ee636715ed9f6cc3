using AuthSidecar.ControlPlane.Identity;
using AuthSidecar.ControlPlane.Secrets;
using AuthSidecar.ControlPlane.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;

namespace AuthSidecar.ControlPlane.Administration;

/// <summary>The keys' side of the administration API.</summary>
internal sealed class KeyService(KeyRing ring, SecretStore secrets) : V1.KeyService.KeyServiceBase
{
    public override Task<ListSigningKeysResponse> ListSigningKeys(ListSigningKeysRequest request, ServerCallContext context)
    {
        var (keys, signing) = ring.Current;
        return Task.FromResult(new ListSigningKeysResponse
        {
            Keys = { keys.Select(k => new V1.SigningKey { KeyId = k.KeyId, Algorithm = k.Public.Algorithm, SignsFrom = Timestamp.FromDateTimeOffset(k.SignsFrom), IsSigning = k.KeyId == signing }) },
        });
    }

    public override async Task<RotateSigningKeysResponse> RotateSigningKeys(RotateSigningKeysRequest request, ServerCallContext context) => new()
    {
        Revision = Failures.Committed(await ring.RotateAsync(Caller.Of(context).Name, request.Revoke, context.CancellationToken)),
    };

    public override async Task<RotatePasswordPepperResponse> RotatePasswordPepper(RotatePasswordPepperRequest request, ServerCallContext context) => new()
    {
        Revision = Failures.Committed(await secrets.AddPepperAsync(Caller.Of(context).Name, context.CancellationToken)),
    };
}
