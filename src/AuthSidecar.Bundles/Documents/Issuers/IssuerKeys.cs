namespace AuthSidecar.Bundles;

/// <summary>The keys of an issuer in an entry: from a file of the bundle, a URL, or where its metadata says.</summary>
internal sealed class IssuerKeys(IssuerEntry entry, IssuerPreset? preset, IssuerFaults faults)
{
    private const int MaxListed = 5;

    private static readonly string[] RsaAlgorithms = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"];

    /// <summary>Which of its keys count.</summary>
    public KeySetRules ReadRules()
    {
        if (entry.KeyAlgorithm.Length > 0 && !RsaAlgorithms.Contains(entry.KeyAlgorithm, StringComparer.Ordinal))
        {
            faults.Fail("keyAlgorithm", $"`keyAlgorithm` must be one of {string.Join(", ", RsaAlgorithms)}: keys of other types have one "
                + "algorithm only");
        }

        return new KeySetRules(
            entry.KeyAlgorithm.Length > 0 ? entry.KeyAlgorithm : null, entry.TrustDomain.Length > 0 ? KeySetRules.JwtSvid.Use : null);
    }

    /// <summary>Its keys, or where they are.</summary>
    public (KeySet Keys, string Url, bool IsDiscovered) Read(BundleFiles files, KeySetRules rules, Uri? introspectionUrl)
    {
        var isDiscovered = entry.Discovery == true;
        if ((entry.Jwks.Length > 0 ? 1 : 0) + (entry.JwksUrl.Length > 0 ? 1 : 0) + (isDiscovered ? 1 : 0) > 1)
        {
            faults.Fail("jwks", "`jwks`, `jwksUrl` and `discovery` are mutually exclusive");
            return (KeySet.Empty, "", false);
        }

        if (entry.Jwks.Length > 0)
            return (ReadKeySet(files, rules), "", false);

        var url = entry.JwksUrl;
        if (url.Length == 0 && !isDiscovered && entry.Discovery != false)
        {
            (url, isDiscovered) = (preset?.JwksUrl ?? "", preset?.IsDiscovered ?? false);
            if (url.Length > 0 && !IsOfPreset(entry.Issuer))
            {
                faults.Fail("issuer",
                    $"preset `{entry.Preset}` has the keys of `{preset!.Issuer}`: for another issuer, set `jwksUrl`, `jwks` or "
                        + "`discovery`");
            }
        }

        if (isDiscovered && entry.TrustDomain.Length > 0)
            faults.Fail("discovery", "`discovery` finds the keys of OpenID Connect, not a trust bundle: set `jwksUrl` or `jwks`");

        if (url.Length == 0 && !isDiscovered && introspectionUrl is null)
            faults.Fail("jwks", "no verification method: one of `jwks`, `jwksUrl`, `discovery` or `introspectionUrl` is required");

        faults.Address("jwksUrl", url);
        if (isDiscovered && faults.Address("issuer", entry.Name) is { } issuer && issuer.Query.Length > 0)
            faults.Fail("issuer", "discovery requires an issuer without query");

        return (KeySet.Empty, url, isDiscovered);
    }

    /// <summary>The issuer with where its keys are.</summary>
    public Issuer With(Issuer issuer, string keySetUrl, bool isDiscovered, KeySetRules rules)
    {
        if (keySetUrl.Length == 0 && !isDiscovered)
            return issuer;

        var url = isDiscovered ? faults.Address("issuer", issuer.Name) : faults.Address("jwksUrl", keySetUrl);
        return url is null ? issuer : issuer with { KeySource = new KeySetSource(url, isDiscovered, rules) };
    }

    private bool IsOfPreset(string issuer) => issuer.Length == 0 || preset?.Issuer is not { } own
        || own.Split('/') is [_, _, var host, ..] && issuer.Split('/') is [_, _, var given, ..] && host == given;

    private KeySet ReadKeySet(BundleFiles files, KeySetRules rules)
    {
        if (!IssuersFile.IsKeySet(entry.Jwks))
        {
            faults.Fail("jwks", $"invalid key set name `{entry.Jwks}`: expected a name ending in `.jwks.json`");
            return KeySet.Empty;
        }

        if (!files.TryRead(entry.Jwks, out var utf8))
        {
            var others = files.Paths.Where(IssuersFile.IsKeySet).Take(MaxListed).ToList();
            faults.Fail("jwks", $"key set `{entry.Jwks}` not found in the bundle"
                + (others.Count == 0 ? "" : $", which has {string.Join(", ", others.Select(o => $"`{o}`"))}"));
            return KeySet.Empty;
        }

        var keys = faults.ReadKeySet(entry.Jwks, utf8, rules);
        if (rules.Algorithm is { } algorithm && keys.Count > 0 && !keys.All.Any(k => k.Accepts(algorithm)))
        {
            faults.Fail("keyAlgorithm",
                $"`keyAlgorithm` has no effect: every RSA key of `{entry.Jwks}` names its own `alg`, or there is none");
        }

        return keys;
    }
}
