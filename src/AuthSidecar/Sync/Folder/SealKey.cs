namespace AuthSidecar.Sync.Folder;

/// <summary>The keys that bundles are sealed with, in PEM: P-256 (ES256).</summary>
internal static class SealKey
{
    /// <exception cref="InvalidDataException">The file holds something else.</exception>
    public static VerificationKey Read(string path)
    {
        using var key = ReadP256(path);
        if (HasPrivateKey(key))
            throw new InvalidDataException($"`{path}` is a private key: verifying requires the public key alone (`openssl pkey -pubout`)");

        return VerificationKey.OfPublicKey(key, keyId: "");
    }

    /// <summary>The private key; to be disposed of by the caller.</summary>
    /// <exception cref="InvalidDataException">The file holds something else.</exception>
    public static ECDsa ReadPrivate(string path)
    {
        var key = ReadP256(path);
        if (HasPrivateKey(key))
            return key;

        key.Dispose();
        throw new InvalidDataException($"`{path}` is a public key: sealing requires the private key");
    }

    private static bool HasPrivateKey(ECDsa key)
    {
        try
        {
            key.SignData([], HashAlgorithmName.SHA256);
            return true;
        }
        catch (CryptographicException)
        {
            return false;
        }
    }

    private static ECDsa ReadP256(string path)
    {
        var key = ECDsa.Create();
        try
        {
            key.ImportFromPem(File.ReadAllText(path));
            return key.KeySize == 256
                && key.ExportParameters(includePrivateParameters: false).Curve.Oid.FriendlyName is "nistP256" or "ECDSA_P256"
                ? key
                : throw new CryptographicException("not P-256");
        }
        catch (Exception e) when (e is ArgumentException or CryptographicException)
        {
            key.Dispose();
            throw new InvalidDataException(
                $"`{path}` is not a P-256 key in PEM, such as `openssl ecparam -name prime256v1 -genkey -noout` writes", e);
        }
    }
}
