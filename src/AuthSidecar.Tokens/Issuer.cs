using System.Collections.Frozen;

namespace AuthSidecar.Tokens;

/// <summary>An issuer that we trust: its keys, and what its tokens must be like. Immutable.</summary>
internal sealed record Issuer
{
    public static readonly TimeSpan DefaultClockSkew = TimeSpan.FromSeconds(5);
    public static readonly TimeSpan MaxClockSkew = TimeSpan.FromSeconds(60);

    /// <summary><c>iss</c>, to the letter.</summary>
    public required string Name { get; init; }

    /// <summary>Its keys by key id. Never looked up across issuers: a key speaks for its own issuer alone.</summary>
    public required FrozenDictionary<string, VerificationKey> Keys { get; init; }

    /// <summary>Where it publishes its keys; null: nowhere, and they are what they are.</summary>
    public Uri? KeySetUrl { get; init; }

    /// <summary>Called when a token has a key that is not here. Never waits; null: there is nowhere to look.</summary>
    public Action? LookForKeys { get; init; }

    /// <summary>Where it is asked about its opaque tokens (RFC 7662); null: its tokens are JWTs.</summary>
    public Uri? IntrospectionUrl { get; init; }

    /// <summary>What its opaque tokens begin with; empty: with anything.</summary>
    public string OpaquePrefix { get; init; } = "";

    /// <summary>The audiences that are us; a token must name at least one.</summary>
    public required FrozenSet<string> Audiences { get; init; }

    /// <summary>The values of <c>typ</c> that its access tokens may have; lower case, without <c>application/</c>.</summary>
    public FrozenSet<string> Types { get; init; } = FrozenSet.Create(StringComparer.Ordinal, "at+jwt");

    /// <summary>How far its clock and ours may be apart.</summary>
    public TimeSpan ClockSkew { get; init; } = DefaultClockSkew;

    /// <summary>How its subjects become principals.</summary>
    public PrincipalMapping Principal { get; init; } = new();
}

/// <summary>How a token's subject becomes a Cedar principal.</summary>
internal sealed record PrincipalMapping
{
    /// <summary>The entity type of the principal, whose id is <c>sub</c>.</summary>
    public string Type { get; init; } = "User";

    /// <summary>Attributes of a principal, by the claim each is taken from. They never override what the snapshot knows.</summary>
    public IReadOnlyDictionary<string, string> Attributes { get; init; } = new Dictionary<string, string>();

    /// <summary>Types of parent, by the claim (a string or an array of strings) that lists their ids. Only for principals that the snapshot
    /// does not know.</summary>
    public IReadOnlyDictionary<string, string> Parents { get; init; } = new Dictionary<string, string>();

    /// <summary>The mapped claims that a token must have.</summary>
    public IReadOnlyList<string> Required { get; init; } = [];

    /// <summary>Whether an attribute or a parent is taken from a claim.</summary>
    public bool Maps(string claim) => Parents.ContainsKey(claim) || Attributes.Values.Contains(claim, StringComparer.Ordinal);
}

/// <summary>The issuers of one snapshot. Verified tokens are remembered for this very object: another one is another key epoch.</summary>
internal sealed class IssuerSet(IEnumerable<Issuer> issuers)
{
    private readonly FrozenDictionary<string, Issuer> _byName = issuers.ToFrozenDictionary(i => i.Name, StringComparer.Ordinal);
    private readonly Issuer[] _opaque = [.. issuers.Where(i => i.IntrospectionUrl is not null)];
    private Issuer? _last;

    public static readonly IssuerSet Empty = new([]);

    public IEnumerable<Issuer> All => _byName.Values;
    public Issuer? Find(string name) => _byName.GetValueOrDefault(name);

    /// <summary>Whose a token is that says nothing itself; null: it is a JWT, or nobody's. Of one that could be a JWT no other issuer is
    /// told.</summary>
    public Issuer? FindOpaque(string token)
    {
        if (_opaque.Length == 0 || token.AsSpan().Count('.') == CompactJws.Dots)
            return null;

        foreach (var issuer in _opaque)
        {
            if (token.StartsWith(issuer.OpaquePrefix, StringComparison.Ordinal))
                return issuer;
        }

        return null;
    }

    /// <summary>Whether it is one of these: this very object, and not another of the same name.</summary>
    public bool Contains(Issuer issuer)
    {
        // Most have one issuer that is asked for again and again, and names are long.
        if (ReferenceEquals(_last, issuer))
            return true;

        if (!ReferenceEquals(Find(issuer.Name), issuer))
            return false;

        _last = issuer;
        return true;
    }

    public int Count => _byName.Count;
}
