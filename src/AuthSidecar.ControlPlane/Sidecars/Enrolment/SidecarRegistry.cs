using AuthSidecar.ControlPlane.Sidecars.Fleet;
using AuthSidecar.ControlPlane.Sidecars.Trust;

namespace AuthSidecar.ControlPlane.Sidecars.Enrolment;

/// <summary>Enrols sidecars with the control plane's own CA, renews their certificates, and removes them.</summary>
internal sealed class SidecarRegistry(ControlStore store, TrustRing trust, SidecarFleet fleet, TimeProvider time)
{
    /// <summary>Certifies a sidecar for a token, and spends a use of it: once for each name and key, however often it is asked.</summary>
    /// <param name="name">The name of the sidecar.</param>
    /// <param name="placement">What the sidecar serves, by its own configuration; null: it does not say.</param>
    /// <param name="certificateRequest">Its certificate request, in PEM.</param>
    public async Task<EnrolmentResult> EnrolAsync(
        JoinToken token, string name, Placement? placement, string certificateRequest, CancellationToken cancellation)
    {
        // Looked up before anything is verified or written: whoever guesses, or asks again, costs little and keeps nobody waiting.
        var (row, known) = await store.ReadAsync(
            async (context, _) =>
            {
                var row = await FindAsync(context, token, cancellation);
                return (row, Check(row, token, name, placement) is { Identity: { } identity }
                    ? await SidecarRows.FindAsync(context, identity, cancellation) : null);
            },
            cancellation);
        if (Check(row, token, name, placement).Refusal is { } refusal)
            return refusal;

        if (CertificateAuthority.TryReadKey(certificateRequest) is not { } key)
            return EnrolmentResult.Refuse(EnrolmentRefusal.NoKey);

        if (Answered(known, key) is { } answered)
            return answered;

        if (row!.UsesLeft == 0)
            return EnrolmentResult.Refuse(EnrolmentRefusal.TokenUsedUp);

        EnrolmentResult result = null!;
        await store.NoteAsync(
            $"join-token:{token.Id}",
            async transaction =>
            {
                result = await EnrolAsync(transaction, token, name, placement, key, cancellation);
                return result.IsIssued ? null : new Refusal.NothingToDo();
            },
            cancellation);
        return result;
    }

    private async Task<EnrolmentResult> EnrolAsync(
        StoreTransaction transaction, JoinToken token, string name, Placement? placement, PublicKey key, CancellationToken cancellation)
    {
        var row = await FindAsync(transaction.Context, token, cancellation);
        var (refusal, identity) = Check(row, token, name, placement);
        if (refusal is not null)
            return refusal;

        var before = await SidecarRows.FindAsync(transaction.Context, identity!, cancellation);
        if (Answered(before, key) is { } answered)
            return answered;

        if (row!.UsesLeft == 0)
            return EnrolmentResult.Refuse(EnrolmentRefusal.TokenUsedUp);

        if (!row.IsReplacing && before is { IsRemoved: false }
            && (fleet.IsConnected(identity!) || Presence.IsConnected(before, time.GetUtcNow())))
        {
            return EnrolmentResult.Refuse(EnrolmentRefusal.NameInUse);
        }

        row.UsesLeft--;
        return Certify(transaction, identity!, before, key, pod: null);
    }

    /// <summary>Certifies the sidecar of a pod that its cluster vouches for. The pod of before that had the name has it no longer: of all
    /// pods of one name and namespace there is one at a time. But it is not taken from others; and a pod whose sidecar was removed is not
    /// let in again, by whatever name.</summary>
    public async Task<EnrolmentResult> EnrolPodAsync(
        string actor, PodKey pod, SidecarIdentity identity, string certificateRequest, CancellationToken cancellation)
    {
        if (CertificateAuthority.TryReadKey(certificateRequest) is not { } key)
            return EnrolmentResult.Refuse(EnrolmentRefusal.NoKey);

        EnrolmentResult? result = null;
        await store.NoteAsync(
            actor,
            async transaction =>
            {
                var before = await SidecarRows.FindAsync(transaction.Context, identity, cancellation);
                result = await transaction.Context.RemovedPods.AnyAsync(p => p.Uid == pod.Uid, cancellation)
                    ? EnrolmentResult.Refuse(EnrolmentRefusal.SidecarRemoved)
                    : IsOfOthers(before, pod) ? EnrolmentResult.Refuse(EnrolmentRefusal.NameInUse)
                    : Answered(before, key);
                if (result is not null)
                    return new Refusal.NothingToDo();

                result = Certify(transaction, identity, before, key, pod);
                return null;
            },
            cancellation);
        if (result!.Refusal == EnrolmentRefusal.SidecarRemoved)
        {
            // As long as it asks, it is remembered.
            await NoteRemovedPodAsync(pod.Uid, cancellation);
        }

        return result;
    }

