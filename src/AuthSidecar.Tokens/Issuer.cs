using System.Collections.Frozen;
using AuthSidecar.Cedar;

namespace AuthSidecar.Tokens;

/// <summary>An issuer that we trust: its keys, and what its tokens must be like. Immutable.</summary>
internal sealed record Issuer
{
    public static readonly TimeSpan DefaultClockSkew = TimeSpan.FromSeconds(5);
    public static readonly TimeSpan MaxClockSkew = TimeSpan.FromSeconds(60);

    /// <summary><c>iss</c>, to the letter.</summary>
    public required string Name { get; init; }

    /// <summary>Other values of <c>iss</c> that its tokens may have.</summary>
    public IReadOnlyList<string> Aliases { get; init; } = [];

    /// <summary>The tenant that it is of, where one issuer was configured for several; null: it was not.</summary>
    public string? Tenant { get; init; }

    /// <summary>The SPIFFE trust domain that it speaks for: its tokens are JWT-SVIDs, which need no <c>iss</c>, and its subjects are SPIFFE
    /// IDs of this domain; null: none.</summary>
    public string? TrustDomain { get; init; }

    /// <summary>Its keys. Never looked up across issuers: a key speaks for its own issuer alone.</summary>
    public required KeySet Keys { get; init; }

    /// <summary>Where it publishes its keys; null: nowhere, and they are what they are.</summary>
    public KeySetSource? KeySource { get; init; }

    /// <summary>Called when a token has a key that is not here. Never waits; null: there is nowhere to look.</summary>
    public Action? LookForKeys { get; init; }

    /// <summary>Where it is asked about its opaque tokens (RFC 7662); null: its tokens are JWTs.</summary>
    public Uri? IntrospectionUrl { get; init; }

    /// <summary>What its opaque tokens begin with; empty: with anything.</summary>
    public string OpaquePrefix { get; init; } = "";

    /// <summary>The audiences that are us; a token must name at least one.</summary>
    public required FrozenSet<string> Audiences { get; init; }

    /// <summary>The claim that has the audience of tokens without <c>aud</c>; null: they are refused.</summary>
    public ClaimPath? AudienceClaim { get; init; }

    /// <summary>The claim that has the client of tokens without <c>client_id</c>; null: none.</summary>
    public ClaimPath? ClientIdClaim { get; init; }

    /// <summary>The values of <c>typ</c> that its access tokens may have; lower case, without <c>application/</c>.</summary>
    public FrozenSet<string> Types { get; init; } = FrozenSet.Create(StringComparer.Ordinal, "at+jwt");

    /// <summary>Whether its access tokens may have no <c>typ</c>.</summary>
    public bool IsTypeOptional { get; init; }

    /// <summary>Whether its tokens may have no <c>iat</c>. Such a token counts as revoked by every revocation of its session or
    /// subject.</summary>
    public bool IsIssuedAtOptional { get; init; }

    /// <summary>Claims that its access tokens must have.</summary>
    public IReadOnlyList<ClaimRule> RequiredClaims { get; init; } = [];

    /// <summary>Claims that its access tokens never have, but other kinds of its tokens do.</summary>
    public IReadOnlyList<ClaimPath> ForbiddenClaims { get; init; } = [];

    /// <summary>How far its clock and ours may be apart.</summary>
    public TimeSpan ClockSkew { get; init; } = DefaultClockSkew;

    /// <summary>How its subjects become principals.</summary>
    public PrincipalMapping Principal { get; init; } = new();

    /// <summary>Whether a claim is required to have a value.</summary>
    public bool Requires(string claim, string value) =>
        RequiredClaims.Any(r => r.Path.IsName(claim) && r.Values.Any(v => v.IsText(value)));
}

/// <summary>The issuers of one snapshot. Verified tokens are remembered for this very object: another one is another key epoch.</summary>
internal sealed class IssuerSet(IEnumerable<Issuer> issuers)
{
    private readonly FrozenDictionary<string, Issuer> _byName = issuers
        .SelectMany(i => i.Aliases.Prepend(i.Name).Select(name => KeyValuePair.Create(name, i)))
        .ToFrozenDictionary(StringComparer.Ordinal);

    private readonly FrozenDictionary<string, Issuer> _byTrustDomain = issuers.Where(i => i.TrustDomain is not null)
        .ToFrozenDictionary(i => i.TrustDomain!, StringComparer.Ordinal);

    private readonly Issuer[] _opaque = [.. issuers.Where(i => i.IntrospectionUrl is not null)];
    private Issuer? _last;

    public static readonly IssuerSet Empty = new([]);

    public IReadOnlyList<Issuer> All { get; } = [.. issuers];

    /// <summary>What was passed over when they were read, such as keys that cannot be used.</summary>
    public IReadOnlyList<Fault> Warnings { get; init; } = [];

    public Issuer? Find(string name) => _byName.GetValueOrDefault(name);

    /// <summary>Whose a token is, by what it says itself: its <c>iss</c>, or else the trust domain of its subject.</summary>
    public Issuer? Find(ref ClaimReader claims)
    {
        if (claims.Has(Claim.Issuer) && claims.OptionalString(Claim.Issuer) is { } name && Find(name) is { } issuer)
            return issuer;

        return _byTrustDomain.Count > 0 && claims.OptionalString(Claim.Subject) is { } subject
            && SpiffeId.TrustDomainOf(subject) is { } domain ? _byTrustDomain.GetValueOrDefault(domain) : null;
    }

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

    public int Count => All.Count;
}
