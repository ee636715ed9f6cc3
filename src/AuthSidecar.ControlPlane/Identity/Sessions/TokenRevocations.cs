using AuthSidecar.ControlPlane.Issuers;
using AuthSidecar.ControlPlane.Revocations;
using AuthSidecar.ControlPlane.V1;
using Google.Protobuf.WellKnownTypes;

namespace AuthSidecar.ControlPlane.Identity.Sessions;

/// <summary>Revokes access tokens of ours: as a part of the write that is the reason, so that sidecars hear of both at once.</summary>
internal static class TokenRevocations
{
    /// <summary>All tokens that a subject has by now, in the eyes of an application's sidecars; empty: of all.</summary>
    public static Task SubjectAsync(StoreTransaction transaction, string application, string subject, CancellationToken cancellation) =>
        SaveAsync(
            transaction,
            application,
            // In whole seconds, as `iat` is: what was issued within this one is revoked as well.
            now => new Revocation { Subject = subject, NotBefore = new Timestamp { Seconds = now.ToUnixTimeSeconds() } },
            cancellation);

    /// <summary>The moment from which on tokens of a subject are good; null: any.</summary>
    public static async Task<DateTimeOffset?> SubjectEpochAsync(StoreContext context, string subject, CancellationToken cancellation)
    {
        if (await IssuerSetting.FindAsync(context, cancellation) is not { } issuer)
            return null;

        return (await FindAsync(context, RevocationRecords.KeyOf(new Revocation { Issuer = issuer, Subject = subject }, ""),
            cancellation))?.NotBefore?.ToDateTimeOffset().AddSeconds(1);
    }

    /// <summary>All tokens of a grant, also those that somebody is signing at this moment: there are none that would still be
    /// good.</summary>
    public static Task GrantAsync(StoreTransaction transaction, string grantId, CancellationToken cancellation) =>
        SaveAsync(transaction, "", now => new Revocation
        {
            SessionId = grantId,
            NotBefore = new Timestamp { Seconds = (now + Longest).ToUnixTimeSeconds() },
        }, cancellation);

    /// <summary>One token.</summary>
    public static Task TokenAsync(StoreTransaction transaction, string tokenId, CancellationToken cancellation) =>
        SaveAsync(transaction, "", _ => new Revocation { TokenId = tokenId }, cancellation);

    /// <summary>By when any token of this moment has expired, by any clock; and one that was being signed, too.</summary>
    public static TimeSpan Longest => 2 * (ServerConstants.AccessTokenLifetime + Tokens.Issuer.MaxClockSkew);

    private static async Task SaveAsync(
        StoreTransaction transaction, string application, Func<DateTimeOffset, Revocation> create, CancellationToken cancellation)
    {
        if (await IssuerSetting.FindAsync(transaction.Context, cancellation) is not { } issuer)
        {
            // Nobody ever had a token.
            return;
        }

        var now = DateTimeOffset.FromUnixTimeMilliseconds(transaction.NowMs);
        var revocation = create(now);
        (revocation.Issuer, revocation.ExpiresAt) = (issuer, Timestamp.FromDateTimeOffset(now + Longest));
        var key = RevocationRecords.KeyOf(revocation, application);
        if (await FindAsync(transaction.Context, key, cancellation) is { } before)
        {
            // What is revoked already stays revoked, at least as far and as long.
            revocation.NotBefore = Later(before.NotBefore, revocation.NotBefore);
            revocation.ExpiresAt = Later(before.ExpiresAt, revocation.ExpiresAt)!;
        }

        await EntryWriter.SaveAsync(
            transaction, key, new EntryChange(RevocationRecords.ToJson(revocation), revocation.ExpiresAt.ToDateTimeOffset()), cancellation);
    }

    private static async Task<Revocation?> FindAsync(StoreContext context, EntryKey key, CancellationToken cancellation) =>
        await context.Entries.AsNoTracking()
            .SingleOrDefaultAsync(r => r.Type == key.Type && r.Key == key.Key && r.Application == key.Placement.Application
                && r.Tenant == key.Placement.Tenant && !r.IsRemoved, cancellation) is { } row
            ? RevocationRecords.Read(row)
            : null;

    private static Timestamp? Later(Timestamp? a, Timestamp? b) => a is null || (b is not null && a.CompareTo(b) < 0) ? b : a;
}
