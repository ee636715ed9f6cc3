using System.Collections.Frozen;
using AuthSidecar.Cedar;

namespace AuthSidecar.Tokens;

/// <summary>The keys of one issuer, by key id and algorithm. Immutable.</summary>
internal sealed class KeySet
{
    public static readonly KeySet Empty = new([], []);

    private readonly FrozenDictionary<string, VerificationKey[]> _byId;

    /// <param name="keys">The keys: of one id, at most one for each algorithm.</param>
    /// <param name="ignored">The entries that were passed over, and why.</param>
    public KeySet(IEnumerable<VerificationKey> keys, IReadOnlyList<Fault> ignored)
    {
        _byId = keys.GroupBy(k => k.KeyId, StringComparer.Ordinal).ToFrozenDictionary(g => g.Key, g => g.ToArray(), StringComparer.Ordinal);
        Ignored = ignored;
    }

    public IReadOnlyList<Fault> Ignored { get; }
    public IEnumerable<VerificationKey> All => _byId.Values.SelectMany(k => k);
    public int Count => _byId.Count;
    public static KeySet Of(params IEnumerable<VerificationKey> keys) => new(keys, []);

    /// <summary>The key of a token; null: there is none of this id, or none for this algorithm.</summary>
    public VerificationKey? Find(string keyId, string algorithm, out bool isKnown)
    {
        isKnown = _byId.TryGetValue(keyId, out var keys);
        foreach (var key in keys ?? [])
        {
            if (key.Accepts(algorithm))
                return key;
        }

        return null;
    }
}

/// <summary>Where an issuer publishes its keys, and which of them count.</summary>
/// <param name="Url">The key set; or, with discovery, the issuer.</param>
/// <param name="IsDiscovered">Whether the issuer's metadata says where the key set is.</param>
/// <param name="Rules">Which of its keys count.</param>
internal sealed record KeySetSource(Uri Url, bool IsDiscovered, KeySetRules Rules);

/// <summary>Which keys of a key set count, and for what.</summary>
/// <param name="Algorithm">The algorithm of RSA keys that name none; null: RS256. An elliptic curve has one of its own.</param>
/// <param name="Use">The <c>use</c> that keys must have; null: <c>sig</c>, or none.</param>
internal sealed record KeySetRules(string? Algorithm = null, string? Use = null)
{
    public static readonly KeySetRules Default = new();

    /// <summary>Those of a SPIFFE trust bundle (SPIFFE Trust Domain and Bundle, section 4.2.2).</summary>
    public static readonly KeySetRules JwtSvid = new(Use: "jwt-svid");
}
