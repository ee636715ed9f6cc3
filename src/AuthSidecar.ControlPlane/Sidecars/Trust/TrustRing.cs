using AuthSidecar.ControlPlane.V1;

namespace AuthSidecar.ControlPlane.Sidecars.Trust;

/// <summary>The trust anchors of sidecars (the CA of the control plane and the bundle-signing key) and their rotation: announced, active,
/// retiring, removed; or revoked.</summary>
/// <remarks>They are in the database, the same for all nodes. Each node reloads them when they change and when an announced one becomes
/// active.</remarks>
internal sealed class TrustRing(ControlStore store, SecretStore secrets, TimeProvider time)
{
    /// <summary>The default announcement period: longer than the lifetime of sidecars' certificates, so that connected sidecars renew
    /// within it.</summary>
    public static readonly TimeSpan AnnouncedFor = TimeSpan.FromDays(2);

    public static readonly TimeSpan MaxAnnouncedFor = TimeSpan.FromDays(30);

    /// <summary>How long a replaced bundle-signing key, and a revoked anchor, is kept: longer than the lifetime of sidecars'
    /// certificates.</summary>
    public static readonly TimeSpan KeptFor = TimeSpan.FromDays(2);

    /// <summary>How long a replaced CA is kept: join tokens contain its hash, and live up to 30 days.</summary>
    public static readonly TimeSpan CaKeptFor = TimeSpan.FromDays(31);

    private static readonly TrustAnchorUse[] Uses = [TrustAnchorUse.BundleSigning, TrustAnchorUse.Ca];

    private readonly SemaphoreSlim _loading = new(1);
    private TrustSet? _current;

    /// <summary>The current snapshot.</summary>
    public TrustSet Current => Volatile.Read(ref _current) ?? throw new InvalidOperationException("the trust anchors were not opened");

    /// <summary>When an announced anchor becomes active; null: none is announced.</summary>
    public DateTimeOffset? ChangesAt => KeySchedule.NextOf(Current.Rows, Now);

    private DateTimeOffset Now => time.GetUtcNow();

    /// <summary>Loads the anchors, and creates the first ones.</summary>
    /// <exception cref="KeyVaultException">One was altered.</exception>
    public async Task OpenAsync(CancellationToken cancellation)
    {
        foreach (var use in Uses)
        {
            if (await store.ReadAsync((context, _) => context.TrustAnchors.AnyAsync(a => a.Use == use, cancellation), cancellation))
                continue;

            await store.WriteAsync(
                "system",
                async transaction =>
                {
                    // Another node may have been faster.
                    if (!await transaction.Context.TrustAnchors.AnyAsync(a => a.Use == use, cancellation)
                        && !await TryTakeOverAsync(transaction, use, cancellation))
                    {
                        Add(transaction, use, TimeSpan.Zero, endorser: null);
                    }

                    return null;
                },
                cancellation);
        }

        await LoadAsync(cancellation);
        if (Current.Authority.Certificate.NotAfter <= Now.LocalDateTime)
        {
            // Its certificates are all expired, and it can issue no valid one.
            await RotateAsync("system", TrustAnchorUse.Ca, TimeSpan.Zero, revoke: true, cancellation);
        }
    }

    /// <summary>Reloads the anchors. <see cref="Current"/> is replaced if they, or the active ones, have changed.</summary>
    public async Task LoadAsync(CancellationToken cancellation)
    {
        // Serialized: an older read must not replace a newer one.
        await _loading.WaitAsync(cancellation);
        try
        {
            var rows = await store.ReadAsync((context, _) => context.TrustAnchors.AsNoTracking().OrderByDescending(a => a.SignsFromMs)
                .ToListAsync(cancellation), cancellation);
            if (_current?.IsOf(rows, Now) == true)
                return;

            // Keys that have gone are not disposed of: somebody may be signing with them at this moment.
            Volatile.Write(ref _current, new TrustSet(
                [.. rows.Where(r => r.Use == TrustAnchorUse.BundleSigning).Select(r => new BundleAnchor(r, new BundleKey(Open(r))))],
                [.. rows.Where(r => r.Use == TrustAnchorUse.Ca)
                    .Select(r => new AuthorityAnchor(r, new CertificateAuthority(Open(r)), r.Endorsement.Length == 0 ? null
                        : X509CertificateLoader.LoadCertificate(r.Endorsement)))],
                Now));
        }
        finally
        {
            _loading.Release();
        }
    }

