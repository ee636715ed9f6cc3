using System.Buffers;
using System.Text.Json;

namespace AuthSidecar.Bundles;

/// <summary>Makes issuers of an entry of `issuers.json`: checks all there is to check, and refuses what could never match a token, or would
/// accept tokens that are not meant.</summary>
/// <param name="entry">The entry.</param>
/// <param name="index">Its place in the file, from 0.</param>
/// <param name="faults">Gets what is wrong with it.</param>
internal sealed class IssuerBuilder(IssuerEntry entry, int index, List<Fault> faults)
{
    private const int MaxTenants = 10_000;

    private static readonly string[] DefaultTypes = ["at+jwt"];

    /// <summary>SPIFFE JWT-SVID, section 2.3.</summary>
    private static readonly string[] SvidTypes = ["JWT", "JOSE"];

    /// <summary>Claims that every kind of token has, so that none of them tells one kind from another.</summary>
    private static readonly FrozenSet<string> CommonClaims = FrozenSet.Create(
        StringComparer.Ordinal, "iss", "sub", "aud", "exp", "iat", "nbf", "jti", "sid", "auth_time", "nonce", "at_hash", "c_hash");

    /// <summary>Claims that say something else than who, for whom or by which client.</summary>
    private static readonly FrozenSet<string> OtherClaims = FrozenSet.Create(
        StringComparer.Ordinal, "iss", "exp", "iat", "nbf", "jti", "sid", "nonce", "typ", "scope", "scp", "amr", "acr", "auth_time", "cnf",
        "events", "token_use", "token_type");

    private static readonly string[] NeverForbidden = ["iss", "sub", "aud", "exp", "iat"];

    private static readonly string[] KindClaims = ["typ", "token_use", "token_type"];

    private static readonly SearchValues<char> NoTenant = SearchValues.Create("/{}*?#");

    private static readonly string[] RsaAlgorithms = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"];

    /// <summary>What an issuer of Microsoft Entra ID can be called in its address, and is not called in its tokens.</summary>
    private static readonly string[] EntraPlaceholders = ["common", "organizations", "consumers"];

    private static readonly SearchValues<char> TypeCharacters =
        SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$&-^_.+");

    private readonly IssuerPreset? _preset = IssuerPreset.Find(entry.Preset, entry.Issuer);

    /// <summary>The issuers, when nothing is wrong: one, or one for each tenant.</summary>
    /// <param name="files">Where its key set is, if it is in the bundle.</param>
    /// <param name="warnings">Gets what was passed over.</param>
    public IReadOnlyList<Issuer> Build(BundleFiles files, List<Fault> warnings)
    {
        var before = faults.Count;
        if (entry.Preset.Length > 0 && _preset is null)
        {
            Fail("preset", $"unknown preset `{entry.Preset}`: expected one of {string.Join(", ", IssuerPreset.All.Select(p => p.Name))}");
            return [];
        }

        var (placeholder, tenants) = ReadIssuer();
        var rules = ReadKeyRules();
        var introspectionUrl = Address("introspectionUrl", entry.IntrospectionUrl);
        var (keys, keySetUrl, isDiscovered) = ReadKeySource(files, rules, introspectionUrl, warnings);
        var required = ReadRequiredClaims();
        var mapping = ReadMapping();
        var issuer = new Issuer
        {
            Name = entry.Name,
            Aliases = entry.Aliases.Count > 0 || entry.Issuer.Length > 0 ? entry.Aliases : _preset?.Aliases ?? [],
            TrustDomain = entry.TrustDomain.Length > 0 ? entry.TrustDomain : null,
            Audiences = ReadAudiences(),
            AudienceClaim = ReadSubstitute("audienceClaim", entry.AudienceClaim, _preset?.AudienceClaim),
            ClientIdClaim = ReadSubstitute("clientIdClaim", entry.ClientIdClaim, _preset?.ClientIdClaim),
            Types = ReadTypes(),
            IsTypeOptional = entry.TypesOptional ?? (_preset?.TypesOptional == true || entry.TrustDomain.Length > 0),
            IsIssuedAtOptional = entry.IssuedAtOptional ?? entry.TrustDomain.Length > 0,
            RequiredClaims = required,
            ForbiddenClaims = ReadForbiddenClaims(required, mapping),
            ClockSkew = ReadClockSkew(),
            Keys = keys,
            IntrospectionUrl = introspectionUrl,
            OpaquePrefix = entry.OpaquePrefix,
            Principal = mapping,
        };
        CheckOptions(issuer, introspectionUrl, hasKeys: keys.Count > 0 || keySetUrl.Length > 0 || isDiscovered);
        WarnOfTypes(issuer, warnings);
        WarnOfPaths(mapping, warnings);
        return faults.Count > before ? []
            : placeholder is null ? [With(tenants is [var only] ? ForTenant(issuer, "", only) : issuer, keySetUrl, isDiscovered, rules)]
            : [.. tenants.Select(t => With(ForTenant(issuer, placeholder, t), keySetUrl.Replace(placeholder, t, StringComparison.Ordinal),
                isDiscovered, rules))];
    }