    /// <summary>The pod that a sidecar enrolled as; empty: it enrolled with a join token, or is not known.</summary>
    public Task<string> PodUidOfAsync(SidecarIdentity identity, CancellationToken cancellation) =>
        store.ReadAsync(async (context, _) => (await SidecarRows.FindAsync(context, identity, cancellation))?.PodUid ?? "", cancellation);

    /// <summary>Whether the name is that of a sidecar of another namespace, or cluster, or of one that is there by a join token.</summary>
    private bool IsOfOthers(SidecarRow? before, PodKey pod) =>
        before is { IsRemoved: false } && before.ExpiresAtMs > time.GetUtcNow().ToUnixTimeMilliseconds()
        && (before.PodUid.Length > 0 ? before.PodNamespace != pod.Namespace : Presence.IsConnected(before, time.GetUtcNow())
            || fleet.IsConnected(new SidecarIdentity(new Placement(before.Application, before.Tenant), before.Name)));

    private Task NoteRemovedPodAsync(string uid, CancellationToken cancellation) => store.ReadAsync(
        (context, _) => context.RemovedPods.Where(p => p.Uid == uid).ExecuteUpdateAsync(
            u => u.SetProperty(p => p.SeenAtMs, time.GetUtcNow().ToUnixTimeMilliseconds()), cancellation), cancellation);

    private EnrolmentResult Certify(StoreTransaction transaction, SidecarIdentity identity, SidecarRow? before, PublicKey key, PodKey? pod)
    {
        using var certificate = trust.Current.Authority.IssueSidecar(identity, key, time.GetUtcNow());
        transaction.Audit(
            "sidecars.enrol",
            identity.ToUri(),
            identity.Placement,
            before is null ? null : $"certificate {before.Serial}{(before.IsRemoved ? ", removed" : "")}",
            $"certificate {certificate.SerialNumber}");
        var replacedAt = before is { IsRemoved: false } ? DateTimeOffset.FromUnixTimeMilliseconds(before.EnrolledAtMs)
            : (DateTimeOffset?)null;
        var registered = SidecarRows.Register(transaction, identity, before, certificate, previousSha256: "");
        (registered.EnrolledAtMs, registered.PodUid, registered.PodNamespace) = (transaction.NowMs, pod?.Uid ?? "", pod?.Namespace ?? "");
        return EnrolmentResult.Issue(registered.Certificate, replacedAt);
    }

    /// <summary>Certifies a sidecar anew; null when the request is none, or it is not the sidecar's to renew.</summary>
    public async Task<string?> TryRenewAsync(
        SidecarIdentity identity, X509Certificate2 before, string certificateRequest, CancellationToken cancellation)
    {
        if (CertificateAuthority.TryReadKey(certificateRequest) is not { } key)
            return null;

        using var certificate = trust.Current.Authority.IssueSidecar(identity, key, time.GetUtcNow());
        SidecarRow? registered = null;
        var result = await store.NoteAsync(
            identity.ToUri(),
            async transaction =>
            {
                // Asked again where nobody else writes: it may have been removed since.
                var row = await SidecarRows.FindAsync(transaction.Context, identity, cancellation);
                if (row is null || !SidecarRows.Admits(row, before))
                    return new Refusal.NotFound($"sidecar `{identity.Name}` with this certificate");

                registered = SidecarRows.Register(transaction, identity, row, certificate, SidecarRows.DigestOf(before));
                transaction.Audit("sidecars.renew", identity.ToUri(), identity.Placement, $"certificate {before.SerialNumber}",
                    $"certificate {certificate.SerialNumber}");
                return null;
            },
            cancellation);
        return result.Refusal is null ? registered!.Certificate : null;
    }

