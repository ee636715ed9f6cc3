namespace AuthSidecar.Bundles;

/// <summary>The enrolled second factors of one snapshot. Immutable.</summary>
/// <param name="factors">Each with a key of its own.</param>
/// <param name="wrappingKey">What their secrets are wrapped with.</param>
internal sealed class FactorSet(IEnumerable<Factor> factors, byte[] wrappingKey)
{
    private readonly FrozenDictionary<FactorKey, Factor> _factors = factors.ToFrozenDictionary(f => f.Key);
    private readonly byte[] _wrappingKey = wrappingKey;

    public static readonly FactorSet Empty = new([], []);

    public int Count => _factors.Count;
    public Factor? Find(FactorKey key) => _factors.GetValueOrDefault(key);

    /// <summary>The secret of a factor of this set, to be wiped after its use.</summary>
    /// <exception cref="CryptographicException">It cannot be unwrapped. Sets are built only from secrets that can.</exception>
    public byte[] Unwrap(TotpFactor factor) =>
        factor.Secret.TryUnwrap(factor.Key, _wrappingKey) ?? throw new CryptographicException("a TOTP secret cannot be unwrapped");

    /// <summary>Whether the secrets of both are wrapped with the same key.</summary>
    public bool SharesKeyWith(FactorSet other) => CryptographicOperations.FixedTimeEquals(_wrappingKey, other._wrappingKey);

    /// <summary>The same, but for the subjects that are among these: they have the factors given, and no others.</summary>
    public FactorSet With(FactorSet changed, IEnumerable<EntityUid> removed)
    {
        var replaced = changed._factors.Keys.Select(k => k.Subject).Concat(removed).ToHashSet();
        return new FactorSet([.. _factors.Values.Where(f => !replaced.Contains(f.Key.Subject)), .. changed._factors.Values], _wrappingKey);
    }
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
