using System.Buffers;

namespace AuthSidecar.Bundles;

/// <summary>Makes issuers of an entry of `issuers.json`: checks all there is to check, and refuses what could never match a token, or would
/// accept tokens that are not meant.</summary>
internal sealed class IssuerBuilder(IssuerEntry entry, IssuerFaults faults)
{
    private static readonly string[] DefaultTypes = ["at+jwt"];

    /// <summary>SPIFFE JWT-SVID, section 2.3.</summary>
    private static readonly string[] SvidTypes = ["JWT", "JOSE"];

    /// <summary>Claims that other kinds of tokens have as well, so that none of them tells one kind from another.</summary>
    private static readonly FrozenSet<string> CommonClaims = FrozenSet.Create(
        StringComparer.Ordinal, "iss", "sub", "aud", "exp", "iat", "nbf", "jti", "sid", "auth_time", "nonce", "at_hash", "c_hash");

    private static readonly SearchValues<char> TypeCharacters =
        SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$&-^_.+");

    private readonly IssuerPreset? _preset = IssuerPreset.Find(entry.Preset, entry.Issuer);

    /// <summary>The issuers, when nothing is wrong: one, or one for each tenant.</summary>
    /// <param name="files">Where its key set is, if it is in the bundle.</param>
    public IReadOnlyList<Issuer> Build(BundleFiles files)
    {
        var before = faults.Count;
        if (entry.Preset.Length > 0 && _preset is null)
        {
            faults.Fail(
                "preset", $"unknown preset `{entry.Preset}`: expected one of {string.Join(", ", IssuerPreset.All.Select(p => p.Name))}");
            return [];
        }

        var (names, keyOptions, claims) =
            (new IssuerNames(entry, _preset, faults), new IssuerKeys(entry, _preset, faults), new IssuerClaims(entry, _preset, faults));
        var (placeholder, tenants) = names.Read();
        var rules = keyOptions.ReadRules();
        var introspectionUrl = faults.Address("introspectionUrl", entry.IntrospectionUrl);
        var (keys, url, isDiscovered) = keyOptions.Read(files, rules, introspectionUrl);
        var (required, mapping) = (claims.ReadRequired(), claims.ReadMapping());
        var issuer = new Issuer
        {
            Name = entry.Name,
            Aliases = entry.Aliases.Count > 0 || entry.Name != _preset?.Issuer ? entry.Aliases : _preset.Aliases,
            TrustDomain = entry.TrustDomain.Length > 0 ? entry.TrustDomain : null,
            Audiences = ReadAudiences(),
            AudienceClaim = claims.ReadSubstitute("audienceClaim", entry.AudienceClaim, _preset?.AudienceClaim),
            ClientIdClaim = claims.ReadSubstitute("clientIdClaim", entry.ClientIdClaim, _preset?.ClientIdClaim),
            Types = ReadTypes(),
            IsTypeOptional = entry.TypesOptional ?? (_preset?.TypesOptional == true || entry.TrustDomain.Length > 0),
            IsIssuedAtOptional = entry.IssuedAtOptional ?? entry.TrustDomain.Length > 0,
            RequiredClaims = required,
            ForbiddenClaims = claims.ReadForbidden(required, mapping),
            ClockSkew = ReadClockSkew(),
            Keys = keys,
            IntrospectionUrl = introspectionUrl,
            OpaquePrefix = entry.OpaquePrefix,
            Principal = mapping,
        };
        CheckOptions(issuer, introspectionUrl, hasKeys: keys.Count > 0 || url.Length > 0 || isDiscovered);
        WarnOfTypes(issuer);
        if (faults.Count > before)
            return [];

        if (placeholder is null)
            return [keyOptions.With(tenants is [var only] ? names.ForTenant(issuer, "", only) : issuer, url, isDiscovered, rules)];

        return [.. tenants.Select(t => keyOptions.With(
            names.ForTenant(issuer, placeholder, t), url.Replace(placeholder, t, StringComparison.Ordinal), isDiscovered, rules))];
    }

