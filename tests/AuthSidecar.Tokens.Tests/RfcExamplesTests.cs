using System.Collections.Frozen;
using System.Text.Json;

namespace AuthSidecar.Tokens.Tests;

/// <summary>The examples of RFC 7515, appendix A: those we can verify, and those we must not.</summary>
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

    // A.5
    private const string UnsecuredToken = $"eyJhbGciOiJub25lIn0.{Payload}.";

    [Theory]
    [InlineData(RsaKey, RsaToken)]
    [InlineData(EcKey, EcToken)]
    public void Verify_AsymmetricExamples_SignatureIsRight(string jwk, string token)
    {
        var key = Key(jwk, out var fault);
        Assert.Null(fault);
        Assert.Equal(TokenError.None, CompactJws.TryRead(token, out var jws));
        Assert.True(key!.Verify(jws!));
    }

    [Theory]
    [InlineData(RsaKey, RsaToken)]
    [InlineData(EcKey, EcToken)]
    public void Verify_ExampleWithAnyOneCharacterChanged_Refused(string jwk, string token)
    {
        var key = Key(jwk, out _)!;
        for (var i = 0; i < token.Length; i++)
        {
            var changed = string.Concat(token.AsSpan(0, i), token[i] == 'A' ? "B" : "A", token.AsSpan(i + 1));
            Assert.False(CompactJws.TryRead(changed, out var jws) == TokenError.None && key.Verify(jws!), changed);
        }
    }

    [Fact]
    public void Verify_ExampleOfAnotherKey_Refused()
    {
        CompactJws.TryRead(EcToken, out var jws);
        Assert.False(Key(RsaKey, out _)!.Verify(jws!));
    }

    [Fact]
    public void Read_SymmetricKeyOfTheHmacExample_Refused()
    {
        Assert.Null(Key(HmacKey, out var fault));
        Assert.Contains("symmetric", fault, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(HmacToken, TokenError.TypeNotAllowed)]
    [InlineData(UnsecuredToken, TokenError.Malformed)]
    public void Validate_HmacAndUnsecuredExamples_Refused(string token, object expected)
    {
        var issuers = new IssuerSet([new Issuer
        {
            Name = "joe",
            Audiences = FrozenSet<string>.Empty,
            Keys = FrozenDictionary<string, VerificationKey>.Empty,
        }]);
        Assert.Equal(expected, TokenValidator.Verify(token, issuers).Error);
    }

    private static VerificationKey? Key(string jwk, out string? fault)
    {
        using var json = JsonDocument.Parse(jwk);
        return VerificationKey.TryRead(json.RootElement, algorithm: null, out fault);
    }
}
