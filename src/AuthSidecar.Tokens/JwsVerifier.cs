namespace AuthSidecar.Tokens;

/// <summary>Verifies a JWS of any payload with one key: what <see cref="TokenValidator"/> does below the claims, for vectors and for
/// looking into things.</summary>
internal static class JwsVerifier
{
    /// <summary>Verifies it.</summary>
    /// <param name="text">A JWS in compact serialization.</param>
    /// <param name="jwk">The public key. Its <c>alg</c>, <c>use</c> and <c>key_ops</c> count.</param>
    /// <param name="algorithm">The algorithm to expect; null: the key's.</param>
    /// <param name="detail">What the error is about; null when it says enough by itself.</param>
    /// <returns>None: the signature is right, made with this algorithm, by whoever has the other half of this key.</returns>
    public static TokenRejection Verify(string text, JsonElement jwk, string? algorithm, out string? detail)
    {
        using var key = JwkReader.TryRead(jwk, algorithm, out detail);
        if (key is null)
        {
            detail ??= "the key is not for verifying signatures";
            return TokenRejection.KeyUnknown;
        }

        if (algorithm is not null && !key.Accepts(algorithm))
        {
            detail = $"the key is for {key.Algorithm}";
            return TokenRejection.AlgorithmNotAllowed;
        }

        var malformed = CompactJws.TryRead(text, TokenLimits.Default, out var read);
        if (malformed != TokenRejection.None)
            return malformed;

        using var jws = read!;
        if (jws.KeyId is { } keyId && key.Name.KeyId is not null && keyId != key.KeyId)
        {
            detail = "the token names another key";
            return TokenRejection.KeyUnknown;
        }

        return !key.Accepts(jws.Algorithm) ? TokenRejection.AlgorithmNotAllowed
            : key.Verify(jws) ? TokenRejection.None
            : TokenRejection.SignatureInvalid;
    }
}
