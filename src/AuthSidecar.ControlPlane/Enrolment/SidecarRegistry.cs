using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using AuthSidecar.Common;
using AuthSidecar.ControlPlane.Store;
using AuthSidecar.ControlPlane.Sync;
using Microsoft.EntityFrameworkCore;

namespace AuthSidecar.ControlPlane.Enrolment;

/// <summary>The sidecars that have enrolled with the control plane's own CA, and whether they are admitted.</summary>
internal sealed class SidecarRegistry(ControlStore store, CertificateAuthority authority, TimeProvider time)
{
    private readonly ConcurrentDictionary<SidecarIdentity, SidecarRow> _known = new();
    private readonly SemaphoreSlim _catchingUp = new(1);
    private StrongBox<Revision> _caughtUp = new();

    /// <summary>Whether a sidecar is admitted with this certificate, as of a revision of the store.</summary>
    /// <remarks>Those of other CAs are admitted by their certificates alone: whoever runs that CA decides.</remarks>
    public async Task<bool> IsAdmittedAsync(SidecarIdentity identity, X509Certificate2 certificate, bool isOurs, Revision head, CancellationToken cancellation)
    {
        if (time.GetUtcNow() >= certificate.NotAfter)
        {
            return false;
        }

        if (!isOurs)
        {
            return true;
        }

        await CatchUpAsync(head, cancellation);
        _known.TryGetValue(identity, out var row);
        return (row is { IsRemoved: false } && (row.Serial == certificate.SerialNumber || row.PreviousSerial == certificate.SerialNumber))
            || (IsOfBackup(row, certificate, head.History) && await AdoptAsync(identity, certificate, head.History, cancellation));
    }

    /// <summary>
    /// Whether a certificate was issued after the backup was made that the store was restored from, and before it was: the store does not know it, and
    /// its sidecar has no other. One that was removed stays so.
    /// </summary>
    private static bool IsOfBackup(SidecarRow? row, X509Certificate2 certificate, History history) =>
        row is null or { IsRemoved: false }
        && certificate.NotBefore.ToUniversalTime() < history.BeganAt.UtcDateTime
        && ValidFrom(certificate) > (row?.ValidFromMs ?? 0);

    private static long ValidFrom(X509Certificate2 certificate) => new DateTimeOffset(certificate.NotBefore.ToUniversalTime()).ToUnixTimeMilliseconds();

    private async Task<bool> AdoptAsync(SidecarIdentity identity, X509Certificate2 certificate, History history, CancellationToken cancellation)
    {
        var result = await store.WriteAsync(
            identity.ToUri(),
            async transaction =>
            {
                var row = await FindAsync(transaction.Context, identity, cancellation);
                if (!IsOfBackup(row, certificate, history))
                {
                    return new Refusal.NotFound($"sidecar `{identity.Name}` with this certificate");
                }

                transaction.Audit("sidecars.readmit", identity.ToUri(), identity.Scope.Placement, row is null ? null : $"certificate {row.Serial}", $"certificate {certificate.SerialNumber}");
                await RegisterAsync(transaction, identity, certificate, previousSerial: "", cancellation);
                return null;
            },
            cancellation);
        return result.IsCommitted;
    }

    /// <summary>Makes a token to enrol with.</summary>
    public async Task<string> CreateTokenAsync(string actor, SyncScope scope, int uses, TimeSpan lifetime, CancellationToken cancellation)
    {
        var token = JoinToken.Create();
        await store.WriteAsync(
            actor,
            transaction =>
            {
                transaction.Context.JoinTokens.Add(new JoinTokenRow
                {
                    Id = token.Id,
                    SecretSha256 = token.SecretSha256,
                    Application = scope.Application,
                    Tenant = scope.Tenant,
                    ExpiresAtMs = (time.GetUtcNow() + lifetime).ToUnixTimeMilliseconds(),
                    UsesLeft = uses,
                });
                transaction.Audit("join-tokens.create", token.Id, scope.Placement, before: null, $"{uses} uses, {lifetime.TotalSeconds} s");
                return Task.FromResult<Refusal?>(null);
            },
            cancellation);
        return token.ToText(authority);
    }

    /// <summary>Spends a use of a token and certifies a sidecar for it; null when the token is not good, or the request is none.</summary>
    public async Task<X509Certificate2?> TryEnrolAsync(JoinToken token, string name, string certificateRequest, CancellationToken cancellation)
    {
        // Looked up before anything is written: whoever guesses must not keep writers waiting.
        if (!await store.ReadAsync(async (context, _) => IsGood(await FindAsync(context, token, cancellation), token), cancellation))
        {
            return null;
        }

        X509Certificate2? certificate = null;
        var result = await store.WriteAsync(
            $"join-token:{token.Id}",
            async transaction =>
            {
                var row = await FindAsync(transaction.Context, token, cancellation);
                if (!IsGood(row, token))
                {
                    return new Refusal.NotFound("join token");
                }

                var identity = new SidecarIdentity(new SyncScope(row.Application, row.Tenant), name);
                certificate = authority.TryIssueSidecar(identity, certificateRequest, time.GetUtcNow());
                if (certificate is null)
                {
                    return new Refusal.NotFound("P-256 key in the certificate request");
                }

                row.UsesLeft--;
                await RegisterAsync(transaction, identity, certificate, previousSerial: "", cancellation);
                transaction.Audit("sidecars.enrol", identity.ToUri(), identity.Scope.Placement, before: null, $"certificate {certificate.SerialNumber}");
                return null;
            },
            cancellation);
        return result.IsCommitted ? certificate : null;
    }

