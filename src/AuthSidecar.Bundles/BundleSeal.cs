using System.Buffers.Text;

namespace AuthSidecar.Bundles;

/// <summary><c>bundle.sums.json</c>: every file of a bundle with its SHA-256, written last.</summary>
internal sealed record BundleSums
{
    /// <summary>The version of the format.</summary>
    public required int Version { get; set; }

    /// <summary>SHA-256 of each file but this one, in lower-case hexadecimal, by its path.</summary>
    public required SortedDictionary<string, string> Files { get; set; }

    /// <summary>Who says so: a JWS in compact serialization (RFC 7515) of the two members above; null: the seal is not signed.</summary>
    public string? Signature { get; set; }
}

/// <summary>Seals bundles, and verifies that one is whole: what was sealed is what is there. A folder is copied file by file, and one that
/// lacks a policy looks like another that is complete.</summary>
internal static class BundleSeal
{
    public const string FileName = "bundle.sums.json";
    private const int Version = 1;
    private const string Algorithm = "ES256";
    private const string Type = "authsidecar-bundle-sums";

    private static readonly StrictJsonFiles Json = new(BundleSumsJson.Default);

    /// <summary>The content of <c>bundle.sums.json</c> for these files.</summary>
    /// <param name="files">The files; a seal among them does not count.</param>
    /// <param name="key">The P-256 key to sign with; null: it is not signed.</param>
    public static byte[] Create(BundleFiles files, ECDsa? key)
    {
        var sums = new BundleSums { Version = Version, Files = SumsOf(files) };
        if (key is not null)
            sums.Signature = Sign(PayloadOf(sums), key);

        return Json.Write(sums);
    }

    /// <summary>Whether the bundle has a seal.</summary>
    public static bool IsIn(BundleFiles files) => files.TryRead(FileName, out _);

    /// <summary>Whether the bundle has a seal with a signature, be it a good one.</summary>
    public static bool IsSigned(BundleFiles files) =>
        files.TryRead(FileName, out var utf8) && Json.Read<BundleSums>(FileName, utf8, []) is { Signature: not null };

    /// <summary>Verifies the seal of a bundle.</summary>
    /// <param name="key">The public key that the signature is verified with; null: signatures are not verified.</param>
    /// <param name="faults">Gets what does not match.</param>
    public static void Verify(BundleFiles files, VerificationKey? key, List<Fault> faults)
    {
        if (!files.TryRead(FileName, out var utf8))
        {
            Fail($"the bundle is not sealed: `{FileName}` not found", "run `authsidecar bundles seal`, or wait until the copy is complete");
            return;
        }

        if (Json.Read<BundleSums>(FileName, utf8, faults) is not { } sums)
            return;

        if (sums.Version != Version)
        {
            Fail($"unsupported seal version {sums.Version}; supported: {Version}");
            return;
        }

        if (key is not null && !IsSignedBy(sums, key))
        {
            Fail(sums.Signature is null ? "the seal is not signed" : "the seal is not signed by the bundle key",
                "run `authsidecar bundles seal --key` with the key that belongs to `--bundle-key`");
            return;
        }

        var found = SumsOf(files);
        foreach (var (path, sum) in sums.Files)
        {
            if (!found.TryGetValue(path, out var actual))
                faults.Add(new Fault(path, 0, 0, "file is listed in the seal but not found in the bundle"));
            else if (!string.Equals(sum, actual, StringComparison.Ordinal))
                faults.Add(new Fault(path, 0, 0, "SHA-256 mismatch: the file was changed after sealing"));
        }

        foreach (var path in found.Keys.Where(p => !sums.Files.ContainsKey(p)))
            faults.Add(new Fault(path, 0, 0, "file is in the bundle but not listed in the seal"));

        void Fail(string message, string? help = null) => faults.Add(new Fault(FileName, 0, 0, message, help));
    }

    private static SortedDictionary<string, string> SumsOf(BundleFiles files)
    {
        var sums = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var path in files.Paths.Where(p => p != FileName))
        {
            files.TryRead(path, out var bytes);
            sums.Add(path, Convert.ToHexStringLower(SHA256.HashData(bytes!)));
        }

        return sums;
    }

    /// <summary>What is signed: the seal without its signature, as it is written here.</summary>
    private static byte[] PayloadOf(BundleSums sums) => Json.Write(new BundleSums { Version = sums.Version, Files = sums.Files });

    private static string Sign(byte[] payload, ECDsa key)
    {
        var input =
            $"{Base64Url.EncodeToString(Encoding.ASCII.GetBytes($$"""{"alg":"{{Algorithm}}","typ":"{{Type}}"}"""))}."
                + $"{Base64Url.EncodeToString(payload)}";
        return $"{input}.{Base64Url.EncodeToString(key.SignData(Encoding.ASCII.GetBytes(input), HashAlgorithmName.SHA256))}";
    }

    private static bool IsSignedBy(BundleSums sums, VerificationKey key)
    {
        // Longer than a token may be, and so taken apart here.
        if (sums.Signature?.Split('.') is not [var header, var payload, var signature])
            return false;

        return CompactJws.TryDecode(header, out var headerBytes)
            && StrictJson.TryParseObject(headerBytes, out var parsed) == TokenRejection.None
            && HasHeader(parsed!)
            && CompactJws.TryDecode(payload, out var payloadBytes) && SaysTheSame(payloadBytes, sums)
            && CompactJws.TryDecode(signature, out var signatureBytes)
            && key.Algorithm == Algorithm && key.Verify(Encoding.ASCII.GetBytes($"{header}.{payload}"), signatureBytes);
    }

    private static bool SaysTheSame(byte[] payload, BundleSums sums) =>
        Json.Read<BundleSums>(FileName, payload, []) is { Signature: null } signed && signed.Version == sums.Version
            && signed.Files.SequenceEqual(sums.Files);

    private static bool HasHeader(System.Text.Json.JsonDocument header)
    {
        using (header)
        {
            return header.RootElement.EnumerateObject().Count() == 2
                && header.RootElement.TryGetProperty("alg", out var algorithm) && algorithm.ValueEquals(Algorithm)
                && header.RootElement.TryGetProperty("typ", out var type) && type.ValueEquals(Type);
        }
    }
}

[JsonSerializable(typeof(BundleSums))]
internal sealed partial class BundleSumsJson : JsonSerializerContext;
