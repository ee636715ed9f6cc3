using System.Security.Cryptography;
using System.Text;
using OtpNet;

namespace AuthSidecar.Mfa;

/// <summary>A code of 128 random bits, written as 26 letters and digits of base32 (RFC 4648, section 6).</summary>
internal static class BackupCode
{
    public const int PerSubject = 10;
    private const int Bytes = 16;
    private const int GroupLength = 5;

    /// <summary>A new code, in groups that can be read off paper.</summary>
    public static string Generate() =>
        string.Join('-', Base32Encoding.ToString(RandomNumberGenerator.GetBytes(Bytes)).TrimEnd('=').Chunk(GroupLength).Select(g => new string(g)));

    /// <summary>The hash of a code as a user types it: any case, any spaces or dashes, and 0, 1, 8 for the letters they look like.</summary>
    public static byte[] Hash(string typed)
    {
        var canonical = new StringBuilder(typed.Length);
        foreach (var c in typed)
        {
            switch (char.ToUpperInvariant(c))
            {
                case ' ' or '-': break;
                case '0': canonical.Append('O'); break;
                case '1': canonical.Append('I'); break;
                case '8': canonical.Append('B'); break;
                case var letter: canonical.Append(letter); break;
            }
        }

        return SHA256.HashData(Encoding.UTF8.GetBytes(canonical.ToString()));
    }
}
