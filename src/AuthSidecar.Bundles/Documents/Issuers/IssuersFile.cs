namespace AuthSidecar.Bundles;

/// <summary><c>issuers.json</c>: whose tokens are accepted.</summary>
internal sealed record IssuersFile
{
    public const string FileName = "issuers.json";

    private static readonly StrictJsonFiles Json = new(IssuersJson.Default);

    public required IReadOnlyList<IssuerEntry> Issuers { get; set; }
    public static bool IsKeySet(string path) => path.EndsWith(".jwks.json", StringComparison.Ordinal);

    /// <summary>Builds the issuers from all there are files of; none without any.</summary>
    public static IssuerSet Read(BundleFiles files, List<Fault> faults)
    {
        var issuers = new Dictionary<string, Issuer>(StringComparer.Ordinal);
        foreach (var entry in files.TryRead(FileName, out var utf8) ? Json.Read<IssuersFile>(FileName, utf8, faults)?.Issuers ?? [] : [])
        {
            if (entry.Build(files, faults) is { } issuer && !issuers.TryAdd(issuer.Name, issuer))
                faults.Add(new Fault(FileName, 0, 0, $"issuer `{issuer.Name}`: configured twice"));
        }

        if (issuers.Values.Where(i => i.IntrospectionUrl is not null).Select(i => i.OpaquePrefix).Order(StringComparer.Ordinal)
            .ToList() is { } prefixes
            && prefixes.Zip(prefixes.Skip(1)).Any(p => p.Second.StartsWith(p.First, StringComparison.Ordinal)))
        {
            faults.Add(new Fault(FileName, 0, 0, "ambiguous `opaquePrefix`: each issuer needs one that is not a prefix of another"));
        }

        return new IssuerSet(issuers.Values);
    }

    public byte[] Write() => Json.Write(this);
}

[JsonSerializable(typeof(IssuersFile))]
internal sealed partial class IssuersJson : JsonSerializerContext;

internal sealed record IssuerEntry
{
    public required string Issuer { get; set; }

    /// <summary>The file with its key set, in the bundle; empty: it publishes it.</summary>
    public string Jwks { get; set; } = "";

    /// <summary>Where it publishes its key set; empty: it is in the bundle.</summary>
    public string JwksUrl { get; set; } = "";

    /// <summary>Where it is asked about opaque tokens; empty: it has none.</summary>
    public string IntrospectionUrl { get; set; } = "";

    /// <summary>What its opaque tokens begin with.</summary>
    public string OpaquePrefix { get; set; } = "";

    public required IReadOnlyList<string> Audiences { get; set; }
    public IReadOnlyList<string> Types { get; set; } = ["at+jwt"];
    public int ClockSkewSeconds { get; set; } = (int)Tokens.Issuer.DefaultClockSkew.TotalSeconds;
    public PrincipalEntry Principal { get; set; } = new();

    /// <summary>Checks all there is to check, and makes the issuer when nothing is wrong.</summary>
    public Issuer? Build(BundleFiles files, List<Fault> faults)
    {
        var before = faults.Count;
        if (Issuer.Length == 0)
            Fail("issuer", "`issuer` is empty");

        if (Audiences.Count == 0 || Audiences.Any(string.IsNullOrEmpty))
            Fail("audiences", "`audiences` is empty: at least one audience is required");

        if (Types.Count == 0 || Types.Any(string.IsNullOrEmpty))
            Fail("types", "`types` is empty: at least one token type is required");

        if (ClockSkewSeconds < 0 || ClockSkewSeconds > Tokens.Issuer.MaxClockSkew.TotalSeconds)
            Fail("clockSkewSeconds", $"`clockSkewSeconds` must be 0 to {Tokens.Issuer.MaxClockSkew.TotalSeconds}");

        if (Principal.Parents.Values.Append(Principal.Type).FirstOrDefault(t => !EntityType.IsValid(t)) is { } type)
            Fail("principal", $"`{type}` is not an entity type name");

        var mapping = new PrincipalMapping
        {
            Type = Principal.Type,
            Attributes = Principal.Attributes,
            Parents = Principal.Parents,
            Required = Principal.Required,
        };
        if (mapping.Required.FirstOrDefault(c => !mapping.Maps(c)) is { } unmapped)
            Fail("principal", $"`principal.required` lists claim `{unmapped}`, which is not mapped to an attribute or parent");

        var keys = FrozenDictionary<string, VerificationKey>.Empty;
        var (keySetUrl, introspectionUrl) = (Address("jwksUrl", JwksUrl), Address("introspectionUrl", IntrospectionUrl));
        if (introspectionUrl is null && OpaquePrefix.Length > 0)
            Fail("opaquePrefix", "`opaquePrefix` requires `introspectionUrl`");

        if (Jwks.Length > 0 && keySetUrl is not null)
        {
            Fail("jwks", "`jwks` and `jwksUrl` are mutually exclusive");
        }
        else if (Jwks.Length == 0)
        {
            if (keySetUrl is null && introspectionUrl is null)
                Fail("jwks", "no verification method: one of `jwks`, `jwksUrl` or `introspectionUrl` is required");
        }
        else if (!IssuersFile.IsKeySet(Jwks))
        {
            Fail("jwks", $"invalid key set name `{Jwks}`: expected a name ending in `.jwks.json`");
        }
        else if (files.TryRead(Jwks, out var jwks))
        {
            keys = KeySetReader.Read(Jwks, jwks, faults);
        }
        else
        {
            Fail("jwks", $"key set `{Jwks}` not found in the bundle");
        }

        return faults.Count > before ? null : new Issuer
        {
            Name = Issuer,
            Audiences = Audiences.ToFrozenSet(StringComparer.Ordinal),
            Types = Types.Select(t => t.ToLowerInvariant()).ToFrozenSet(StringComparer.Ordinal),
            ClockSkew = TimeSpan.FromSeconds(ClockSkewSeconds),
            Keys = keys,
            KeySetUrl = keySetUrl,
            IntrospectionUrl = introspectionUrl,
            OpaquePrefix = OpaquePrefix,
            Principal = mapping,
        };

        Uri? Address(string field, string text)
        {
            if (text.Length > 0 && Uri.TryCreate(text, UriKind.Absolute, out var url) && url.Scheme == Uri.UriSchemeHttps
                && url.UserInfo.Length == 0 && url.Fragment.Length == 0)
            {
                return url;
            }

            if (text.Length > 0)
                Fail(field, $"`{text}` is not an `https:` URL");

            return null;
        }

        void Fail(string field, string message) => faults.Add(
            new Fault(IssuersFile.FileName, 0, 0, $"issuer `{Issuer}`: {message}") { Field = field });
    }
}

/// <summary>See <see cref="PrincipalMapping"/>.</summary>
internal sealed record PrincipalEntry
{
    public string Type { get; set; } = "User";
    public IReadOnlyDictionary<string, string> Attributes { get; set; } = new Dictionary<string, string>();
    public IReadOnlyDictionary<string, string> Parents { get; set; } = new Dictionary<string, string>();
    public IReadOnlyList<string> Required { get; set; } = [];
}
