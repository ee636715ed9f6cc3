using System.Security.Cryptography.X509Certificates;
using AuthSidecar.ControlPlane.Sidecars.Fleet;
using AuthSidecar.ControlPlane.Sidecars.Trust;

namespace AuthSidecar.ControlPlane.Sidecars.Enrolment;

/// <summary>The sidecars that have enrolled with the control plane's own CA, and whether they are admitted.</summary>
internal sealed class SidecarRegistry(ControlStore store, TrustRing trust, SidecarFleet fleet, TimeProvider time)
{
    /// <summary>The certificates of streams in PEM: they are compared at each write and heartbeat.</summary>
    private static readonly ConditionalWeakTable<X509Certificate2, string> Pems = [];

    private static readonly TimeSpan PruneEvery = TimeSpan.FromHours(1);

    private readonly ConcurrentDictionary<SidecarIdentity, SidecarRow> _known = new();
    private readonly SemaphoreSlim _catchingUp = new(1);
    private long _caughtUp;
    private DateTimeOffset _pruneAt;

    /// <summary>Why a sidecar is not admitted with this certificate; null: it is.</summary>
    /// <remarks>Those of other CAs are admitted by their certificates alone: whoever runs that CA decides.</remarks>
    /// <param name="identity">Who it is, by its certificate.</param>
    /// <param name="certificate">The certificate.</param>
    /// <param name="isOurs">Whether it is of the control plane's own CA.</param>
    /// <param name="notes">As of this note at least.</param>
    /// <param name="history">The history that the store is in.</param>
    /// <param name="cancellation">Ends it.</param>
    public async Task<string?> FindRefusalAsync(
        SidecarIdentity identity, X509Certificate2 certificate, bool isOurs, long notes, History history, CancellationToken cancellation)
    {
        if (time.GetUtcNow() >= certificate.NotAfter)
            return $"the certificate of this sidecar expired at {certificate.NotAfter.ToUniversalTime():u}";

        if (!isOurs)
            return null;

        await CatchUpAsync(notes, cancellation);
        if (_known.TryGetValue(identity, out var row) && Admits(row, certificate))
            return null;

        // What another node has written since is not known here yet.
        row = await store.ReadAsync((context, _) => FindAsync(context, identity, cancellation), cancellation);
        if (row is not null)
            Note(identity, row);

        if ((row is not null && Admits(row, certificate))
            || (IsOfBackup(row, certificate, history) && await ReadmitAsync(identity, certificate, history, cancellation)))
        {
            return null;
        }

        if (row is null)
            return $"sidecar `{identity.Name}` is not enrolled";

        if (row.IsRemoved)
            return $"sidecar `{identity.Name}` was removed";

        if (ToMs(certificate.NotBefore) + (long)CertificateAuthority.Backdated.TotalMilliseconds + 1_000 >= row.EnrolledAtMs)
        {
            return "certificate superseded by a renewal: the state folder was copied or restored; "
                + "delete its `identity` folder and enrol again";
        }

        var enrolledAt = DateTimeOffset.FromUnixTimeMilliseconds(row.EnrolledAtMs);
        return $"name `{identity.Name}` was enrolled with another key at {enrolledAt:u}: each sidecar needs its own `--name`";
    }

