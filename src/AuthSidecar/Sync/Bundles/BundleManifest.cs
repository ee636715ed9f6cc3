using System.Collections.Frozen;
using AuthSidecar.Cedar;
using AuthSidecar.Tokens;

namespace AuthSidecar.Sync.Bundles;

/// <summary><c>bundle.json</c>: what the bundle holds, and whose tokens are accepted.</summary>
internal sealed record BundleManifest
{
    public const string FileName = "bundle.json";

    /// <summary>The version of the layout.</summary>
    public required int Version { get; set; }

    /// <summary>
    /// The files and folders that belong to the bundle. What is listed must be there, and what is there must be listed: a file that gets
    /// lost, or is named wrongly, must not pass for an empty one.
    /// </summary>
    public required IReadOnlyList<string> Contents { get; set; }

    /// <summary>Built-in policies to begin with: <c>rbac</c>.</summary>
    public IReadOnlyList<string> Packs { get; set; } = [];

    /// <summary>Whether a forbid that errs denies.</summary>
    public bool StrictForbid { get; set; } = true;

    public IReadOnlyList<IssuerEntry> Issuers { get; set; } = [];
}

internal sealed record IssuerEntry
{
    public required string Issuer { get; set; }

    /// <summary>The file with its key set, in the bundle.</summary>
    public required string Jwks { get; set; }

    public required IReadOnlyList<string> Audiences { get; set; }

    public IReadOnlyList<string> Types { get; set; } = ["at+jwt"];

    public int ClockSkewSeconds { get; set; } = (int)Tokens.Issuer.DefaultClockSkew.TotalSeconds;

    public PrincipalEntry Principal { get; set; } = new();

    /// <summary>Checks all there is to check, and makes the issuer when nothing is wrong.</summary>
    public Issuer? Build(BundleFiles files, List<Fault> faults)
    {
        var before = faults.Count;
        if (Issuer.Length == 0)
        {
            Fail("`issuer` is empty");
        }

        if (Audiences.Count == 0 || Audiences.Any(string.IsNullOrEmpty))
        {
            Fail("`audiences` names nobody: a token for anyone would do");
        }

        if (Types.Count == 0 || Types.Any(string.IsNullOrEmpty))
        {
            Fail("`types` names no type: a token of any kind would do");
        }

        if (ClockSkewSeconds < 0 || ClockSkewSeconds > Tokens.Issuer.MaxClockSkew.TotalSeconds)
        {
            Fail($"`clockSkewSeconds` is 0 to {Tokens.Issuer.MaxClockSkew.TotalSeconds}");
        }

        if (Principal.Parents.Values.Append(Principal.Type).FirstOrDefault(t => !EntityType.IsValid(t)) is { } type)
        {
            Fail($"`{type}` is not an entity type name");
        }

        var keys = FrozenDictionary<string, VerificationKey>.Empty;
        if (files.TryRead(Jwks, out var jwks))
        {
            keys = KeySetFile.Read(Jwks, jwks, faults);
        }
        else
        {
            Fail($"the key set `{Jwks}` is not in the bundle");
        }

        return faults.Count > before ? null : new Issuer
        {
            Name = Issuer,
            Audiences = Audiences.ToFrozenSet(StringComparer.Ordinal),
            Types = Types.Select(t => t.ToLowerInvariant()).ToFrozenSet(StringComparer.Ordinal),
            ClockSkew = TimeSpan.FromSeconds(ClockSkewSeconds),
            Keys = keys,
            Principal = new PrincipalMapping { Type = Principal.Type, Attributes = Principal.Attributes, Parents = Principal.Parents },
        };

        void Fail(string message) => faults.Add(new Fault(BundleManifest.FileName, 0, 0, $"issuer `{Issuer}`: {message}"));
    }
}

/// <summary>See <see cref="PrincipalMapping"/>.</summary>
internal sealed record PrincipalEntry
{
    public string Type { get; set; } = "User";

    public IReadOnlyDictionary<string, string> Attributes { get; set; } = new Dictionary<string, string>();

    public IReadOnlyDictionary<string, string> Parents { get; set; } = new Dictionary<string, string>();
}
