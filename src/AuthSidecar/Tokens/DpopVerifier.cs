using System.Buffers.Text;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;

namespace AuthSidecar.Tokens;

/// <summary>A DPoP proof and the HTTP request it came with.</summary>
internal sealed record DpopRequest(Secret Proof, string HttpMethod, string HttpUri);

/// <summary>Verifies that the sender of a token holds the key it is bound to (RFC 9449, section 4.3). A proof is good once.</summary>
internal sealed class DpopVerifier
{
    private static readonly TimeSpan Lifetime = TimeSpan.FromSeconds(60);
    private const int MaxRememberedProofs = 100_000;

    private readonly ConcurrentDictionary<string, long> _usedUntil = new(StringComparer.Ordinal);
    private readonly Lock _purging = new();

    public TokenError Verify(DpopRequest request, string accessToken, string keyThumbprint, TimeSpan clockSkew, DateTimeOffset now)
    {
        if (CompactJws.TryRead(request.Proof.Reveal(), out var read) != TokenError.None)
        {
            return TokenError.ProofInvalid;
        }

        using var proof = read!;
        // Here, and only here, the key is taken from the token: it is the token's thumbprint that says whether it is the right one.
        if (!string.Equals(proof.Type, "dpop+jwt", StringComparison.Ordinal)
            || !proof.Header.TryGetProperty("jwk", out var jwk)
            || VerificationKey.TryRead(jwk, out _) is not { } key
            || !string.Equals(key.Thumbprint, keyThumbprint, StringComparison.Ordinal)
            || !string.Equals(key.Algorithm, proof.Algorithm, StringComparison.Ordinal)
            || !key.Verify(proof))
        {
            return TokenError.ProofInvalid;
        }

        var claims = new ClaimReader(proof.Payload);
        var id = claims.RequiredString("jti");
        var method = claims.RequiredString("htm");
        var uri = claims.RequiredString("htu");
        var issuedAt = claims.RequiredTime("iat");
        var tokenHash = claims.RequiredString("ath");
        if (claims.Error != TokenError.None
            || !string.Equals(method, request.HttpMethod, StringComparison.Ordinal)
            || !IsSameTarget(uri, request.HttpUri)
            || !string.Equals(tokenHash, Sha256Base64Url(accessToken), StringComparison.Ordinal)
            || Math.Abs(now.ToUnixTimeSeconds() - issuedAt) > (Lifetime + clockSkew).TotalSeconds)
        {
            return TokenError.ProofInvalid;
        }

        return TryUse($"{keyThumbprint}.{Sha256Base64Url(id)}", issuedAt, clockSkew, now) ? TokenError.None : TokenError.ProofReplayed;
    }

    /// <summary>Section 4.3, step 9: without query and fragment, after normalization (RFC 3986, section 6.2.2 and 6.2.3).</summary>
    private static bool IsSameTarget(string a, string b) =>
        Uri.TryCreate(a, UriKind.Absolute, out var x)
        && Uri.TryCreate(b, UriKind.Absolute, out var y)
        && string.Equals(x.GetLeftPart(UriPartial.Path), y.GetLeftPart(UriPartial.Path), StringComparison.Ordinal);

    private static string Sha256Base64Url(string text) => Base64Url.EncodeToString(SHA256.HashData(Encoding.UTF8.GetBytes(text)));

    private bool TryUse(string proof, long issuedAt, TimeSpan clockSkew, DateTimeOffset now)
    {
        var until = issuedAt + (long)(Lifetime + clockSkew).TotalSeconds;
        if (_usedUntil.Count >= MaxRememberedProofs)
        {
            Purge(now.ToUnixTimeSeconds());
        }

        // Still full: it cannot be told whether this proof was used, so it is not accepted.
        return _usedUntil.Count < MaxRememberedProofs && _usedUntil.TryAdd(proof, until);
    }

    private void Purge(long nowSeconds)
    {
        lock (_purging)
        {
            foreach (var (proof, until) in _usedUntil)
            {
                if (until < nowSeconds)
                {
                    _usedUntil.TryRemove(proof, out _);
                }
            }
        }
    }
}