    /// <summary>Removes a sidecar: its certificate is rejected.</summary>
    /// <returns>The result of the write, and whether it was enrolled: after a restore, a name that is not is blocked.</returns>
    public async Task<(WriteResult Result, bool WasEnrolled)> RemoveAsync(
        string actor, SidecarIdentity identity, CancellationToken cancellation)
    {
        var wasEnrolled = false;
        var result = await store.WriteNotedAsync(
            actor,
            async transaction =>
            {
                var row = await SidecarRows.FindAsync(transaction.Context, identity, cancellation);
                wasEnrolled = row is not null;
                if (row is null && transaction.At(0).History.BeganAt > time.GetUtcNow() - CertificateAuthority.SidecarLifetime
                    && await ControlStore.HasBegunAnotherHistoryAsync(transaction.Context, cancellation))
                {
                    // It may have enrolled after the backup: blocked beforehand, it is not readmitted.
                    row = SidecarRows.Add(transaction, identity);
                    // Kept for longer than any certificate that was issued before the restore.
                    row.ExpiresAtMs = transaction.NowMs + (long)CertificateAuthority.SidecarLifetime.TotalMilliseconds;
                }

                if (row is not { IsRemoved: false })
                    return new Refusal.NotFound($"enrolled sidecar `{identity.Name}`");

                (row.IsRemoved, row.Note) = (true, transaction.Note);
                if (row.PodUid.Length > 0 && !await transaction.Context.RemovedPods.AnyAsync(p => p.Uid == row.PodUid, cancellation))
                    transaction.Context.RemovedPods.Add(new RemovedPodRow { Uid = row.PodUid, SeenAtMs = transaction.NowMs });

                transaction.Touch(identity.Placement);
                transaction.Audit("sidecars.remove", identity.ToUri(), identity.Placement, wasEnrolled ? $"certificate {row.Serial}" : null,
                    after: null);
                return null;
            },
            cancellation);
        return (result, wasEnrolled);
    }

    /// <summary>The answer that was given already to this name and key, as long as it is good for something.</summary>
    private EnrolmentResult? Answered(SidecarRow? row, PublicKey key) =>
        row is { IsRemoved: false } && row.KeySha256 == SidecarRows.KeyOf(key)
        && row.ExpiresAtMs > time.GetUtcNow().ToUnixTimeMilliseconds() ? EnrolmentResult.Issue(row.Certificate, replacedAt: null) : null;

    /// <summary>Whether a token is good for a name, but for its uses; and who that is.</summary>
    private (EnrolmentResult? Refusal, SidecarIdentity? Identity) Check(
        JoinTokenRow? row, JoinToken token, string name, Placement? placement)
    {
        var isRight = CryptographicOperations.FixedTimeEquals(row?.SecretSha256 ?? new byte[SHA256.HashSizeInBytes], token.SecretSha256);
        // Who does not know its secret learns nothing about a token.
        EnrolmentRefusal? refusal = row is null || !isRight ? EnrolmentRefusal.TokenUnknown
            : row.ExpiresAtMs <= time.GetUtcNow().ToUnixTimeMilliseconds() ? EnrolmentRefusal.TokenExpired
            : row.Name.Length > 0 && row.Name != name ? EnrolmentRefusal.TokenOfAnotherName
            : placement is { } wanted && wanted != new Placement(row.Application, row.Tenant) ? EnrolmentRefusal.TokenOfAnotherPlacement
            : null;
        return refusal is { } why ? (EnrolmentResult.Refuse(why), null)
            : (null, new SidecarIdentity(new Placement(row!.Application, row.Tenant), name));
    }

    private static Task<JoinTokenRow?> FindAsync(StoreContext context, JoinToken token, CancellationToken cancellation) =>
        context.JoinTokens.SingleOrDefaultAsync(t => t.Id == token.Id, cancellation);
}