    private Issuer With(Issuer issuer, string keySetUrl, bool isDiscovered, KeySetRules rules)
    {
        if (keySetUrl.Length == 0 && !isDiscovered)
            return issuer;

        var url = isDiscovered ? Address("issuer", issuer.Name) : Address("jwksUrl", keySetUrl);
        return url is null ? issuer : issuer with { KeySource = new KeySetSource(url, isDiscovered, rules) };
    }

    private Issuer ForTenant(Issuer issuer, string placeholder, string tenant)
    {
        var claim = entry.TenantClaim.Length > 0 ? entry.TenantClaim : _preset?.TenantClaim;
        return issuer with
        {
            Name = Fill(issuer.Name),
            Aliases = [.. issuer.Aliases.Select(Fill)],
            Tenant = tenant,
            RequiredClaims = claim is null ? issuer.RequiredClaims
                : [.. issuer.RequiredClaims, new ClaimRule(ClaimPath.Parse(claim), [ClaimValue.Of(tenant)])],
        };

        string Fill(string template) =>
            placeholder.Length == 0 ? template : template.Replace(placeholder, tenant, StringComparison.Ordinal);
    }

    private (string? Placeholder, IReadOnlyList<string> Tenants) ReadIssuer()
    {
        var name = entry.Name;
        if (entry.Preset == "spiffe" && entry.TrustDomain.Length == 0)
        {
            Fail("trustDomain", "`trustDomain` is required with preset `spiffe`");
            return (null, []);
        }

        if (name.Length == 0)
        {
            Fail("issuer", _preset is null ? "`issuer` is empty" : $"`issuer` is required with preset `{entry.Preset}`");
            return (null, []);
        }

        foreach (var (field, text) in entry.Aliases.Select(a => ("aliases", a)).Prepend(("issuer", name)))
        {
            if (text.Length == 0 || text.Any(c => char.IsWhiteSpace(c) || char.IsControl(c)))
                Fail(field, $"`{field}` has an empty value, or one with white space: no token can match it");
        }

        if (entry.TrustDomain.Length > 0 && _preset is { Name: not "spiffe" })
            Fail("trustDomain", $"`trustDomain` is for JWT-SVIDs, and not for preset `{entry.Preset}`");

        if (name.Contains("/.well-known/", StringComparison.Ordinal))
            Fail("issuer", "`issuer` is the URL of metadata: leave out its path from `/.well-known/` on, and set `discovery`");

        if (entry.TrustDomain.Length > 0 && !SpiffeId.IsTrustDomain(entry.TrustDomain))
        {
            Fail("trustDomain",
                $"`{entry.TrustDomain}` is not a SPIFFE trust domain: expected lower-case letters, digits, `.`, `-` and `_`");
        }

        if (_preset?.HasTrailingSlash is { } hasSlash && name.EndsWith('/') != hasSlash)
            Fail("issuer", $"the `iss` of preset `{entry.Preset}` has {(hasSlash ? "a" : "no")} `/` at its end");

        if (IsEntra(name) && EntraPlaceholders.FirstOrDefault(p => name.Contains($"/{p}/", StringComparison.Ordinal)) is { } pseudo)
        {
            Fail("issuer", $"no token has `{pseudo}` in its `iss`: use `{{tenantid}}` in its place, and list the tenants in `tenants`");
            return (null, []);
        }

        var (open, close) = (name.IndexOf('{', StringComparison.Ordinal), name.IndexOf('}', StringComparison.Ordinal));
        if (open < 0 && close < 0)
        {
            foreach (var (field, isSet) in new[] { ("tenants", entry.Tenants.Count > 0), ("tenantClaim", entry.TenantClaim.Length > 0) })
            {
                if (isSet)
                    Fail(field, $"`{field}` requires a placeholder in `issuer`, such as `https://login.example/{{tenantid}}`");
            }

            // The key set is that of all tenants, whether one is named here or in a template.
            var tenantOfEntra = IsEntra(name) && name.Split('/') is [_, _, _, var segment, ..] ? segment : null;
            if (tenantOfEntra is not null && !IsTenantId(tenantOfEntra))
                Fail("issuer", "tokens have the tenant in `iss` as a GUID in lower case, never as a domain name");

            CheckBraces(placeholder: null);
            return (null, tenantOfEntra is null ? [] : [tenantOfEntra]);
        }

        if (open < 0 || close < open + 2 || name.LastIndexOf('{') != open || name.LastIndexOf('}') != close)
        {
            Fail("issuer", "invalid placeholder in `issuer`: expected one, such as `{tenantid}`");
            return (null, []);
        }

        var placeholder = name[open..(close + 1)];
        if (name.IndexOf('/', Math.Min(name.Length, "https://".Length)) is var path && (path < 0 || open < path))
            Fail("issuer", "a placeholder must be in the path of `issuer`: keys are fetched from hosts that are known");

        CheckBraces(placeholder);
        if (entry.Tenants.Count is 0 or > MaxTenants)
            Fail("tenants", $"`tenants` is required: the values of `{placeholder}` in the issuer, 1 to {MaxTenants}");

        foreach (var tenant in entry.Tenants)
        {
            if (tenant.Length == 0 || tenant.Any(c => char.IsWhiteSpace(c) || char.IsControl(c) || NoTenant.Contains(c)))
                Fail("tenants", $"`{tenant}` is not a tenant: expected one value of `{placeholder}`, without patterns");
            else if (IsEntra(name) && !IsTenantId(tenant))
                Fail("tenants", $"`{tenant}` is not a tenant ID: tokens have it as a GUID in lower case, never as a domain name");
        }

        if (entry.Tenants.Distinct(StringComparer.Ordinal).Count() < entry.Tenants.Count)
            Fail("tenants", "`tenants` lists a tenant twice");

        if (ReadPath("tenantClaim", entry.TenantClaim) is { } claim && OtherClaims.Contains(claim.Claim))
            Fail("tenantClaim", $"`tenantClaim` cannot be `{entry.TenantClaim}`: it is never the tenant alone");

        if (_preset?.AreTenantsAudiences == true && entry.Audiences.Count > 0 && entry.Tenants.Except(entry.Audiences).Any())
            Fail("audiences", $"the audience of preset `{entry.Preset}` is the tenant: list all of `tenants`, or leave `audiences` out");

        return (placeholder, entry.Tenants);
    }