    private FrozenSet<string> ReadAudiences()
    {
        var audiences = entry.Audiences.Count == 0 && _preset?.AreTenantsAudiences == true ? entry.Tenants : entry.Audiences;
        if (audiences.Count == 0 || audiences.Any(string.IsNullOrEmpty))
            faults.Fail("audiences", "`audiences` is empty: at least one audience is required");
        else if (audiences.FirstOrDefault(a => a.Trim().Length < a.Length) is { } padded)
            faults.Fail("audiences", $"`{padded}` has white space around it: no token can match it");

        return audiences.ToFrozenSet(StringComparer.Ordinal);
    }

    private FrozenSet<string> ReadTypes()
    {
        var types = entry.Types ?? (entry.TrustDomain.Length > 0 ? SvidTypes : _preset?.Types ?? DefaultTypes);
        if (types.Count == 0)
            faults.Fail("types", "`types` is empty: at least one token type is required");

        foreach (var type in types)
        {
            var name = WithoutPrefix(type);
            if (name.Length == 0 || name.AsSpan().ContainsAnyExcept(TypeCharacters) || name is "none" or "null")
            {
                faults.Fail("types", $"`{type}` is not a media type that a token can have as `typ`; for tokens without `typ`, see "
                    + "`typesOptional`");
            }
            else if (TokenKinds.IsOther(name))
            {
                faults.Fail("types", $"`{type}` is the type of tokens that are not access tokens");
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

    private TimeSpan ReadClockSkew()
    {
        var seconds = entry.ClockSkewSeconds ?? (int)Issuer.DefaultClockSkew.TotalSeconds;
        if (seconds < 0 || seconds > Issuer.MaxClockSkew.TotalSeconds)
            faults.Fail("clockSkewSeconds", $"`clockSkewSeconds` must be 0 to {Issuer.MaxClockSkew.TotalSeconds}");

        return TimeSpan.FromSeconds(Math.Clamp(seconds, 0, Issuer.MaxClockSkew.TotalSeconds));
    }

    /// <summary>Options that are of no effect, or would accept more than is meant.</summary>
    private void CheckOptions(Issuer issuer, Uri? introspectionUrl, bool hasKeys)
    {
        if (introspectionUrl is null && entry.OpaquePrefix.Length > 0)
            faults.Fail("opaquePrefix", "`opaquePrefix` requires `introspectionUrl`");

        foreach (var (field, isSet) in new[]
        {
            ("keyAlgorithm", entry.KeyAlgorithm.Length > 0), ("types", entry.Types is not null),
            ("typesOptional", entry.TypesOptional == true),
        })
        {
            if (isSet && !hasKeys && entry.Jwks.Length == 0)
            {
                faults.Fail(field,
                    $"`{field}` is for JWTs, and this issuer has no keys: one of `jwks`, `jwksUrl` or `discovery` is required");
            }
        }

        if (entry.TypesOptional == true && entry.TrustDomain.Length == 0
            && !issuer.RequiredClaims.Any(r => !CommonClaims.Contains(r.Path.Claim)))
        {
            faults.Fail("typesOptional",
                "`typesOptional` requires a claim in `requiredClaims` that only access tokens of this issuer have: "
                    + "without `typ`, ID tokens would be accepted as well");
        }
    }

    /// <summary>An issuer whose ID tokens nothing but their audience tells from access tokens.</summary>
    private void WarnOfTypes(Issuer issuer)
    {
        if (_preset is null && issuer.Types.Contains("jwt") && issuer.TrustDomain is null && issuer.RequiredClaims.Count == 0
            && issuer.ForbiddenClaims.Count == 0)
        {
            faults.Warn(
                "ID tokens have `typ` `JWT` as well, and are accepted with one of `audiences`: name a claim in "
                    + "`requiredClaims` or `forbiddenClaims` that tells them apart");
        }
    }
}
