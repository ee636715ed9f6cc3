using NSec.Cryptography;

namespace AuthSidecar.Tokens;

/// <summary>A public key of Ed25519 (RFC 8032), verified by libsodium, which refuses keys of small order and signatures that are not
/// canonical.</summary>
internal sealed class Ed25519Key
{
    private readonly PublicKey _key;

    private Ed25519Key(PublicKey key) => _key = key;

    public static Ed25519Key? TryImport(byte[] bytes, out string? fault)
    {
        fault = null;
        try
        {
            if (PublicKey.TryImport(SignatureAlgorithm.Ed25519, bytes, KeyBlobFormat.RawPublicKey, out var key))
                return new Ed25519Key(key!);

            fault = "`x` is required, as canonical base64url of the 32 bytes of a key";
        }
        catch (Exception e) when (e is TypeInitializationException or DllNotFoundException or PlatformNotSupportedException)
        {
            // A binary that was copied without the library beside it. Every other algorithm works without.
            fault = "Ed25519 needs the library libsodium beside the binary";
        }

        return null;
    }

    public bool Verify(byte[] content, byte[] signature) => SignatureAlgorithm.Ed25519.Verify(_key, content, signature);
}
