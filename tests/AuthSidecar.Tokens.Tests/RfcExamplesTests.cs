using System.Collections.Frozen;
using System.Security.Cryptography;
using System.Text.Json;

namespace AuthSidecar.Tokens.Tests;

/// <summary>The examples of the RFCs: of RFC 7515, appendix A, unless it is said otherwise. Those we can verify, and those we must not.</summary>
public sealed class RfcExamplesTests
{
    private const string Payload = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

    // A.1.1
    private const string HmacKey = """{"kty": "oct", "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}""";
    private const string HmacToken = $"eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.{Payload}.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

    // A.2.1
    private const string RsaKey = """
        {
          "kty": "RSA",
          "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
          "e": "AQAB"
        }
        """;
    private const string RsaToken = $"eyJhbGciOiJSUzI1NiJ9.{Payload}.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";

    // A.3.1
    private const string EcKey = """{"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}""";
    private const string EcToken = $"eyJhbGciOiJFUzI1NiJ9.{Payload}.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

    // A.4.1: its payload is no JSON.
    private const string P521Key = """{"kty": "EC", "crv": "P-521", "x": "AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk", "y": "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2"}""";
    private const string P521Token = "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn";

    // RFC 7519, appendix A.1. Its other examples (3.1 and 6.1) are the first and the last of these.
    private const string EncryptedToken =
        "eyJhbGciOiJSU0ExXzUiLCJlbmMiOiJBMTI4Q0JDLUhTMjU2In0.QR1Owv2ug2WyPBnbQrRARTeEk9kDO2w8qDcjiHnSJflSdv1iNqhWXaKH4MqAkQtMoNfABIPJaZm0HaA415sv3aeuBWnD8J-Ui7Ah6cWafs3ZwwFKDFUUsWHSK-IPKxLGTkND09XyjORj_CHAgOPJ-Sd8ONQRnJvWn_hXV1BNMHzUjPyYwEsRhDhzjAD26imasOTsgruobpYGoQcXUwFDn7moXPRfDE8-NoQX7N7ZYMmpUDkR-Cx9obNGwJQ3nM52YCitxoQVPzjbl7WBuB7AohdBoZOdZ24WlN1lVIeh8v1K4krB8xgKvRU8kgFrEn_a1rZgN5TiysnmzTROF869lQ.AxY8DCtDaGlsbGljb3RoZQ.MKOle7UQrG6nSxTLX6Mqwt0orbHvAKeWnDYvpIAeZ72deHxz3roJDXQyhxx0wKaMHDjUEOKIwrtkHthpqEanSBNYHZgmNOV7sln1Eu9g3J8.fiK51VwhsxJ-siBMR-YFiA";

    // A.5
    private const string UnsecuredToken = $"eyJhbGciOiJub25lIn0.{Payload}.";

    [Theory]
    [InlineData(RsaKey, RsaToken)]
    [InlineData(EcKey, EcToken)]
    [InlineData(P521Key, P521Token)]
    public void Verify_AsymmetricExamples_SignatureIsRight(string jwk, string token)
    {
        var key = Key(jwk, out var fault);
        Assert.Null(fault);
        Assert.Equal(TokenRejection.None, CompactJws.TryRead(token, TokenLimits.Default, out var jws));
        Assert.True(key!.Verify(jws!));
    }

    [Theory]
    [InlineData(RsaKey, RsaToken)]
    [InlineData(EcKey, EcToken)]
    [InlineData(P521Key, P521Token)]
    public void Verify_ExampleWithAnyOneCharacterChanged_Refused(string jwk, string token)
    {
        var key = Key(jwk, out _)!;
        for (var i = 0; i < token.Length; i++)
        {
            var changed = string.Concat(token.AsSpan(0, i), token[i] == 'A' ? "B" : "A", token.AsSpan(i + 1));
            Assert.False(CompactJws.TryRead(changed, TokenLimits.Default, out var jws) == TokenRejection.None && key.Verify(jws!), changed);
        }
    }

    [Fact]
    public void Verify_ExampleOfAnotherKey_Refused()
    {
        CompactJws.TryRead(EcToken, TokenLimits.Default, out var jws);
        Assert.False(Key(RsaKey, out _)!.Verify(jws!));
    }

