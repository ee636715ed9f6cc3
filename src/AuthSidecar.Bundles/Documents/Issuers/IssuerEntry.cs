using System.Text.Json;

namespace AuthSidecar.Bundles;

/// <summary>An issuer as `issuers.json` has it. What is not set is that of its preset, or else the default.</summary>
internal sealed record IssuerEntry
{
    /// <summary>The provider whose tokens it issues; see <see cref="IssuerPreset"/>.</summary>
    public string Preset { get; set; } = "";

    /// <summary><c>iss</c>; with <c>{tenantid}</c> or the like in it, the issuers of several <see cref="Tenants"/>.</summary>
    public string Issuer { get; set; } = "";

    /// <summary>Other values of <c>iss</c>.</summary>
    public IReadOnlyList<string> Aliases { get; set; } = [];

    /// <summary>What the placeholder of the issuer stands for: nothing else is accepted.</summary>
    public IReadOnlyList<string> Tenants { get; set; } = [];

    /// <summary>The claim that must be the tenant of the issuer.</summary>
    public string TenantClaim { get; set; } = "";

    /// <summary>The SPIFFE trust domain whose JWT-SVIDs are accepted.</summary>
    public string TrustDomain { get; set; } = "";

    /// <summary>The file with its key set, in the bundle; empty: it publishes it.</summary>
    public string Jwks { get; set; } = "";

    /// <summary>Where it publishes its key set; empty: it is in the bundle.</summary>
    public string JwksUrl { get; set; } = "";

    /// <summary>Whether its metadata says where the key set is.</summary>
    public bool? Discovery { get; set; }

    /// <summary>The algorithm of RSA keys that name none.</summary>
    public string KeyAlgorithm { get; set; } = "";

    /// <summary>Where it is asked about opaque tokens; empty: it has none.</summary>
    public string IntrospectionUrl { get; set; } = "";

    /// <summary>What its opaque tokens begin with.</summary>
    public string OpaquePrefix { get; set; } = "";

    public IReadOnlyList<string> Audiences { get; set; } = [];

    /// <summary>The claim that has the audience of tokens without <c>aud</c>.</summary>
    public string AudienceClaim { get; set; } = "";

    public IReadOnlyList<string>? Types { get; set; }

    /// <summary>Whether tokens without <c>typ</c> are accepted.</summary>
    public bool? TypesOptional { get; set; }

    /// <summary>Claims that tokens must have, each with its allowed values, or true for any.</summary>
    public IReadOnlyDictionary<string, JsonElement> RequiredClaims { get; set; } = new Dictionary<string, JsonElement>();

    /// <summary>Claims that tokens must not have.</summary>
    public IReadOnlyList<string> ForbiddenClaims { get; set; } = [];

    /// <summary>The claim that has the client of tokens without <c>client_id</c>.</summary>
    public string ClientIdClaim { get; set; } = "";

    /// <summary>Whether tokens without <c>iat</c> are accepted.</summary>
    public bool? IssuedAtOptional { get; set; }

    public int? ClockSkewSeconds { get; set; }
    public PrincipalEntry Principal { get; set; } = new();

    /// <summary>The issuer that it is known by: its own, or that of its preset.</summary>
    public string Name => Issuer.Length > 0 ? Issuer
        : TrustDomain.Length > 0 ? $"spiffe://{TrustDomain}"
        : IssuerPreset.Find(Preset, Issuer)?.Issuer ?? "";
}

/// <summary>See <see cref="PrincipalMapping"/>.</summary>
internal sealed record PrincipalEntry
{
    public string Type { get; set; } = "";
    public string Id { get; set; } = "";
    public IReadOnlyDictionary<string, string> Attributes { get; set; } = new Dictionary<string, string>();
    public IReadOnlyDictionary<string, string> Parents { get; set; } = new Dictionary<string, string>();
    public IReadOnlyList<string> Required { get; set; } = [];
}
