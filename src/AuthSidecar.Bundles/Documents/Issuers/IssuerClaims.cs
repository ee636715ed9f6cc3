using System.Text.Json;

namespace AuthSidecar.Bundles;

/// <summary>The claims that an entry names: required, forbidden, in place of others, and for the principal.</summary>
internal sealed class IssuerClaims(IssuerEntry entry, IssuerPreset? preset, IssuerFaults faults)
{
    /// <summary>Claims that say something else than who, for whom, by which client or in which tenant.</summary>
    public static readonly FrozenSet<string> OtherClaims = FrozenSet.Create(
        StringComparer.Ordinal, "iss", "exp", "iat", "nbf", "jti", "sid", "nonce", "typ", "scope", "scp", "amr", "acr", "auth_time", "cnf",
        "events", "token_use", "token_type");

    private static readonly string[] NeverForbidden = ["iss", "sub", "aud", "exp", "iat"];

    private static readonly string[] KindClaims = ["typ", "token_use", "token_type"];

    /// <summary>The claims that tokens must have.</summary>
    public List<ClaimRule> ReadRequired()
    {
        var rules = new List<ClaimRule>();
        foreach (var (claim, values) in entry.RequiredClaims)
        {
            if (faults.Path("requiredClaims", claim) is not { } path)
                continue;

            var allowed = ReadValues(claim, values);
            if (path.IsName("events"))
            {
                faults.Fail("requiredClaims", "`events` is a claim of tokens that are not access tokens");
            }
            else if (KindClaims.Any(path.IsName) && allowed.Find(IsOtherKind) is { } other)
            {
                faults.Fail("requiredClaims", $"`{other}` as `{claim}` is the kind of tokens that are not access tokens");
            }
            else if (preset?.Name == "github-actions" && values.ValueKind == JsonValueKind.Array
                && values.EnumerateArray().Any(IsNoGitHubValue))
            {
                faults.Fail("requiredClaims", $"invalid values of `{claim}`: GitHub sends strings, and patterns such as `*` are not known");
            }

            rules.Add(new ClaimRule(path, [.. allowed.Select(v => v!.Value)]));
        }

        foreach (var (claim, values) in preset?.RequiredClaims.Where(r => !entry.RequiredClaims.ContainsKey(r.Key)) ?? [])
            rules.Add(new ClaimRule(ClaimPath.Parse(claim), [.. values.Select(ClaimValue.Of)]));

        if (preset is { OneOfRequired: { Count: > 0 } names } && !rules.Exists(r => r.Values.Count > 0 && names.Contains(r.Path.Text)))
        {
            faults.Fail("requiredClaims", $"preset `{entry.Preset}` needs the allowed values of one of {string.Join(", ", names)} in "
                + "`requiredClaims`: everybody gets tokens for any audience");
        }

        return rules;

        static bool IsOtherKind(ClaimValue? value) => value?.IsString == false || TokenKinds.IsOther(value.ToString()!);
        static bool IsNoGitHubValue(JsonElement value) =>
            value.ValueKind != JsonValueKind.String || value.GetString()!.Contains('*', StringComparison.Ordinal);
    }

    /// <summary>The claims that tokens must not have.</summary>
    public List<ClaimPath> ReadForbidden(List<ClaimRule> required, PrincipalMapping mapping)
    {
        var forbidden = entry.ForbiddenClaims.Count > 0 ? entry.ForbiddenClaims : preset?.ForbiddenClaims ?? [];
        var paths = forbidden.Select(c => faults.Path("forbiddenClaims", c)).OfType<ClaimPath>().ToList();
        foreach (var path in paths)
        {
            if (NeverForbidden.Any(path.IsName) || required.Exists(r => r.Path.Equals(path))
                || mapping.Required.Contains(path) || path.Equals(mapping.Id))
            {
                faults.Fail("forbiddenClaims", $"`{path}` is a claim that tokens must have: none could be accepted");
            }
        }

        return paths;
    }

