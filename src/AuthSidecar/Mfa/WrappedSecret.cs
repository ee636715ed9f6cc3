using System.Security.Cryptography;
using System.Text;

namespace AuthSidecar.Mfa;

/// <summary>A secret encrypted with AES-256-GCM, good only for the factor it was wrapped for.</summary>
/// <param name="Bytes">Nonce (12), ciphertext, tag (16).</param>
internal sealed record WrappedSecret(byte[] Bytes)
{
    private const int NonceBytes = 12;
    private const int TagBytes = 16;

    public const int KeyBytes = 32;

    public static WrappedSecret Wrap(ReadOnlySpan<byte> secret, FactorKey factor, byte[] wrappingKey)
    {
        var bytes = new byte[NonceBytes + secret.Length + TagBytes];
        RandomNumberGenerator.Fill(bytes.AsSpan(0, NonceBytes));
        using var aes = new AesGcm(wrappingKey, TagBytes);
        aes.Encrypt(bytes.AsSpan(0, NonceBytes), secret, bytes.AsSpan(NonceBytes, secret.Length), bytes.AsSpan(^TagBytes..), AssociatedDataOf(factor));
        return new WrappedSecret(bytes);
    }

    /// <summary>Opens the secret; null when the key is another, or the secret was wrapped for another factor.</summary>
    public byte[]? TryUnwrap(FactorKey factor, byte[] wrappingKey)
    {
        if (Bytes.Length <= NonceBytes + TagBytes)
        {
            return null;
        }

        var secret = new byte[Bytes.Length - NonceBytes - TagBytes];
        using var aes = new AesGcm(wrappingKey, TagBytes);
        try
        {
            aes.Decrypt(Bytes.AsSpan(0, NonceBytes), Bytes.AsSpan(NonceBytes, secret.Length), Bytes.AsSpan(^TagBytes..), secret, AssociatedDataOf(factor));
            return secret;
        }
        catch (CryptographicException)
        {
            return null;
        }
    }

    // Length first: two factors never share their associated data.
    private static byte[] AssociatedDataOf(FactorKey factor)
    {
        var subject = factor.Subject.ToString();
        return Encoding.UTF8.GetBytes($"{subject.Length}:{subject}{factor.FactorId}");
    }

    public override string ToString() => "***";
}