    /// <summary>Placeholders that nothing fills in.</summary>
    private void CheckBraces(string? placeholder)
    {
        var texts = entry.Aliases.Select(a => (Field: "aliases", Text: a)).Append(("jwksUrl", entry.JwksUrl));
        foreach (var (field, text) in texts)
        {
            if ((placeholder is null ? text : text.Replace(placeholder, "", StringComparison.Ordinal)).AsSpan().ContainsAny('{', '}'))
                Fail(field, $"`{text}` has a placeholder that `issuer` has not");
        }

        if (entry.IntrospectionUrl.AsSpan().ContainsAny('{', '}'))
            Fail("introspectionUrl", "`introspectionUrl` cannot have a placeholder: opaque tokens do not say their tenant");
    }

    private KeySetRules ReadKeyRules()
    {
        if (entry.KeyAlgorithm.Length > 0 && !RsaAlgorithms.Contains(entry.KeyAlgorithm, StringComparer.Ordinal))
        {
            Fail("keyAlgorithm", $"`keyAlgorithm` must be one of {string.Join(", ", RsaAlgorithms)}: keys of other types have one "
                + "algorithm only");
        }

        return new KeySetRules(
            entry.KeyAlgorithm.Length > 0 ? entry.KeyAlgorithm : null, entry.TrustDomain.Length > 0 ? KeySetRules.JwtSvid.Use : null);
    }

