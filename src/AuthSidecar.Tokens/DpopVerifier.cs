using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;

namespace AuthSidecar.Tokens;

/// <summary>A DPoP proof and the HTTP request it came with.</summary>
internal sealed record DpopRequest(Secret Proof, string HttpMethod, string HttpUri);

/// <summary>Verifies that the sender of a token holds the key it is bound to (RFC 9449, section 4.3). A proof is good once.</summary>
internal sealed class DpopVerifier
{
    /// <summary>How old a proof may be. How far ahead of us it may be is a matter of clocks alone.</summary>
    private static readonly TimeSpan Lifetime = TimeSpan.FromSeconds(60);

    private static readonly TokenLimits Limits = new(MaxBytes: 8 * 1024, MaxHeaderBytes: 4 * 1024);

    private readonly DpopReplayCache _used = new();

    /// <summary>A proof that goes with an access token, which is bound to the key.</summary>
    /// <param name="request">The proof, and the request it came with.</param>
    /// <param name="keyThumbprint">The thumbprint of the key that the token is bound to.</param>
    /// <param name="clockSkew">How far the client's clock and ours may be apart.</param>
    /// <param name="now">Now.</param>
    /// <param name="owner">Whose proofs these are, of whichever key; null: the key's.</param>
    public TokenRejection Verify(
        DpopRequest request, string accessToken, string keyThumbprint, TimeSpan clockSkew, DateTimeOffset now, string? owner = null) =>
        Verify(request, accessToken, clockSkew, now, keyThumbprint, owner, out _);

    /// <summary>A proof that goes with a request for a token, which is to be bound to its key (section 5).</summary>
    /// <param name="request">The proof, and the request it came with.</param>
    /// <param name="clockSkew">How far the client's clock and ours may be apart.</param>
    /// <param name="now">Now.</param>
    /// <param name="keyThumbprint">The key's thumbprint (RFC 7638), when there is no error.</param>
    public TokenRejection VerifyForToken(DpopRequest request, TimeSpan clockSkew, DateTimeOffset now, out string keyThumbprint) =>
        Verify(request, accessToken: null, clockSkew, now, expectedThumbprint: null, owner: null, out keyThumbprint);

    private TokenRejection Verify(DpopRequest request, string? accessToken, TimeSpan clockSkew, DateTimeOffset now,
        string? expectedThumbprint, string? owner, out string keyThumbprint)
    {
        keyThumbprint = "";
        if (CompactJws.TryRead(request.Proof.Reveal(), Limits, out var read) != TokenRejection.None)
            return TokenRejection.ProofInvalid;

        using var proof = read!;
        if (StrictJson.TryParseObject(proof.Payload, out var parsed) != TokenRejection.None)
            return TokenRejection.ProofInvalid;

        using var payload = parsed!;
        var nowSeconds = now.ToUnixTimeSeconds();
        var skewSeconds = (long)clockSkew.TotalSeconds;
        var claims = new ClaimReader(payload.RootElement);
        var id = claims.RequiredString(Claim.TokenId);
        var method = claims.RequiredString("htm");
        var uri = claims.RequiredString("htu");
        var issuedAt = claims.RequiredTime(Claim.IssuedAt);
        var tokenHash = accessToken is null ? null : claims.RequiredString("ath");
        var expiresAt = claims.OptionalTime(Claim.ExpiresAt);
        var notBefore = claims.OptionalStart(Claim.NotBefore);
        var goodUntil = issuedAt + (long)Lifetime.TotalSeconds + skewSeconds;

        // What costs nothing comes before what costs a signature.
        if (claims.Error != TokenRejection.None
            || !string.Equals(proof.Type, "dpop+jwt", StringComparison.Ordinal)
            || !string.Equals(method, request.HttpMethod, StringComparison.Ordinal)
            || !IsSameTarget(uri, request.HttpUri)
            || (accessToken is not null && !string.Equals(tokenHash, Sha256Base64Url(accessToken), StringComparison.Ordinal))
            || issuedAt > nowSeconds + skewSeconds
            || goodUntil < nowSeconds
            || expiresAt + skewSeconds <= nowSeconds
            || notBefore > nowSeconds + skewSeconds
            || SignerOf(proof, expectedThumbprint) is not { } thumbprint)
        {
            return TokenRejection.ProofInvalid;
        }

        keyThumbprint = thumbprint;
        return _used.TryAdd(owner ?? thumbprint, $"{thumbprint}.{Sha256Base64Url(id)}", goodUntil, nowSeconds);
    }

    /// <summary>The thumbprint of the key that has signed it. Here, and only here, the key is taken from the token itself: it is the
    /// thumbprint that says whether it is the right one.</summary>
    /// <param name="expected">The thumbprint that it has to be: another key's signature is not even looked at, since anybody may send one,
    /// of any size; null: any.</param>
    private static string? SignerOf(CompactJws proof, string? expected)
    {
        if (!proof.TryGetKey(out var jwk))
            return null;

        using var key = JwkReader.TryRead(jwk, proof.Algorithm, out _);
        return key is not null
            && (expected is null || string.Equals(key.Thumbprint, expected, StringComparison.Ordinal))
            && key.Accepts(proof.Algorithm)
            && key.Verify(proof)
            ? key.Thumbprint
            : null;
    }

    /// <summary>Section 4.3, step 9: without query and fragment, after normalization (RFC 3986, sections 6.2.2 and 6.2.3).</summary>
    private static bool IsSameTarget(string a, string b) =>
        TryParseTarget(a, out var x) && TryParseTarget(b, out var y)
        && string.Equals(x.GetLeftPart(UriPartial.Path), y.GetLeftPart(UriPartial.Path), StringComparison.Ordinal);

    private static bool TryParseTarget(string text, out Uri uri)
    {
        uri = null!;
        return !text.AsSpan().ContainsAnyExceptInRange('!', '~')
            && Uri.TryCreate(text, UriKind.Absolute, out uri!)
            && (uri.Scheme == Uri.UriSchemeHttps || uri.Scheme == Uri.UriSchemeHttp);
    }

    private static string Sha256Base64Url(string text) => Base64Url.EncodeToString(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
}
