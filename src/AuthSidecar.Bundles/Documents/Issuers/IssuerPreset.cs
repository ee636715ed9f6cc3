namespace AuthSidecar.Bundles;

/// <summary>What a provider's tokens need, so that an entry of `issuers.json` says only what is its operator's own. Each is described and
/// tested in docs/providers.md.</summary>
internal sealed record IssuerPreset(string Name)
{
    /// <summary>ID tokens have these, and access tokens of providers that use one <c>typ</c> for both do not.</summary>
    private static readonly string[] IdTokenClaims = ["nonce", "at_hash", "c_hash"];

    private static readonly IssuerPreset Entra = new("entra")
    {
        Issuer = "https://login.microsoftonline.com/{tenantid}/v2.0",
        JwksUrl = "https://login.microsoftonline.com/common/discovery/v2.0/keys",
        TenantClaim = "tid",
        Types = ["JWT", "at+jwt"],
        // Of access tokens alone.
        RequiredClaims = { ["azp"] = [] },
        ForbiddenClaims = IdTokenClaims,
        ClientIdClaim = "azp",
        // Its `sub` is another for every application.
        PrincipalId = "oid",
        HasTrailingSlash = false,
    };

    /// <summary>Tokens of its first version, of applications that ask for no other.</summary>
    private static readonly IssuerPreset EntraV1 = Entra with
    {
        Issuer = "https://sts.windows.net/{tenantid}/",
        JwksUrl = "https://login.microsoftonline.com/common/discovery/keys",
        RequiredClaims = new(StringComparer.Ordinal) { ["appid"] = [] },
        ClientIdClaim = "appid",
        HasTrailingSlash = true,
    };

    public static readonly IReadOnlyList<IssuerPreset> All =
    [
        new("apple")
        {
            Issuer = "https://appleid.apple.com",
            JwksUrl = "https://appleid.apple.com/auth/keys",
            Types = ["JWT"],
            TypesOptional = true,
        },
        new("auth0")
        {
            IsDiscovered = true,
            HasTrailingSlash = true,
            Types = ["at+jwt", "JWT"],
            ForbiddenClaims = IdTokenClaims,
            ClientIdClaim = "azp",
        },
        new("cognito")
        {
            IsDiscovered = true,
            HasTrailingSlash = false,
            Types = ["JWT", "at+jwt"],
            TypesOptional = true,
            RequiredClaims = { ["token_use"] = ["access"] },
            AudienceClaim = "client_id",
        },
        Entra,
        new("firebase")
        {
            Issuer = "https://securetoken.google.com/{project}",
            JwksUrl = "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com",
            TenantClaim = "aud",
            AreTenantsAudiences = true,
            Types = ["JWT"],
        },
        new("github-actions")
        {
            Issuer = "https://token.actions.githubusercontent.com",
            JwksUrl = "https://token.actions.githubusercontent.com/.well-known/jwks",
            Types = ["JWT"],
            PrincipalType = "Workflow",
            // Any workflow of any repository gets a token for any audience.
            OneOfRequired =
            [
                "sub", "repository", "repository_id", "repository_owner", "repository_owner_id", "job_workflow_ref", "workflow_ref",
                "enterprise", "enterprise_id",
            ],
        },
        new("google")
        {
            Issuer = "https://accounts.google.com",
            Aliases = ["accounts.google.com"],
            JwksUrl = "https://www.googleapis.com/oauth2/v3/certs",
            Types = ["JWT"],
            ClientIdClaim = "azp",
        },
        new("keycloak")
        {
            IsDiscovered = true,
            HasTrailingSlash = false,
            Types = ["JWT", "at+jwt"],
            RequiredClaims = { ["typ"] = ["Bearer", "DPoP"] },
            ClientIdClaim = "azp",
        },
        new("kubernetes")
        {
            IsDiscovered = true,
            Types = ["JWT"],
            TypesOptional = true,
            RequiredClaims = { ["kubernetes.io"] = [] },
            PrincipalType = "ServiceAccount",
        },
        new("okta")
        {
            IsDiscovered = true,
            HasTrailingSlash = false,
            Types = ["at+jwt", "okta-internal-at+jwt"],
            TypesOptional = true,
            RequiredClaims = { ["cid"] = [] },
            ForbiddenClaims = IdTokenClaims,
            ClientIdClaim = "cid",
        },
        new("spiffe")
        {
            PrincipalType = "Workload",
        },
        new("zitadel")
        {
            IsDiscovered = true,
            HasTrailingSlash = false,
            Types = ["at+jwt", "JWT"],
            // Of access tokens alone.
            RequiredClaims = { ["jti"] = [] },
            ForbiddenClaims = IdTokenClaims,
            ClientIdClaim = "azp",
        },
    ];

    /// <summary>The issuer, where every customer has the same; null: an entry says it.</summary>
    public string? Issuer { get; init; }

    public IReadOnlyList<string> Aliases { get; init; } = [];
    public string? TenantClaim { get; init; }

    /// <summary>Whether a token's audience is the tenant.</summary>
    public bool AreTenantsAudiences { get; init; }

    /// <summary>Whether the issuers of its customers end with a slash; null: they may or may not.</summary>
    public bool? HasTrailingSlash { get; init; }

    /// <summary>Where all its customers' keys are; null: where its metadata or an entry says.</summary>
    public string? JwksUrl { get; init; }

    public bool IsDiscovered { get; init; }
    public IReadOnlyList<string> Types { get; init; } = [];
    public bool TypesOptional { get; init; }

    /// <summary>Claims with their allowed values; none: any.</summary>
    public Dictionary<string, string[]> RequiredClaims { get; init; } = new(StringComparer.Ordinal);

    /// <summary>Claims of which an entry has to require one, with its values; none: it has not.</summary>
    public IReadOnlyList<string> OneOfRequired { get; init; } = [];

    public IReadOnlyList<string> ForbiddenClaims { get; init; } = [];
    public string? AudienceClaim { get; init; }
    public string? ClientIdClaim { get; init; }
    public string? PrincipalType { get; init; }
    public string? PrincipalId { get; init; }

    /// <summary>The preset of a name, for an issuer.</summary>
    public static IssuerPreset? Find(string name, string issuer) =>
        name == Entra.Name && issuer.StartsWith("https://sts.windows.net/", StringComparison.Ordinal) ? EntraV1
            : All.FirstOrDefault(p => p.Name == name);
}