    private (KeySet Keys, string Url, bool IsDiscovered) ReadKeySource(
        BundleFiles files, KeySetRules rules, Uri? introspectionUrl, List<Fault> warnings)
    {
        var isDiscovered = entry.Discovery == true;
        if ((entry.Jwks.Length > 0 ? 1 : 0) + (entry.JwksUrl.Length > 0 ? 1 : 0) + (isDiscovered ? 1 : 0) > 1)
        {
            Fail("jwks", "`jwks`, `jwksUrl` and `discovery` are mutually exclusive");
            return (KeySet.Empty, "", false);
        }

        if (entry.Jwks.Length > 0)
            return (ReadKeySet(files, rules, warnings), "", false);

        var url = entry.JwksUrl;
        if (url.Length == 0 && !isDiscovered && entry.Discovery != false)
        {
            (url, isDiscovered) = (_preset?.JwksUrl ?? "", _preset?.IsDiscovered ?? false);
            if (url.Length > 0 && !IsOfPreset(entry.Issuer))
            {
                Fail("issuer", $"preset `{entry.Preset}` has the keys of `{_preset!.Issuer}`: for another issuer, set `jwksUrl`, `jwks` or "
                    + "`discovery`");
            }
        }

        if (isDiscovered && entry.TrustDomain.Length > 0)
            Fail("discovery", "`discovery` finds the keys of OpenID Connect, not a trust bundle: set `jwksUrl` or `jwks`");

        if (url.Length == 0 && !isDiscovered && introspectionUrl is null)
            Fail("jwks", "no verification method: one of `jwks`, `jwksUrl`, `discovery` or `introspectionUrl` is required");

        Address("jwksUrl", url);
        if (isDiscovered && Address("issuer", entry.Name) is { } issuer && issuer.Query.Length > 0)
            Fail("issuer", "discovery requires an issuer without query");

        return (KeySet.Empty, url, isDiscovered);
    }

    private bool IsOfPreset(string issuer) => issuer.Length == 0 || _preset?.Issuer is not { } own
        || own.Split('/') is [_, _, var host, ..] && issuer.Split('/') is [_, _, var given, ..] && host == given;

    private KeySet ReadKeySet(BundleFiles files, KeySetRules rules, List<Fault> warnings)
    {
        if (!IssuersFile.IsKeySet(entry.Jwks))
        {
            Fail("jwks", $"invalid key set name `{entry.Jwks}`: expected a name ending in `.jwks.json`");
            return KeySet.Empty;
        }

        if (!files.TryRead(entry.Jwks, out var utf8))
        {
            Fail("jwks", $"key set `{entry.Jwks}` not found in the bundle");
            return KeySet.Empty;
        }

        var keys = KeySetReader.ReadFile(entry.Jwks, utf8, rules, faults);
        warnings.AddRange(keys.Ignored);
        if (rules.Algorithm is { } algorithm && keys.Count > 0 && !keys.All.Any(k => k.Accepts(algorithm)))
            Fail("keyAlgorithm", $"`keyAlgorithm` has no effect: every RSA key of `{entry.Jwks}` names its own `alg`, or there is none");

        return keys;
    }