    /// <summary>Certifies a sidecar for a token, and spends a use of it: once for each name and key, however often it is asked.</summary>
    /// <param name="token">The token.</param>
    /// <param name="name">The name of the sidecar.</param>
    /// <param name="scope">What the sidecar serves, by its own configuration; null: it does not say.</param>
    /// <param name="certificateRequest">Its certificate request, in PEM.</param>
    /// <param name="cancellation">Ends it.</param>
    public async Task<EnrolmentResult> EnrolAsync(
        JoinToken token, string name, Placement? scope, string certificateRequest, CancellationToken cancellation)
    {
        // Looked up before anything is verified or written: whoever guesses, or asks again, costs little and keeps nobody waiting.
        var (row, known) = await store.ReadAsync(
            async (context, _) =>
            {
                var row = await FindAsync(context, token, cancellation);
                return (row, Check(row, token, name, scope) is { Identity: { } identity }
                    ? await FindAsync(context, identity, cancellation) : null);
            },
            cancellation);
        if (Check(row, token, name, scope).Refusal is { } refusal)
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
                result = await EnrolAsync(transaction, token, name, scope, key, cancellation);
                return result.IsIssued ? null : new Refusal.NothingToDo();
            },
            cancellation);
        return result;
    }

    private async Task<EnrolmentResult> EnrolAsync(
        StoreTransaction transaction, JoinToken token, string name, Placement? scope, PublicKey key, CancellationToken cancellation)
    {
        var row = await FindAsync(transaction.Context, token, cancellation);
        var (refusal, identity) = Check(row, token, name, scope);
        if (refusal is not null)
            return refusal;

        var before = await FindAsync(transaction.Context, identity!, cancellation);
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
                var before = await FindAsync(transaction.Context, identity, cancellation);
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
        store.ReadAsync(async (context, _) => (await FindAsync(context, identity, cancellation))?.PodUid ?? "", cancellation);

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
        var registered = Register(transaction, identity, before, certificate, previousSha256: "");
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
                if (await FindAsync(transaction.Context, identity, cancellation) is not { } row || !Admits(row, before))
                    return new Refusal.NotFound($"sidecar `{identity.Name}` with this certificate");

                registered = Register(transaction, identity, row, certificate, DigestOf(before));
                transaction.Audit("sidecars.renew", identity.ToUri(), identity.Placement, $"certificate {before.SerialNumber}",
                    $"certificate {certificate.SerialNumber}");
                return null;
            },
            cancellation);
        return result.Refusal is null ? registered!.Certificate : null;
    }

    /// <summary>Takes note that a sidecar uses its newest certificate: the one before is good for nothing from then on.</summary>
    public async Task NoteUsedAsync(SidecarIdentity identity, X509Certificate2 certificate, CancellationToken cancellation)
    {
        if (!_known.TryGetValue(identity, out var known) || known.Serial != certificate.SerialNumber || known.PreviousSha256.Length == 0)
            return;

        await store.NoteAsync(
            identity.ToUri(),
            async transaction =>
            {
                if (await FindAsync(transaction.Context, identity, cancellation) is { } row && row.Serial == certificate.SerialNumber)
                    (row.PreviousSha256, row.Note) = ("", transaction.Note);

                return null;
            },
            cancellation);
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
                var row = await FindAsync(transaction.Context, identity, cancellation);
                wasEnrolled = row is not null;
                if (row is null && transaction.At(0).History.BeganAt > time.GetUtcNow() - CertificateAuthority.SidecarLifetime
                    && await HasBegunAnotherHistoryAsync(transaction.Context, cancellation))
                {
                    // It may have enrolled after the backup: blocked beforehand, it is not readmitted.
                    row = NewRow(transaction, identity);
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

    /// <summary>Never what was read before it changed in place of what was read after.</summary>
    private void Note(SidecarIdentity identity, SidecarRow row) => _known.AddOrUpdate(
        identity, row, (_, known) => known.Note > row.Note ? known : row);

    /// <summary>Whether it is the registered certificate. The whole certificate is compared: with a stolen CA, an attacker can choose the
    /// serial number.</summary>
    private static bool Admits(SidecarRow row, X509Certificate2 certificate) =>
        !row.IsRemoved
            && ((row.Serial == certificate.SerialNumber && row.Certificate == Pems.GetValue(certificate, c => c.ExportCertificatePem()))
                || (row.PreviousSha256.Length > 0 && row.PreviousSha256 == DigestOf(certificate)));

    private static string DigestOf(X509Certificate2 certificate) => Base64Url.EncodeToString(SHA256.HashData(certificate.RawData));

    /// <summary>The answer that was given already to this name and key, as long as it is good for something.</summary>
    private EnrolmentResult? Answered(SidecarRow? row, PublicKey key) =>
        row is { IsRemoved: false } && row.KeySha256 == KeyOf(key) && row.ExpiresAtMs > time.GetUtcNow().ToUnixTimeMilliseconds()
            ? EnrolmentResult.Issue(row.Certificate, replacedAt: null) : null;

    /// <summary>Whether a certificate was issued after the backup was made that the store was restored from, and before it was: the store
    /// does not know it, and its sidecar has no other. One that was removed stays so.</summary>
    private bool IsOfBackup(SidecarRow? row, X509Certificate2 certificate, History history) =>
        row is null or { IsRemoved: false }
        && trust.Current.HasIssuedUnrevoked(certificate)
        && certificate.NotAfter - certificate.NotBefore <= CertificateAuthority.SidecarLifetime + CertificateAuthority.Backdated
            + TimeSpan.FromMinutes(1)
        && certificate.NotBefore.ToUniversalTime() < history.BeganAt.UtcDateTime
        && ToMs(certificate.NotBefore) > (row?.ValidFromMs ?? 0);

    /// <summary>Whether the database was ever restored from a backup (or said to be). Before the first history, no certificates were
    /// issued.</summary>
    private static Task<bool> HasBegunAnotherHistoryAsync(StoreContext context, CancellationToken cancellation) =>
        context.Audit.AnyAsync(a => a.Action == ControlStore.HistoryBegun, cancellation);

    private async Task<bool> ReadmitAsync(
        SidecarIdentity identity, X509Certificate2 certificate, History history, CancellationToken cancellation)
    {
        var result = await store.NoteAsync(
            identity.ToUri(),
            async transaction =>
            {
                var row = await FindAsync(transaction.Context, identity, cancellation);
                if (!IsOfBackup(row, certificate, history) || !await HasBegunAnotherHistoryAsync(transaction.Context, cancellation))
                    return new Refusal.NotFound($"sidecar `{identity.Name}` with this certificate");

                transaction.Audit(
                    "sidecars.readmit", identity.ToUri(), identity.Placement, row is null ? null : $"certificate {row.Serial}",
                    $"certificate {certificate.SerialNumber}");
                Register(transaction, identity, row, certificate, previousSha256: "");
                return null;
            },
            cancellation);
        return result.Refusal is null;
    }

    private static SidecarRow Register(
        StoreTransaction transaction, SidecarIdentity identity, SidecarRow? row, X509Certificate2 certificate, string previousSha256)
    {
        row ??= NewRow(transaction, identity);
        (row.Note, row.Serial, row.PreviousSha256, row.IsRemoved) = (transaction.Note, certificate.SerialNumber, previousSha256, false);
        (row.Certificate, row.KeySha256) = (certificate.ExportCertificatePem(), KeyOf(certificate));
        (row.ValidFromMs, row.ExpiresAtMs) = (ToMs(certificate.NotBefore), ToMs(certificate.NotAfter));
        return row;
    }

    private static SidecarRow NewRow(StoreTransaction transaction, SidecarIdentity identity)
    {
        var row = new SidecarRow
        {
            Application = identity.Placement.Application,
            Tenant = identity.Placement.Tenant,
            Name = identity.Name,
            Note = 0,
            Serial = "",
            PreviousSha256 = "",
            Certificate = "",
            KeySha256 = "",
            ValidFromMs = 0,
            ExpiresAtMs = 0,
            EnrolledAtMs = transaction.NowMs,
            IsRemoved = false,
        };
        transaction.Context.Sidecars.Add(row);
        return row;
    }

    /// <summary>Whether a token is good for a name, but for its uses; and who that is.</summary>
    private (EnrolmentResult? Refusal, SidecarIdentity? Identity) Check(JoinTokenRow? row, JoinToken token, string name, Placement? scope)
    {
        var isRight = CryptographicOperations.FixedTimeEquals(row?.SecretSha256 ?? new byte[SHA256.HashSizeInBytes], token.SecretSha256);
        // Who does not know its secret learns nothing about a token.
        EnrolmentRefusal? refusal = row is null || !isRight ? EnrolmentRefusal.TokenUnknown
            : row.ExpiresAtMs <= time.GetUtcNow().ToUnixTimeMilliseconds() ? EnrolmentRefusal.TokenExpired
            : row.Name.Length > 0 && row.Name != name ? EnrolmentRefusal.TokenOfAnotherName
            : scope is { } wanted && wanted != new Placement(row.Application, row.Tenant) ? EnrolmentRefusal.TokenOfAnotherPlacement
            : null;
        return refusal is { } why ? (EnrolmentResult.Refuse(why), null)
            : (null, new SidecarIdentity(new Placement(row!.Application, row.Tenant), name));
    }

    private static string KeyOf(X509Certificate2 certificate) => KeyOf(certificate.PublicKey);

    private static string KeyOf(PublicKey key) => Base64Url.EncodeToString(SHA256.HashData(key.ExportSubjectPublicKeyInfo()));

    private static long ToMs(DateTime time) => new DateTimeOffset(time.ToUniversalTime()).ToUnixTimeMilliseconds();

    private static Task<JoinTokenRow?> FindAsync(StoreContext context, JoinToken token, CancellationToken cancellation) =>
        context.JoinTokens.SingleOrDefaultAsync(t => t.Id == token.Id, cancellation);

    private static Task<SidecarRow?> FindAsync(StoreContext context, SidecarIdentity identity, CancellationToken cancellation) =>
        context.Sidecars.SingleOrDefaultAsync(
            s => s.Application == identity.Placement.Application && s.Tenant == identity.Placement.Tenant && s.Name == identity.Name,
            cancellation);

    private async Task CatchUpAsync(long notes, CancellationToken cancellation)
    {
        if (Volatile.Read(ref _caughtUp) >= notes)
            return;

        await _catchingUp.WaitAsync(cancellation);
        try
        {
            var since = _caughtUp;
            if (since >= notes)
                return;

            var rows = await store.ReadAsync((context, _) => context.Sidecars.Where(s => s.Note > since).ToListAsync(cancellation),
                cancellation);
            foreach (var row in rows)
                Note(new SidecarIdentity(new Placement(row.Application, row.Tenant), row.Name), row);

            // Expired certificates are refused before anything is looked up.
            if (time.GetUtcNow() is var now && now >= _pruneAt)
            {
                _pruneAt = now + PruneEvery;
                foreach (var (identity, row) in _known.Where(k => k.Value.ExpiresAtMs <= now.ToUnixTimeMilliseconds()).ToList())
                    _known.TryRemove(KeyValuePair.Create(identity, row));
            }

            // What was read may be newer; that is read again, then.
            Volatile.Write(ref _caughtUp, notes);
        }
        finally
        {
            _catchingUp.Release();
        }
    }
}
