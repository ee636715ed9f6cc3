using AuthSidecar.ControlPlane.Sidecars.Trust;

namespace AuthSidecar.ControlPlane.Sidecars.Enrolment;

/// <summary>Whether sidecars are admitted with their certificates.</summary>
internal sealed class SidecarAdmission(ControlStore store, TrustRing trust, TimeProvider time)
{
    private static readonly TimeSpan PruneEvery = TimeSpan.FromHours(1);

    private readonly ConcurrentDictionary<SidecarIdentity, SidecarRow> _known = new();
    private readonly SemaphoreSlim _catchingUp = new(1);
    private long _caughtUp;
    private DateTimeOffset _pruneAt;

    /// <summary>Why a sidecar is not admitted with this certificate; null: it is.</summary>
    /// <remarks>Those of other CAs are admitted by their certificates alone: whoever runs that CA decides.</remarks>
    /// <param name="identity">Who it is, by its certificate.</param>
    /// <param name="isOurs">Whether it is of the control plane's own CA.</param>
    /// <param name="notes">As of this note at least.</param>
    /// <param name="history">The history that the store is in.</param>
    public async Task<string?> FindRefusalAsync(
        SidecarIdentity identity, X509Certificate2 certificate, bool isOurs, long notes, History history, CancellationToken cancellation)
    {
        if (time.GetUtcNow() >= certificate.NotAfter)
            return $"the certificate of this sidecar expired at {certificate.NotAfter.ToUniversalTime():u}";

        if (!isOurs)
            return null;

        await CatchUpAsync(notes, cancellation);
        if (_known.TryGetValue(identity, out var row) && SidecarRows.Admits(row, certificate))
            return null;

        // What another node has written since is not known here yet.
        row = await store.ReadAsync((context, _) => SidecarRows.FindAsync(context, identity, cancellation), cancellation);
        if (row is not null)
            Note(identity, row);

        if ((row is not null && SidecarRows.Admits(row, certificate))
            || (IsOfBackup(row, certificate, history) && await ReadmitAsync(identity, certificate, history, cancellation)))
        {
            return null;
        }

        if (row is null)
            return $"sidecar `{identity.Name}` is not enrolled";

        if (row.IsRemoved)
            return $"sidecar `{identity.Name}` was removed";

        if (SidecarRows.ToMs(certificate.NotBefore) + (long)CertificateAuthority.Backdated.TotalMilliseconds + 1_000 >= row.EnrolledAtMs)
        {
            return "certificate superseded by a renewal: the state folder was copied or restored; "
                + "delete its `identity` folder and enrol again";
        }

        var enrolledAt = DateTimeOffset.FromUnixTimeMilliseconds(row.EnrolledAtMs);
        return $"name `{identity.Name}` was enrolled with another key at {enrolledAt:u}: each sidecar needs its own `--name`";
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
                var row = await SidecarRows.FindAsync(transaction.Context, identity, cancellation);
                if (row?.Serial == certificate.SerialNumber)
                    (row.PreviousSha256, row.Note) = ("", transaction.Note);

                return null;
            },
            cancellation);
    }

    /// <summary>Never what was read before it changed in place of what was read after.</summary>
    private void Note(SidecarIdentity identity, SidecarRow row) => _known.AddOrUpdate(
        identity, row, (_, known) => known.Note > row.Note ? known : row);

    /// <summary>Whether a certificate was issued after the backup was made that the store was restored from, and before it was: the store
    /// does not know it, and its sidecar has no other. One that was removed stays so.</summary>
    private bool IsOfBackup(SidecarRow? row, X509Certificate2 certificate, History history) =>
        row is null or { IsRemoved: false }
        && trust.Current.HasIssuedUnrevoked(certificate)
        && certificate.NotAfter - certificate.NotBefore <= CertificateAuthority.SidecarLifetime + CertificateAuthority.Backdated
            + TimeSpan.FromMinutes(1)
        && certificate.NotBefore.ToUniversalTime() < history.BeganAt.UtcDateTime
        && SidecarRows.ToMs(certificate.NotBefore) > (row?.ValidFromMs ?? 0);

    private async Task<bool> ReadmitAsync(
        SidecarIdentity identity, X509Certificate2 certificate, History history, CancellationToken cancellation)
    {
        var result = await store.NoteAsync(
            identity.ToUri(),
            async transaction =>
            {
                var row = await SidecarRows.FindAsync(transaction.Context, identity, cancellation);
                if (!IsOfBackup(row, certificate, history)
                    || !await ControlStore.HasBegunAnotherHistoryAsync(transaction.Context, cancellation))
                {
                    return new Refusal.NotFound($"sidecar `{identity.Name}` with this certificate");
                }

                transaction.Audit(
                    "sidecars.readmit", identity.ToUri(), identity.Placement, row is null ? null : $"certificate {row.Serial}",
                    $"certificate {certificate.SerialNumber}");
                SidecarRows.Register(transaction, identity, row, certificate, previousSha256: "");
                return null;
            },
            cancellation);
        return result.Refusal is null;
    }

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
