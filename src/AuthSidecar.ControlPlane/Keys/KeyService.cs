using AuthSidecar.ControlPlane.Identity.Keys;
using AuthSidecar.ControlPlane.Sidecars.Trust;
using AuthSidecar.ControlPlane.V1;
using Google.Protobuf.WellKnownTypes;

namespace AuthSidecar.ControlPlane.Keys;

/// <summary>The keys' side of the administration API.</summary>
internal sealed class KeyService(KeyRing ring, SecretStore secrets, TrustRing trust, TimeProvider time) : V1.KeyService.KeyServiceBase
{
    public override Task<ListSigningKeysResponse> ListSigningKeys(ListSigningKeysRequest request, ServerCallContext context)
    {
        var (keys, signing) = ring.Current;
        return Task.FromResult(new ListSigningKeysResponse
        {
            Keys = { keys.Select(k => new V1.SigningKey
            {
                KeyId = k.KeyId,
                Algorithm = k.Public.Algorithm,
                SignsFrom = Timestamp.FromDateTimeOffset(k.SignsFrom),
                IsSigning = k.KeyId == signing,
            }) },
        });
    }

    public override async Task<RotateSigningKeysResponse> RotateSigningKeys(RotateSigningKeysRequest request, ServerCallContext context) =>
        new()
        {
            Revision = ApiErrors.Committed(await ring.RotateAsync(Caller.Of(context).Name, request.Revoke, context.CancellationToken)),
        };

    public override async Task<RotatePasswordPepperResponse> RotatePasswordPepper(RotatePasswordPepperRequest request,
        ServerCallContext context) => new()
        {
            Revision = ApiErrors.Committed(await secrets.AddPepperAsync(Caller.Of(context).Name, context.CancellationToken)),
        };

    public override Task<ListTrustAnchorsResponse> ListTrustAnchors(ListTrustAnchorsRequest request, ServerCallContext context)
    {
        var all = trust.Current.Rows.ToList();
        return Task.FromResult(new ListTrustAnchorsResponse { Anchors = { all.Select(row => ToMessage(row, all)) } });
    }

    public override async Task<RotateTrustAnchorResponse> RotateTrustAnchor(RotateTrustAnchorRequest request, ServerCallContext context)
    {
        if (request.Use is not (TrustAnchorUse.BundleSigning or TrustAnchorUse.Ca))
            throw ApiErrors.InvalidField("use", "must be TRUST_ANCHOR_USE_BUNDLE_SIGNING or TRUST_ANCHOR_USE_CA");

        var announcedFor = request.AnnounceSeconds == 0 ? TrustRing.AnnouncedFor : TimeSpan.FromSeconds(request.AnnounceSeconds);
        if (announcedFor <= TimeSpan.Zero || announcedFor > TrustRing.MaxAnnouncedFor)
        {
            throw ApiErrors.InvalidField("announce_seconds", $"must be 0 to {TrustRing.MaxAnnouncedFor.TotalSeconds}");
        }

        if (request.Revoke && request.AnnounceSeconds > 0)
        {
            throw ApiErrors.InvalidField(
                "announce_seconds", "a revocation (`revocations add`, `--revoke`) has no announcement period (`--announce-seconds`)");
        }

        var (result, added) = await trust.RotateAsync(
            Caller.Of(context).Name, request.Use, announcedFor, request.Revoke, context.CancellationToken);
        var revision = ApiErrors.Committed(result);
        // Another node may have revoked it already, so that it is not among those in memory.
        return new RotateTrustAnchorResponse
        {
            Revision = revision,
            Anchor = ToMessage(added!, [.. trust.Current.Rows.Where(r => r.KeyId != added!.KeyId), added!]),
        };
    }

    private TrustAnchor ToMessage(TrustAnchorRow row, IReadOnlyList<TrustAnchorRow> all)
    {
        var anchor = new TrustAnchor
        {
            Use = row.Use,
            KeyId = row.KeyId,
            ActiveFrom = Timestamp.FromDateTimeOffset(DateTimeOffset.FromUnixTimeMilliseconds(row.SignsFromMs)),
            State = TrustSet.StateOf(row, all, time.GetUtcNow()),
        };
        if (TrustRing.EndOf(row, all) is { } end)
            anchor.RemovedAt = Timestamp.FromDateTimeOffset(end);

        return anchor;
    }
}