    /// <summary>Creates and announces an anchor, or revokes the existing ones and activates it immediately.</summary>
    /// <param name="actor">The actor, for the audit trail.</param>
    /// <param name="use">The use of the anchor.</param>
    /// <param name="announcedFor">The announcement period.</param>
    /// <param name="revoke">Whether to revoke the active anchor and remove an announced one.</param>
    /// <param name="cancellation">Cancels the write.</param>
    /// <returns>The result of the write, and the new anchor.</returns>
    public async Task<(WriteResult Result, TrustAnchorRow? Row)> RotateAsync(
        string actor, TrustAnchorUse use, TimeSpan announcedFor, bool revoke, CancellationToken cancellation)
    {
        TrustAnchorRow? added = null;
        var result = await store.WriteAsync(
            actor,
            async transaction =>
            {
                var rows = await transaction.Context.TrustAnchors.Where(a => a.Use == use).ToListAsync(cancellation);
                var active = TrustSet.ActiveOf(rows, use, Now);
                var announced = rows.Where(r => r.SignsFromMs > active.SignsFromMs).ToList();
                if (!revoke && announced is [var next, ..])
                    return new Refusal.AlreadyThere($"an announced {TrustSet.NameOf(use)} ({next.KeyId}, active from {At(next):u})");

                foreach (var row in revoke ? rows : [])
                {
                    if (announced.Contains(row))
                    {
                        // It has not been active, so that no sidecar trusts it alone.
                        transaction.Context.TrustAnchors.Remove(row);
                    }
                    else
                    {
                        row.RevokedAtMs ??= Now.ToUnixTimeMilliseconds();
                    }

                    transaction.Audit("trust-anchors.revoke", row.KeyId, Placement.ControlPlane, Describe(row), after: null);
                }

                added = Add(transaction, use, revoke ? TimeSpan.Zero : announcedFor, active);
                return null;
            },
            cancellation);
        await LoadAsync(cancellation);
        return (result, added);
    }

    /// <summary>Removes anchors at the end of their retention. Called periodically by the leading node.</summary>
    public async Task KeepAsync(CancellationToken cancellation)
    {
        if (await store.ReadAsync((context, _) => FindOutdatedAsync(context, cancellation), cancellation) is [])
            return;

        await store.WriteAsync(
            "system",
            async transaction =>
            {
                foreach (var row in await FindOutdatedAsync(transaction.Context, cancellation))
                {
                    transaction.Context.TrustAnchors.Remove(row);
                    transaction.Audit("trust-anchors.remove", row.KeyId, Placement.ControlPlane, Describe(row), after: null);
                }

                return null;
            },
            cancellation);
    }

    /// <summary>When an anchor is removed; null: it has no successor.</summary>
    public static DateTimeOffset? EndOf(TrustAnchorRow row, IEnumerable<TrustAnchorRow> all) =>
        KeySchedule.EndOf(row, all.Where(a => a.Use == row.Use), row.Use == TrustAnchorUse.Ca && !row.IsRevoked ? CaKeptFor : KeptFor);

    private async Task<List<TrustAnchorRow>> FindOutdatedAsync(StoreContext context, CancellationToken cancellation)
    {
        var rows = await context.TrustAnchors.ToListAsync(cancellation);
        return [.. rows.Where(r => EndOf(r, rows) <= Now)];
    }

    private TrustAnchorRow Add(StoreTransaction transaction, TrustAnchorUse use, TimeSpan announcedFor, TrustAnchorRow? endorser)
    {
        var content = use == TrustAnchorUse.Ca ? CertificateAuthority.Create(Now) : BundleKey.Create();
        // Later than its predecessor, also if that was created by a node whose clock is ahead.
        var from = Math.Max((Now + announcedFor).ToUnixTimeMilliseconds(), endorser is null ? 0 : endorser.SignsFromMs + 1);
        var row = new TrustAnchorRow { Use = use, KeyId = "", Sealed = [], SignsFromMs = from };
        if (use == TrustAnchorUse.Ca && endorser is not null)
        {
            using var authority = new CertificateAuthority(content);
            using var before = new CertificateAuthority(Open(endorser));
            if (before.Certificate.NotAfter > Now.LocalDateTime)
            {
                using var endorsement = before.Endorse(authority);
                row.Endorsement = endorsement.RawData;
            }
        }

        return Save(transaction, row, content);
    }

    private TrustAnchorRow Save(StoreTransaction transaction, TrustAnchorRow row, byte[] content)
    {
        if (row.Use == TrustAnchorUse.Ca)
        {
            using var authority = new CertificateAuthority(content);
            row.KeyId = authority.KeyId;
        }
        else
        {
            using var key = new BundleKey(content);
            row.KeyId = key.KeyId;
        }

        row.Sealed = secrets.Seal(content, PurposeOf(row));
        transaction.Context.TrustAnchors.Add(row);
        transaction.Audit("trust-anchors.add", row.KeyId, Placement.ControlPlane, before: null, Describe(row));
        return row;
    }

    /// <summary>Migrates the anchor of a database from before anchors could be rotated, where it is a secret.</summary>
    private async Task<bool> TryTakeOverAsync(StoreTransaction transaction, TrustAnchorUse use, CancellationToken cancellation)
    {
        var name = use == TrustAnchorUse.Ca ? "certificate-authority" : "bundle-signing";
        if (await transaction.Context.Secrets.SingleOrDefaultAsync(s => s.Name == name, cancellation) is not { } secret)
            return false;

        Save(transaction, new TrustAnchorRow { Use = use, KeyId = "", Sealed = [], SignsFromMs = 0 }, secrets.Open(secret.Sealed, name));
        transaction.Context.Secrets.Remove(secret);
        return true;
    }

    private byte[] Open(TrustAnchorRow row) => secrets.Open(row.Sealed, PurposeOf(row));
    private static string PurposeOf(TrustAnchorRow row) => $"trust-anchor {TrustSet.NameOf(row.Use)} {row.KeyId}";
    private static string Describe(TrustAnchorRow row) => $"{TrustSet.NameOf(row.Use)}, active from {At(row):u}";
    private static DateTimeOffset At(TrustAnchorRow row) => DateTimeOffset.FromUnixTimeMilliseconds(row.SignsFromMs);
}