    private FrozenSet<string> ReadAudiences()
    {
        var audiences = entry.Audiences.Count == 0 && _preset?.AreTenantsAudiences == true ? entry.Tenants : entry.Audiences;
        if (audiences.Count == 0 || audiences.Any(string.IsNullOrEmpty))
            Fail("audiences", "`audiences` is empty: at least one audience is required");
        else if (audiences.FirstOrDefault(a => a.Trim().Length < a.Length) is { } padded)
            Fail("audiences", $"`{padded}` has white space around it: no token can match it");

        return audiences.ToFrozenSet(StringComparer.Ordinal);
    }

    private FrozenSet<string> ReadTypes()
    {
        var types = entry.Types ?? (entry.TrustDomain.Length > 0 ? SvidTypes : _preset?.Types ?? DefaultTypes);
        if (types.Count == 0)
            Fail("types", "`types` is empty: at least one token type is required");

        foreach (var type in types)
        {
            var name = WithoutPrefix(type);
            if (name.Length == 0 || name.AsSpan().ContainsAnyExcept(TypeCharacters) || name is "none" or "null")
            {
                Fail("types", $"`{type}` is not a media type that a token can have as `typ`; for tokens without `typ`, see "
                    + "`typesOptional`");
            }
            else if (TokenKinds.IsOther(name))
            {
                Fail("types", $"`{type}` is the type of tokens that are not access tokens");
            }
        }

        return types.Select(WithoutPrefix).ToFrozenSet(StringComparer.Ordinal);

        static string WithoutPrefix(string type)
        {
            const string Prefix = "application/";
            var lower = type.ToLowerInvariant();
            return lower.StartsWith(Prefix, StringComparison.Ordinal) ? lower[Prefix.Length..] : lower;
        }
    }

    private List<ClaimRule> ReadRequiredClaims()
    {
        var rules = new List<ClaimRule>();
        foreach (var (claim, values) in entry.RequiredClaims)
        {
            if (ReadPath("requiredClaims", claim) is not { } path)
                continue;

            var allowed = ReadValues(claim, values);
            if (path.IsName("events"))
            {
                Fail("requiredClaims", "`events` is a claim of tokens that are not access tokens");
            }
            else if (KindClaims.Any(path.IsName) && allowed.Find(IsOtherKind) is { } other)
            {
                Fail("requiredClaims", $"`{other}` as `{claim}` is the kind of tokens that are not access tokens");
            }
            else if (_preset?.Name == "github-actions" && values.ValueKind == JsonValueKind.Array
                && values.EnumerateArray().Any(IsNoGitHubValue))
            {
                Fail("requiredClaims", $"invalid values of `{claim}`: GitHub sends strings, and patterns such as `*` are not known");
            }

            rules.Add(new ClaimRule(path, [.. allowed.Select(v => v!.Value)]));
        }

        foreach (var (claim, values) in _preset?.RequiredClaims.Where(r => !entry.RequiredClaims.ContainsKey(r.Key)) ?? [])
            rules.Add(new ClaimRule(ClaimPath.Parse(claim), [.. values.Select(ClaimValue.Of)]));

        if (_preset is { OneOfRequired: { Count: > 0 } names } && !rules.Exists(r => r.Values.Count > 0 && names.Contains(r.Path.Text)))
        {
            Fail("requiredClaims", $"preset `{entry.Preset}` needs the allowed values of one of {string.Join(", ", names)} in "
                + "`requiredClaims`: everybody gets tokens for any audience");
        }

        return rules;

        static bool IsOtherKind(ClaimValue? value) => value?.IsString == false || TokenKinds.IsOther(value.ToString()!);
        static bool IsNoGitHubValue(JsonElement value) =>
            value.ValueKind != JsonValueKind.String || value.GetString()!.Contains('*', StringComparison.Ordinal);
    }

    private List<ClaimValue?> ReadValues(string claim, JsonElement values)
    {
        if (values.ValueKind == JsonValueKind.True)
            return [];

        var read = values.ValueKind == JsonValueKind.Array ? values.EnumerateArray().Select(ClaimValue.TryRead).ToList() : [];
        if (read.Count == 0 || read.Contains(null))
        {
            Fail("requiredClaims", $"invalid values of `{claim}`: expected an array of strings, Booleans or whole numbers, or `true` for "
                + "any value");
            return [];
        }

        return read;
    }

