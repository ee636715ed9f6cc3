using System.Text.Json;
using System.Text.Json.Nodes;

namespace AuthSidecar.Bundles;

/// <summary><c>issuers.json</c>: whose tokens are accepted.</summary>
internal sealed record IssuersFile
{
    public const string FileName = "issuers.json";

    private static readonly StrictJsonFiles Json = new(IssuersJson.Default);
    private static readonly JsonSerializerOptions Indented = new()
    {
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        WriteIndented = true,
    };

    public required IReadOnlyList<IssuerEntry> Issuers { get; set; }
    public static bool IsKeySet(string path) => path.EndsWith(".jwks.json", StringComparison.Ordinal);

    /// <summary>Builds the issuers from all there are files of; none without any.</summary>
    public static IssuerSet Read(BundleFiles files, List<Fault> faults)
    {
        var (issuers, names, warnings) = (new List<Issuer>(), new HashSet<string>(StringComparer.Ordinal), new List<Fault>());
        var entries = files.TryRead(FileName, out var utf8) ? Json.Read<IssuersFile>(FileName, utf8, faults)?.Issuers ?? [] : [];
        foreach (var (index, entry) in entries.Index())
        {
            // One template with two lists of tenants would be one issuer in the control plane.
            if (entry.Name.Contains('{', StringComparison.Ordinal) && !names.Add(entry.Name))
                faults.Add(new Fault(FileName, 0, 0, $"issuer `{entry.Name}`: configured twice") { Field = "issuer" });

            foreach (var issuer in new IssuerBuilder(entry, new IssuerFaults(entry, index, faults, warnings)).Build(files))
            {
                issuers.Add(issuer);
                foreach (var name in issuer.Aliases.Prepend(issuer.Name).Where(n => !names.Add(n)))
                    faults.Add(new Fault(FileName, 0, 0, $"issuer `{name}`: configured twice") { Field = "issuer" });
            }
        }

        // Copied to every sidecar like those that are used.
        foreach (var path in files.Paths.Where(p => IsKeySet(p) && !entries.Any(e => e.Jwks == p)))
        {
            if (files.TryRead(path, out var unused) && KeySetReader.HasSecretMember(unused))
                faults.Add(new Fault(path, 0, 0, "a private or symmetric key is in the file: a key set holds public keys only"));
            else
                warnings.Add(new Fault(path, 0, 0, "the key set is not used by any issuer"));
        }

        foreach (var domain in issuers.GroupBy(i => i.TrustDomain).Where(g => g.Key is not null && g.Count() > 1))
            faults.Add(new Fault(FileName, 0, 0, $"trust domain `{domain.Key}`: configured twice") { Field = "trustDomain" });

        if (issuers.Where(i => i.IntrospectionUrl is not null).Select(i => i.OpaquePrefix).Order(StringComparer.Ordinal)
            .ToList() is { } prefixes
            && prefixes.Zip(prefixes.Skip(1)).Any(p => p.Second.StartsWith(p.First, StringComparison.Ordinal)))
        {
            faults.Add(new Fault(FileName, 0, 0, "ambiguous `opaquePrefix`: each issuer needs one that is not a prefix of another")
            {
                Field = "opaquePrefix",
            });
        }

        return faults.Count > 0 ? IssuerSet.Empty : new IssuerSet(issuers) { Warnings = warnings };
    }

    /// <summary>The document, without the options that are not set.</summary>
    public byte[] Write()
    {
        var document = JsonNode.Parse(Json.Write(this))!;
        foreach (var entry in document["issuers"]!.AsArray())
            RemoveUnset(entry!.AsObject());

        return Encoding.UTF8.GetBytes(document.ToJsonString(Indented));
    }

    private static void RemoveUnset(JsonObject json)
    {
        foreach (var (name, value) in json.ToList())
        {
            if (value is JsonObject inner)
                RemoveUnset(inner);

            if (value is null or JsonObject { Count: 0 } or JsonArray { Count: 0 }
                || (value is JsonValue text && text.ToString().Length == 0))
            {
                json.Remove(name);
            }
        }
    }
}

[JsonSerializable(typeof(IssuersFile))]
internal sealed partial class IssuersJson : JsonSerializerContext;
