using System.Buffers;

namespace AuthSidecar.Bundles;

/// <summary>The names of an issuer in an entry: its `iss`, or those of its tenants.</summary>
internal sealed class IssuerNames(IssuerEntry entry, IssuerPreset? preset, IssuerFaults faults)
{
    private const int MaxTenants = 10_000;

    private static readonly SearchValues<char> NoTenant = SearchValues.Create("/{}*?#");

    /// <summary>What an issuer of Microsoft Entra ID can be called in its address, and is not called in its tokens.</summary>
    private static readonly string[] EntraPlaceholders = ["common", "organizations", "consumers"];

    /// <summary>The placeholder in the issuer, and what it stands for; null: there is none, and at most one tenant.</summary>
    public (string? Placeholder, IReadOnlyList<string> Tenants) Read()
    {
        var name = entry.Name;
        if (entry.Preset == "spiffe" && entry.TrustDomain.Length == 0)
        {
            faults.Fail("trustDomain", "`trustDomain` is required with preset `spiffe`");
            return (null, []);
        }

        if (name.Length == 0)
        {
            faults.Fail("issuer", preset is null ? "`issuer` is empty" : $"`issuer` is required with preset `{entry.Preset}`");
            return (null, []);
        }

        CheckName(name);
        if (IsEntra(name) && EntraPlaceholders.FirstOrDefault(p => name.Contains($"/{p}/", StringComparison.Ordinal)) is { } pseudo)
        {
            faults.Fail("issuer",
                $"no token has `{pseudo}` in its `iss`: use `{{tenantid}}` in its place, and list the tenants in `tenants`");
            return (null, []);
        }

        var (open, close) = (name.IndexOf('{', StringComparison.Ordinal), name.IndexOf('}', StringComparison.Ordinal));
        if (open < 0 && close < 0)
        {
            foreach (var (field, isSet) in new[] { ("tenants", entry.Tenants.Count > 0), ("tenantClaim", entry.TenantClaim.Length > 0) })
            {
                if (isSet)
                    faults.Fail(field, $"`{field}` requires a placeholder in `issuer`, such as `https://login.example/{{tenantid}}`");
            }

            // The key set is that of all tenants, whether one is named here or in a template.
            var tenantOfEntra = IsEntra(name) && name.Split('/') is [_, _, _, var segment, ..] ? segment : null;
            if (tenantOfEntra is not null && !IsTenantId(tenantOfEntra))
                faults.Fail("issuer", "tokens have the tenant in `iss` as a GUID in lower case, never as a domain name");

            CheckBraces(placeholder: null);
            return (null, tenantOfEntra is null ? [] : [tenantOfEntra]);
        }

        return ReadTemplate(name, open, close);
    }

    private void CheckName(string name)
    {
        foreach (var (field, text) in entry.Aliases.Select(a => ("aliases", a)).Prepend(("issuer", name)))
        {
            if (text.Length == 0 || text.Any(c => char.IsWhiteSpace(c) || char.IsControl(c)))
                faults.Fail(field, $"`{field}` has an empty value, or one with white space: no token can match it");
        }

        if (entry.TrustDomain.Length > 0 && preset is { Name: not "spiffe" })
            faults.Fail("trustDomain", $"`trustDomain` is for JWT-SVIDs, and not for preset `{entry.Preset}`");

        if (name.Contains("/.well-known/", StringComparison.Ordinal))
            faults.Fail("issuer", "`issuer` is the URL of metadata: leave out its path from `/.well-known/` on, and set `discovery`");

        if (entry.TrustDomain.Length > 0 && !SpiffeId.IsTrustDomain(entry.TrustDomain))
        {
            faults.Fail("trustDomain",
                $"`{entry.TrustDomain}` is not a SPIFFE trust domain: expected lower-case letters, digits, `.`, `-` and `_`");
        }

        if (preset?.HasTrailingSlash is { } hasSlash && name.EndsWith('/') != hasSlash)
            faults.Fail("issuer", $"the `iss` of preset `{entry.Preset}` has {(hasSlash ? "a" : "no")} `/` at its end");
    }