    private List<ClaimPath> ReadForbiddenClaims(List<ClaimRule> required, PrincipalMapping mapping)
    {
        var forbidden = entry.ForbiddenClaims.Count > 0 ? entry.ForbiddenClaims : _preset?.ForbiddenClaims ?? [];
        var paths = forbidden.Select(c => ReadPath("forbiddenClaims", c)).OfType<ClaimPath>().ToList();
        foreach (var path in paths)
        {
            if (NeverForbidden.Any(path.IsName) || required.Exists(r => r.Path.Equals(path))
                || mapping.Required.Contains(path) || path.Equals(mapping.Id))
            {
                Fail("forbiddenClaims", $"`{path}` is a claim that tokens must have: none could be accepted");
            }
        }

        return paths;
    }

    private TimeSpan ReadClockSkew()
    {
        var seconds = entry.ClockSkewSeconds ?? (int)Issuer.DefaultClockSkew.TotalSeconds;
        if (seconds < 0 || seconds > Issuer.MaxClockSkew.TotalSeconds)
            Fail("clockSkewSeconds", $"`clockSkewSeconds` must be 0 to {Issuer.MaxClockSkew.TotalSeconds}");

        return TimeSpan.FromSeconds(Math.Clamp(seconds, 0, Issuer.MaxClockSkew.TotalSeconds));
    }

    private PrincipalMapping ReadMapping()
    {
        var principal = entry.Principal;
        var type = principal.Type.Length > 0 ? principal.Type : _preset?.PrincipalType ?? "User";
        if (principal.Parents.Values.Append(type).FirstOrDefault(t => !EntityType.IsValid(t)) is { } invalid)
            Fail("principal", $"`{invalid}` is not an entity type name");

        var id = ReadSubstitute("principal.id", principal.Id, _preset?.PrincipalId);
        if (entry.TrustDomain.Length > 0 && id is not null)
            Fail("principal", "the principal of a JWT-SVID is its `sub`: `principal.id` must not be set");

        var parents = principal.Parents.Select(p => (Path: ReadPath("principal", p.Key), p.Value)).Where(p => p.Path is not null).ToList();
        if (parents.GroupBy(p => p.Path).FirstOrDefault(g => g.Count() > 1) is { } twice)
            Fail("principal", $"`principal.parents` maps claim `{twice.Key}` twice");

        var mapping = new PrincipalMapping
        {
            Type = type,
            Id = id?.Text == "sub" ? null : id,
            Attributes = principal.Attributes.Select(a => (a.Key, Path: ReadPath("principal", a.Value))).Where(a => a.Path is not null)
                .ToDictionary(a => a.Key, a => a.Path!, StringComparer.Ordinal),
            Parents = parents.DistinctBy(p => p.Path).ToDictionary(p => p.Path!, p => p.Value),
            Required = [.. principal.Required.Select(c => ReadPath("principal", c)).OfType<ClaimPath>()],
        };
        if (mapping.Required.FirstOrDefault(c => !mapping.Maps(c)) is { } unmapped)
            Fail("principal", $"`principal.required` lists claim `{unmapped}`, which is not mapped to an attribute or parent");

        return mapping;
    }

    /// <summary>Options that are of no effect, or would accept more than is meant.</summary>
    private void CheckOptions(Issuer issuer, Uri? introspectionUrl, bool hasKeys)
    {
        if (introspectionUrl is null && entry.OpaquePrefix.Length > 0)
            Fail("opaquePrefix", "`opaquePrefix` requires `introspectionUrl`");

        foreach (var (field, isSet) in new[]
        {
            ("keyAlgorithm", entry.KeyAlgorithm.Length > 0), ("types", entry.Types is not null),
            ("typesOptional", entry.TypesOptional == true),
        })
        {
            if (isSet && !hasKeys && entry.Jwks.Length == 0)
                Fail(field, $"`{field}` is for JWTs, and this issuer has no keys: one of `jwks`, `jwksUrl` or `discovery` is required");
        }

        if (entry.TypesOptional == true && entry.TrustDomain.Length == 0
            && !issuer.RequiredClaims.Any(r => !CommonClaims.Contains(r.Path.Claim)))
        {
            Fail("typesOptional", "`typesOptional` requires a claim in `requiredClaims` that only access tokens of this issuer have: "
                + "without `typ`, ID tokens would be accepted as well");
        }
    }

