using System.Security.Cryptography;

namespace AuthSidecar.Bundles;

/// <summary>AES-256-GCM: nonce (12 bytes), ciphertext, tag (16 bytes).</summary>
internal static class SealedBox
{
    public const int KeyBytes = 32;

    private const int NonceBytes = 12;
    private const int TagBytes = 16;

    /// <param name="key">32 bytes.</param>
    /// <param name="content">What is to be secret.</param>
    /// <param name="context">What it is for: it opens for nothing else.</param>
    public static byte[] Seal(byte[] key, ReadOnlySpan<byte> content, ReadOnlySpan<byte> context)
    {
        var bytes = new byte[NonceBytes + content.Length + TagBytes];
        RandomNumberGenerator.Fill(bytes.AsSpan(0, NonceBytes));
        using var aes = new AesGcm(key, TagBytes);
        aes.Encrypt(bytes.AsSpan(0, NonceBytes), content, bytes.AsSpan(NonceBytes, content.Length), bytes.AsSpan(^TagBytes..), context);
        return bytes;
    }

    /// <summary>Null: it was altered, or sealed with another key or for something else.</summary>
    public static byte[]? TryOpen(byte[] key, ReadOnlySpan<byte> bytes, ReadOnlySpan<byte> context)
    {
        if (bytes.Length < NonceBytes + TagBytes)
        {
            return null;
        }

        var content = new byte[bytes.Length - NonceBytes - TagBytes];
        using var aes = new AesGcm(key, TagBytes);
        try
        {
            aes.Decrypt(bytes[..NonceBytes], bytes[NonceBytes..^TagBytes], bytes[^TagBytes..], content, context);
            return content;
        }
        catch (CryptographicException)
        {
            return null;
        }
    }
}