    /// <summary>Certifies a sidecar anew; null when the request is none.</summary>
    public async Task<X509Certificate2?> TryRenewAsync(SidecarIdentity identity, X509Certificate2 before, string certificateRequest, CancellationToken cancellation)
    {
        if (authority.TryIssueSidecar(identity, certificateRequest, time.GetUtcNow()) is not { } certificate)
        {
            return null;
        }

        var result = await store.WriteAsync(
            identity.ToUri(),
            async transaction =>
            {
                // Asked again where nobody else writes: it may have been removed since.
                if (await FindAsync(transaction.Context, identity, cancellation) is not { IsRemoved: false } row || (row.Serial != before.SerialNumber && row.PreviousSerial != before.SerialNumber))
                {
                    return new Refusal.NotFound($"sidecar `{identity.Name}` with this certificate");
                }

                await RegisterAsync(transaction, identity, certificate, before.SerialNumber, cancellation);
                transaction.Audit("sidecars.renew", identity.ToUri(), identity.Scope.Placement, $"certificate {before.SerialNumber}", $"certificate {certificate.SerialNumber}");
                return null;
            },
            cancellation);
        return result.IsCommitted ? certificate : null;
    }

    /// <summary>Takes note that a sidecar uses its newest certificate: the one before is good for nothing from then on.</summary>
    public async Task NoteUsedAsync(SidecarIdentity identity, X509Certificate2 certificate, CancellationToken cancellation)
    {
        if (!_known.TryGetValue(identity, out var known) || known.Serial != certificate.SerialNumber || known.PreviousSerial.Length == 0)
        {
            return;
        }

        await store.WriteAsync(
            identity.ToUri(),
            async transaction =>
            {
                if (await FindAsync(transaction.Context, identity, cancellation) is { } row && row.Serial == certificate.SerialNumber)
                {
                    (row.PreviousSerial, row.Revision) = ("", transaction.Revision);
                }

                return null;
            },
            cancellation);
    }

    /// <summary>Admits a sidecar no longer.</summary>
    public Task<WriteResult> RemoveAsync(string actor, SidecarIdentity identity, CancellationToken cancellation) => store.WriteAsync(
        actor,
        async transaction =>
        {
            if (await FindAsync(transaction.Context, identity, cancellation) is not { IsRemoved: false } row)
            {
                return new Refusal.NotFound($"enrolled sidecar `{identity.Name}`");
            }

            (row.IsRemoved, row.Revision) = (true, transaction.Revision);
            transaction.Audit("sidecars.remove", identity.ToUri(), identity.Scope.Placement, $"certificate {row.Serial}", after: null);
            return null;
        },
        cancellation);

    private static async Task RegisterAsync(StoreTransaction transaction, SidecarIdentity identity, X509Certificate2 certificate, string previousSerial, CancellationToken cancellation)
    {
        var row = await FindAsync(transaction.Context, identity, cancellation);
        if (row is null)
        {
            row = new SidecarRow
            {
                Application = identity.Scope.Application,
                Tenant = identity.Scope.Tenant,
                Name = identity.Name,
                Revision = 0,
                Serial = "",
                PreviousSerial = "",
                ValidFromMs = 0,
                IsRemoved = false,
            };
            transaction.Context.Sidecars.Add(row);
        }

        (row.Revision, row.Serial, row.PreviousSerial, row.ValidFromMs, row.IsRemoved) =
            (transaction.Revision, certificate.SerialNumber, previousSerial, ValidFrom(certificate), false);
    }

    private bool IsGood([NotNullWhen(true)] JoinTokenRow? row, JoinToken token)
    {
        var isRight = CryptographicOperations.FixedTimeEquals(row?.SecretSha256 ?? new byte[SHA256.HashSizeInBytes], token.SecretSha256);
        return isRight && row is { UsesLeft: > 0 } && row.ExpiresAtMs > time.GetUtcNow().ToUnixTimeMilliseconds();
    }

    private static Task<JoinTokenRow?> FindAsync(StoreContext context, JoinToken token, CancellationToken cancellation) =>
        context.JoinTokens.SingleOrDefaultAsync(t => t.Id == token.Id, cancellation);

    private static Task<SidecarRow?> FindAsync(StoreContext context, SidecarIdentity identity, CancellationToken cancellation) => context.Sidecars.SingleOrDefaultAsync(
        s => s.Application == identity.Scope.Application && s.Tenant == identity.Scope.Tenant && s.Name == identity.Name, cancellation);

    private async Task CatchUpAsync(Revision head, CancellationToken cancellation)
    {
        if (Volatile.Read(ref _caughtUp).Value >= head)
        {
            return;
        }

        await _catchingUp.WaitAsync(cancellation);
        try
        {
            var before = _caughtUp.Value;
            if (before >= head)
            {
                return;
            }

            // The rows of before are still there when a new history has begun.
            var since = (long)before.Number;
            // As of the moment that is read, which may be a later one.
            var (now, rows) = await store.ReadAsync(async (context, now) => (now, await context.Sidecars.Where(s => s.Revision > since).ToListAsync(cancellation)), cancellation);
            foreach (var row in rows)
            {
                _known[new SidecarIdentity(new SyncScope(row.Application, row.Tenant), row.Name)] = row;
            }

            Volatile.Write(ref _caughtUp, new StrongBox<Revision>(now));
        }
        finally
        {
            _catchingUp.Release();
        }
    }
}
