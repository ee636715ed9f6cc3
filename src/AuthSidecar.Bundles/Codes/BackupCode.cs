using OtpNet;

namespace AuthSidecar.Bundles;

/// <summary>A code of 128 random bits, written as 26 letters and digits of base32 (RFC 4648, section 6).</summary>
internal static class BackupCode
{
    public const int PerSubject = 10;
    private const int Bytes = 16;
    private const int GroupLength = 5;

    /// <summary>A new code, in groups that can be read off paper.</summary>
    public static string Generate() =>
        string.Join(
            '-', Base32Encoding.ToString(RandomNumberGenerator.GetBytes(Bytes)).TrimEnd('=').Chunk(GroupLength).Select(g => new string(g)));

    /// <summary>The hash of a code as a user types it: in any case, with any spaces, dashes or dots between, and 0, 1, 8, which base32 does
    /// not have, for the letters they look like. No salt: nobody guesses 128 random bits.</summary>
    public static byte[] Hash(string typed)
    {
        var canonical = new StringBuilder(typed.Length);
        foreach (var c in typed.Where(char.IsAsciiLetterOrDigit))
            canonical.Append(c switch { '0' => 'O', '1' => 'I', '8' => 'B', _ => char.ToUpperInvariant(c) });

        return SHA256.HashData(Encoding.ASCII.GetBytes(canonical.ToString()));
    }
}