    /// <summary>An issuer whose ID tokens nothing but their audience tells from access tokens.</summary>
    private void WarnOfTypes(Issuer issuer, List<Fault> warnings)
    {
        if (_preset is null && issuer.Types.Contains("jwt") && issuer.TrustDomain is null && issuer.RequiredClaims.Count == 0
            && issuer.ForbiddenClaims.Count == 0)
        {
            warnings.Add(new Fault(IssuersFile.FileName, 0, 0,
                $"{Title}: ID tokens have `typ` `JWT` as well, and are accepted with one of `audiences`: name a claim in "
                    + "`requiredClaims` or `forbiddenClaims` that tells them apart"));
        }
    }

    /// <summary>Names of claims that look like a path in another notation.</summary>
    private void WarnOfPaths(PrincipalMapping mapping, List<Fault> warnings)
    {
        foreach (var path in mapping.Attributes.Values.Concat(mapping.Parents.Keys).Where(p => !p.Text.StartsWith('/')))
        {
            if (path.Text[0] is '#' or '$' || path.Text.Contains('*', StringComparison.Ordinal)
                || (path.Text.Contains('/', StringComparison.Ordinal) && !path.Text.Contains(':', StringComparison.Ordinal))
                || path.Text.StartsWith("realm_access.", StringComparison.Ordinal)
                || path.Text.StartsWith("resource_access.", StringComparison.Ordinal))
            {
                warnings.Add(new Fault(IssuersFile.FileName, 0, 0,
                    $"{Title}: `{path}` is the name of a claim, not a path: for a member within a claim, write a JSON pointer such as "
                        + "`/realm_access/roles`"));
            }
        }
    }

    private ClaimPath? ReadSubstitute(string option, string configured, string? preset)
    {
        var field = option.Split('.')[0];
        if (configured.Length == 0)
            return preset is null ? null : ClaimPath.Parse(preset);

        if (ReadPath(field, configured) is not { } path)
            return null;

        if (OtherClaims.Contains(path.Claim) || path.Claim == "aud")
            Fail(field, $"`{option}` cannot be `{configured}`");

        return path;
    }

    private ClaimPath? ReadPath(string field, string claim)
    {
        var path = ClaimPath.TryParse(claim);
        if (path is null && !(claim.Length == 0 && field == "tenantClaim"))
            Fail(field, $"`{claim}` is not a claim: expected its name, or a JSON pointer such as `/realm_access/roles`");

        return path;
    }

    private static bool IsTenantId(string text) => Guid.TryParseExact(text, "D", out _) && !text.Any(char.IsAsciiLetterUpper);

    private static bool IsEntra(string issuer) =>
        issuer.StartsWith("https://login.microsoftonline.", StringComparison.Ordinal)
        || issuer.StartsWith("https://sts.windows.net/", StringComparison.Ordinal);

    private Uri? Address(string field, string text)
    {
        if (Uri.TryCreate(text, UriKind.Absolute, out var url) && url.Scheme == Uri.UriSchemeHttps
            && url.UserInfo.Length == 0 && url.Fragment.Length == 0)
        {
            return url;
        }

        if (text.Length > 0)
        {
            Fail(field, url is { Scheme: "https" } ? $"`{field}` has credentials or a fragment: expected an `https:` URL without"
                : $"`{text}` is not an `https:` URL");
        }

        return null;
    }

    private string Title => entry.Name.Length > 0 ? $"issuer `{entry.Name}`" : $"issuers[{index}]";

    private void Fail(string field, string message) =>
        faults.Add(new Fault(IssuersFile.FileName, 0, 0, $"{Title}: {message}") { Field = field });
}
