using System.Collections.Frozen;
using AuthSidecar.Cedar;

namespace AuthSidecar.Mfa;

/// <summary>The enrolled second factors of one snapshot. Immutable.</summary>
internal sealed class FactorSet(IEnumerable<Factor> factors)
{
    private readonly FrozenDictionary<FactorKey, Factor> _factors = factors.ToFrozenDictionary(f => f.Key);

    public static readonly FactorSet Empty = new([]);

    public int Count => _factors.Count;

    public Factor? Find(FactorKey key) => _factors.GetValueOrDefault(key);
}

/// <summary>Whose factor, and which of theirs.</summary>
internal readonly record struct FactorKey(EntityUid Subject, string FactorId);

internal abstract record Factor(FactorKey Key);

/// <summary>A TOTP generator (RFC 6238): HMAC-SHA-1, six digits, thirty seconds, which is what every authenticator app can do.</summary>
/// <param name="Key">Whose it is.</param>
/// <param name="Secret">The shared secret, wrapped: it is opened for the length of one comparison.</param>
internal sealed record TotpFactor(FactorKey Key, WrappedSecret Secret) : Factor(Key);

/// <summary>Backup codes of 128 bits, each good once.</summary>
/// <param name="Key">Whose they are.</param>
/// <param name="Hashes">SHA-256 of each canonical code. No salt and no stretching: nobody guesses 128 random bits.</param>
internal sealed record BackupCodesFactor(FactorKey Key, IReadOnlyList<byte[]> Hashes) : Factor(Key);