    /// <summary>A claim that takes the place of another; null: none does.</summary>
    public ClaimPath? ReadSubstitute(string option, string configured, string? fallback)
    {
        var field = option.Split('.')[0];
        if (configured.Length == 0)
            return fallback is null ? null : ClaimPath.Parse(fallback);

        if (faults.Path(field, configured) is not { } path)
            return null;

        if (OtherClaims.Contains(path.Claim) || path.Claim == "aud")
            faults.Fail(field, $"`{option}` cannot be `{configured}`");

        return path;
    }

    /// <summary>How the subject becomes a principal.</summary>
    public PrincipalMapping ReadMapping()
    {
        var principal = entry.Principal;
        var type = principal.Type.Length > 0 ? principal.Type : preset?.PrincipalType ?? "User";
        if (principal.Parents.Values.Append(type).FirstOrDefault(t => !EntityType.IsValid(t)) is { } invalid)
            faults.Fail("principal", $"`{invalid}` is not an entity type name");

        var id = ReadSubstitute("principal.id", principal.Id, preset?.PrincipalId);
        if (entry.TrustDomain.Length > 0 && id is not null)
            faults.Fail("principal", "the principal of a JWT-SVID is its `sub`: `principal.id` must not be set");

        var parents = principal.Parents.Select(p => (Path: faults.Path("principal", p.Key), p.Value)).Where(p => p.Path is not null)
            .ToList();
        if (parents.GroupBy(p => p.Path).FirstOrDefault(g => g.Count() > 1) is { } twice)
            faults.Fail("principal", $"`principal.parents` maps claim `{twice.Key}` twice");

        var mapping = new PrincipalMapping
        {
            Type = type,
            Id = id?.Text == "sub" ? null : id,
            Attributes = principal.Attributes.Select(a => (a.Key, Path: faults.Path("principal", a.Value))).Where(a => a.Path is not null)
                .ToDictionary(a => a.Key, a => a.Path!, StringComparer.Ordinal),
            Parents = parents.DistinctBy(p => p.Path).ToDictionary(p => p.Path!, p => p.Value),
            Required = [.. principal.Required.Select(c => faults.Path("principal", c)).OfType<ClaimPath>()],
        };
        if (mapping.Required.FirstOrDefault(c => !mapping.Maps(c)) is { } unmapped)
            faults.Fail("principal", $"`principal.required` lists claim `{unmapped}`, which is not mapped to an attribute or parent");

        WarnOfPaths(mapping);
        return mapping;
    }

    private List<ClaimValue?> ReadValues(string claim, JsonElement values)
    {
        if (values.ValueKind == JsonValueKind.True)
            return [];

        var read = values.ValueKind == JsonValueKind.Array ? values.EnumerateArray().Select(ClaimValue.TryRead).ToList() : [];
        if (read.Count == 0 || read.Contains(null))
        {
            faults.Fail("requiredClaims",
                $"invalid values of `{claim}`: expected an array of strings, Booleans or whole numbers, or `true` for any value");
            return [];
        }

        return read;
    }

    /// <summary>Names of claims that look like a path in another notation.</summary>
    private void WarnOfPaths(PrincipalMapping mapping)
    {
        foreach (var path in mapping.Attributes.Values.Concat(mapping.Parents.Keys).Where(p => !p.Text.StartsWith('/')))
        {
            if (path.Text[0] is '#' or '$' || path.Text.Contains('*', StringComparison.Ordinal)
                || (path.Text.Contains('/', StringComparison.Ordinal) && !path.Text.Contains(':', StringComparison.Ordinal))
                || path.Text.StartsWith("realm_access.", StringComparison.Ordinal)
                || path.Text.StartsWith("resource_access.", StringComparison.Ordinal))
            {
                faults.Warn(
                    $"`{path}` is the name of a claim, not a path: for a member within a claim, write a JSON pointer such as "
                        + "`/realm_access/roles`");
            }
        }
    }
}