    [Fact]
    public void Read_SymmetricKeyOfTheHmacExample_Refused()
    {
        Assert.Null(Key(HmacKey, out var fault));
        Assert.Contains("symmetric", fault, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(HmacToken, TokenRejection.TypeNotAllowed)]
    [InlineData(UnsecuredToken, TokenRejection.Malformed)]
    [InlineData(EncryptedToken, TokenRejection.Malformed)]
    public void Validate_HmacUnsecuredAndEncryptedExamples_Refused(string token, object expected)
    {
        var issuers = new IssuerSet([new Issuer
        {
            Name = "joe",
            Audiences = FrozenSet<string>.Empty,
            Keys = KeySet.Empty,
        }]);
        Assert.Equal(expected, new TokenValidator(new VerifiedTokenCache(1), new DpopVerifier()).Verify(token, issuers).Error);
    }

    /// <summary>RFC 8037, appendix A.2 and A.3.</summary>
    [Fact]
    public void Thumbprint_OfTheEd25519Key_AsInTheRfc() => Assert.Equal("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", Key(Ed25519Jwk, out _)!.Thumbprint);

    /// <summary>RFC 8037, appendix A.5; and the name of the algorithm since RFC 9864.</summary>
    [Theory]
    [InlineData(null)]
    [InlineData("EdDSA")]
    [InlineData("Ed25519")]
    public void Verify_OfTheEd25519Example_ValidUnchangedAlone(string? algorithm)
    {
        using var jwk = JsonDocument.Parse(Ed25519Jwk);
        Assert.Equal(TokenRejection.None, JwsVerifier.Verify(Ed25519Token, jwk.RootElement, algorithm, out _));
        for (var i = 0; i < Ed25519Token.Length; i++)
        {
            var changed = string.Concat(Ed25519Token.AsSpan(0, i), Ed25519Token[i] == 'A' ? "B" : "A", Ed25519Token.AsSpan(i + 1));
            Assert.NotEqual(TokenRejection.None, JwsVerifier.Verify(changed, jwk.RootElement, algorithm, out _));
        }
    }

    [Fact]
    public void Verify_OfTheEd25519ExampleWithAKeyOfSmallOrder_Invalid()
    {
        // The neutral element, and a point of order 2: with either, a signature can be made that is right for every message.
        foreach (var x in (byte[][])[[1, .. new byte[31]], [0xec, .. Enumerable.Repeat((byte)0xff, 30), 0x7f]])
        {
            using var jwk = JsonDocument.Parse($$"""{"kty": "OKP", "crv": "Ed25519", "x": "{{TokenForge.Encode(x)}}"}""");
            var token = TokenForge.Sign("""{"alg":"EdDSA"}""", "anything", _ => [.. x, .. new byte[32]]);
            Assert.NotEqual(TokenRejection.None, JwsVerifier.Verify(token, jwk.RootElement, null, out _));
        }
    }

    /// <summary>RFC 9068, section 2.2: the header and claims, signed here, since the RFC has no signature.</summary>
    [Fact]
    public void Validate_AccessTokenOfTheExample_Accepted()
    {
        using var rsa = RSA.Create(2048);
        var issuers = new IssuerSet([new Issuer
        {
            Name = "https://authorization-server.example.com/",
            Audiences = FrozenSet.Create(StringComparer.Ordinal, "https://rs.example.com/"),
            Keys = KeySet.Of(VerificationKey.OfPublicKey(rsa, "RjEwOwOA")),
        }]);
        var token = TokenForge.Sign(
            """{"typ":"at+JWT","alg":"RS256","kid":"RjEwOwOA"}""",
            """
            {
              "iss": "https://authorization-server.example.com/", "sub": "5ba552d67", "aud": "https://rs.example.com/", "exp": 1639528912, "iat": 1618354090,
              "jti" : "dbe39bf3a3ba4238a513f51d6e1691c4", "client_id": "s6BhdRkqt3", "scope": "openid profile reademail"
            }
            """,
            TokenForge.Rs256(rsa));
        var result = new TokenValidator(new VerifiedTokenCache(1), new DpopVerifier()).Validate(
            new PresentedToken { Token = new Secret(token), RequiredScopes = ["reademail"] }, issuers, Revocations.None, DateTimeOffset.FromUnixTimeSeconds(1618354090));
        Assert.Equal((TokenRejection.None, "5ba552d67", "s6BhdRkqt3"), (result.Error, result.Token.Subject, result.Token.ClientId));
    }

    /// <summary>RFC 9449, sections 6.1 and 7.1: the proof for the protected resource, its key's thumbprint and its token.</summary>
    [Theory]
    [InlineData(ProofToken, "GET", "https://resource.example.org/protectedresource", TokenRejection.None)]
    [InlineData(ProofToken, "POST", "https://resource.example.org/protectedresource", TokenRejection.ProofInvalid)]
    [InlineData(ProofToken, "GET", "https://resource.example.org/another", TokenRejection.ProofInvalid)]
    [InlineData(ProofToken + "x", "GET", "https://resource.example.org/protectedresource", TokenRejection.ProofInvalid)]
    public void VerifyProof_OfTheExample_GoodForItsRequestAlone(string token, string method, string uri, object expected) => Assert.Equal(
        expected,
        new DpopVerifier().Verify(new DpopRequest(new Secret(Proof), method, uri), token, "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I", Issuer.DefaultClockSkew, DateTimeOffset.FromUnixTimeSeconds(1562262618)));

    private const string ProofToken = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
    private const string Proof =
        "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19"
        + ".eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9"
        + ".2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA";

    private const string Ed25519Jwk = """{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}""";
    private const string Ed25519Token =
        "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

    private static VerificationKey? Key(string jwk, out string? fault)
    {
        using var json = JsonDocument.Parse(jwk);
        return JwkReader.TryRead(json.RootElement, algorithm: null, out fault);
    }
}