    private (string? Placeholder, IReadOnlyList<string> Tenants) ReadTemplate(string name, int open, int close)
    {
        if (open < 0 || close < open + 2 || name.LastIndexOf('{') != open || name.LastIndexOf('}') != close)
        {
            faults.Fail("issuer", "invalid placeholder in `issuer`: expected one, such as `{tenantid}`");
            return (null, []);
        }

        var placeholder = name[open..(close + 1)];
        if (name.IndexOf('/', Math.Min(name.Length, "https://".Length)) is var path && (path < 0 || open < path))
            faults.Fail("issuer", "a placeholder must be in the path of `issuer`: keys are fetched from hosts that are known");

        CheckBraces(placeholder);
        if (entry.Tenants.Count is 0 or > MaxTenants)
            faults.Fail("tenants", $"`tenants` is required: the values of `{placeholder}` in the issuer, 1 to {MaxTenants}");

        foreach (var tenant in entry.Tenants)
        {
            if (tenant.Length == 0 || tenant.Any(c => char.IsWhiteSpace(c) || char.IsControl(c) || NoTenant.Contains(c)))
                faults.Fail("tenants", $"`{tenant}` is not a tenant: expected one value of `{placeholder}`, without patterns");
            else if (IsEntra(name) && !IsTenantId(tenant))
                faults.Fail("tenants", $"`{tenant}` is not a tenant ID: tokens have it as a GUID in lower case, never as a domain name");
        }

        if (entry.Tenants.Distinct(StringComparer.Ordinal).Count() < entry.Tenants.Count)
            faults.Fail("tenants", "`tenants` lists a tenant twice");

        if (entry.TenantClaim.Length > 0 && faults.Path("tenantClaim", entry.TenantClaim) is { } claim
            && IssuerClaims.OtherClaims.Contains(claim.Claim))
        {
            faults.Fail("tenantClaim", $"`tenantClaim` cannot be `{entry.TenantClaim}`: it is never the tenant alone");
        }

        if (preset?.AreTenantsAudiences == true && entry.Audiences.Count > 0 && entry.Tenants.Except(entry.Audiences).Any())
        {
            faults.Fail("audiences",
                $"the audience of preset `{entry.Preset}` is the tenant: list all of `tenants`, or leave `audiences` out");
        }

        return (placeholder, entry.Tenants);
    }

    /// <summary>The issuer of one of the tenants.</summary>
    public Issuer ForTenant(Issuer issuer, string placeholder, string tenant)
    {
        var claim = entry.TenantClaim.Length > 0 ? entry.TenantClaim : preset?.TenantClaim;
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

    /// <summary>Placeholders that nothing fills in.</summary>
    private void CheckBraces(string? placeholder)
    {
        var texts = entry.Aliases.Select(a => (Field: "aliases", Text: a)).Append(("jwksUrl", entry.JwksUrl));
        foreach (var (field, text) in texts)
        {
            if ((placeholder is null ? text : text.Replace(placeholder, "", StringComparison.Ordinal)).AsSpan().ContainsAny('{', '}'))
                faults.Fail(field, $"`{text}` has a placeholder that `issuer` has not");
        }

        if (entry.IntrospectionUrl.AsSpan().ContainsAny('{', '}'))
            faults.Fail("introspectionUrl", "`introspectionUrl` cannot have a placeholder: opaque tokens do not say their tenant");
    }

    private static bool IsTenantId(string text) => Guid.TryParseExact(text, "D", out _) && !text.Any(char.IsAsciiLetterUpper);

    private static bool IsEntra(string issuer) =>
        issuer.StartsWith("https://login.microsoftonline.", StringComparison.Ordinal)
        || issuer.StartsWith("https://sts.windows.net/", StringComparison.Ordinal);
}
