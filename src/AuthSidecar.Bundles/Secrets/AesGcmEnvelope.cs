namespace AuthSidecar.Bundles;

/// <summary>AES-256-GCM: nonce (12 bytes), ciphertext, tag (16 bytes).</summary>
internal static class AesGcmEnvelope
{
    public const int KeyBytes = 32;
    public const int NonceBytes = 12;
    public const int TagBytes = 16;

    /// <param name="key">32 bytes.</param>
    /// <param name="content">What is to be secret.</param>
    /// <param name="context">What it is for: it opens for nothing else.</param>
    public static byte[] Seal(byte[] key, ReadOnlySpan<byte> content, ReadOnlySpan<byte> context)
    {
        var bytes = new byte[NonceBytes + content.Length + TagBytes];
        content.CopyTo(bytes.AsSpan(NonceBytes));
        SealInPlace(key, bytes, context);
        return bytes;
    }

    /// <summary>The same where the content is, which may be large.</summary>
    /// <param name="key">32 bytes.</param>
    /// <param name="bytes">The content, with <see cref="NonceBytes"/> before it and <see cref="TagBytes"/> after it.</param>
    /// <param name="context">What it is for: it opens for nothing else.</param>
    public static void SealInPlace(byte[] key, Span<byte> bytes, ReadOnlySpan<byte> context)
    {
        RandomNumberGenerator.Fill(bytes[..NonceBytes]);
        using var aes = new AesGcm(key, TagBytes);
        var content = bytes[NonceBytes..^TagBytes];
        aes.Encrypt(bytes[..NonceBytes], content, content, bytes[^TagBytes..], context);
    }

    /// <summary>Null: it was altered, or sealed with another key or for something else.</summary>
    public static byte[]? TryOpen(byte[] key, ReadOnlySpan<byte> bytes, ReadOnlySpan<byte> context)
    {
        if (bytes.Length < NonceBytes + TagBytes)
            return null;

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
