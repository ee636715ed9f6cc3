using System.Security.Cryptography;
using System.Text.Json;
using static AuthSidecar.Tokens.Tests.TokenForge;

namespace AuthSidecar.Tokens.Tests;

/// <summary>Signatures below the claims: of any payload, by one key, as public vectors ask for it.</summary>
public sealed class JwsVerifierTests
{
    private static readonly RSA Rsa = RSA.Create(2048);
    private static readonly RSA OtherRsa = RSA.Create(2048);
    private static readonly RSA ShortRsa = RSA.Create(1024);
    private static readonly ECDsa Ec = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private static readonly string Good = Sign("""{"alg":"RS256","kid":"one"}""", "foo", Rs256(Rsa));

    private static readonly Dictionary<string, Case> Table = new()
    {
        ["text"] = new(Jwk(Rsa), Good, TokenRejection.None),
        ["nothing at all signed"] = new(Jwk(Rsa), Sign("""{"alg":"RS256"}""", "", Rs256(Rsa)), TokenRejection.None),
        ["bytes that are no text"] = new(Jwk(Rsa), Sign("""{"alg":"RS256"}""", [0xff, 0x00, 0xc0], Rs256(Rsa)), TokenRejection.None),
        ["ES256"] = new(Jwk(Ec), Sign("""{"alg":"ES256"}""", "foo", Es256(Ec)), TokenRejection.None),
        ["PS256, of a key that says so"] = new(Jwk(Rsa, ("alg", "\"PS256\"")), Sign("""{"alg":"PS256"}""", "foo", Ps256(Rsa)), TokenRejection.None),
        ["PS256, of a key that does not say and a caller who does"] = new(Jwk(Rsa), Sign("""{"alg":"PS256"}""", "foo", Ps256(Rsa)), TokenRejection.None, "PS256"),
        ["a key for verifying"] = new(Jwk(Rsa, ("use", "\"sig\""), ("key_ops", """["verify"]""")), Good, TokenRejection.None),
        ["the key that the token names"] = new(Jwk(Rsa, ("kid", "\"one\"")), Good, TokenRejection.None),

        ["another key than the token names"] = new(Jwk(Rsa, ("kid", "\"two\"")), Good, TokenRejection.KeyUnknown),
        ["another key"] = new(Jwk(OtherRsa), Good, TokenRejection.SignatureInvalid),
        ["a key of another type"] = new(Jwk(Ec), Good, TokenRejection.AlgorithmNotAllowed),
        ["an algorithm that the key is not for"] = new(Jwk(Rsa, ("alg", "\"RS512\"")), Good, TokenRejection.AlgorithmNotAllowed),
        ["an algorithm that the caller does not expect"] = new(Jwk(Rsa), Good, TokenRejection.AlgorithmNotAllowed, "PS256"),
        ["a key and a caller who do not agree"] = new(Jwk(Rsa, ("alg", "\"RS256\"")), Good, TokenRejection.AlgorithmNotAllowed, "PS256"),
        ["an algorithm that is not the key's, right by the other one"] = new(Jwk(Rsa, ("alg", "\"RS256\"")), Sign("""{"alg":"RS256"}""", "foo", Rs512(Rsa)), TokenRejection.SignatureInvalid),
        ["RS512 where RS256 is bound"] = new(Jwk(Rsa, ("alg", "\"RS256\"")), Sign("""{"alg":"RS512"}""", "foo", Rs512(Rsa)), TokenRejection.AlgorithmNotAllowed),
        ["the public key as a secret"] = new(Jwk(Rsa), Sign("""{"alg":"HS256"}""", "foo", Hs256(Rsa.ExportSubjectPublicKeyInfo())), TokenRejection.AlgorithmNotAllowed),
        ["a secret"] = new("""{"kty":"oct","k":"AAAA","alg":"HS256"}""", Good, TokenRejection.KeyUnknown),
        ["none"] = new(Jwk(Rsa), Sign("""{"alg":"none"}""", "foo", _ => [])[..^0], TokenRejection.Malformed),
        ["a key for encryption"] = new(Jwk(Rsa, ("use", "\"enc\"")), Good, TokenRejection.KeyUnknown),
        ["a key for signing alone"] = new(Jwk(Rsa, ("key_ops", """["sign"]""")), Good, TokenRejection.KeyUnknown),
        ["a key for nothing"] = new(Jwk(Rsa, ("key_ops", "[]")), Good, TokenRejection.KeyUnknown),
        ["a private key"] = new(Jwk(Rsa, ("d", "\"AA\"")), Good, TokenRejection.KeyUnknown),
        ["a short key"] = new(Jwk(ShortRsa), Sign("""{"alg":"RS256"}""", "foo", Rs256(ShortRsa)), TokenRejection.KeyUnknown),
        ["no key"] = new("null", Good, TokenRejection.KeyUnknown),
        ["the token's own key"] = new(Jwk(Rsa), Sign($$"""{"alg":"RS256","jwk":{{Jwk(OtherRsa)}}}""", "foo", Rs256(OtherRsa)), TokenRejection.SignatureInvalid),
        ["an extension"] = new(Jwk(Rsa), Sign("""{"alg":"RS256","crit":["b64"],"b64":false}""", "foo", Rs256(Rsa)), TokenRejection.UnsupportedHeader),
        ["a header twice"] = new(Jwk(Rsa), Sign("""{"alg":"RS256","alg":"RS256"}""", "foo", Rs256(Rsa)), TokenRejection.Malformed),
        ["another payload"] = new(Jwk(Rsa), Good.Replace(Encode("foo"), Encode("fop"), StringComparison.Ordinal), TokenRejection.SignatureInvalid),
        ["no payload"] = new(Jwk(Rsa), Good.Replace(Encode("foo"), "", StringComparison.Ordinal), TokenRejection.SignatureInvalid),
        ["no signature"] = new(Jwk(Rsa), Good[..(Good.LastIndexOf('.') + 1)], TokenRejection.Malformed),
        ["no header"] = new(Jwk(Rsa), Good[Good.IndexOf('.', StringComparison.Ordinal)..], TokenRejection.Malformed),
        ["two parts"] = new(Jwk(Rsa), Good[..Good.LastIndexOf('.')], TokenRejection.Malformed),
        ["four parts"] = new(Jwk(Rsa), Good + ".foo", TokenRejection.Malformed),
        ["a dot too many"] = new(Jwk(Rsa), Good + ".", TokenRejection.Malformed),
        ["padding"] = new(Jwk(Rsa), Good + "=", TokenRejection.Malformed),
        ["white space"] = new(Jwk(Rsa), Good + "\n", TokenRejection.Malformed),
        ["nothing"] = new(Jwk(Rsa), "", TokenRejection.Missing),
        ["JSON serialization"] = new(Jwk(Rsa), """{"payload":"Zm9v","signatures":[]}""", TokenRejection.Malformed),
        ["DER instead of two numbers"] = new(Jwk(Ec), Sign("""{"alg":"ES256"}""", "foo", i => Ec.SignData(i, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence)), TokenRejection.SignatureInvalid),
        ["zeros"] = new(Jwk(Ec), Sign("""{"alg":"ES256"}""", "foo", _ => new byte[64]), TokenRejection.SignatureInvalid),
    };

    public static TheoryData<string> Shapes => new(Table.Keys);

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Verify_Shape_AsTheTableSays(string shape)
    {
        var (jwk, text, expected, algorithm) = Table[shape];
        using var key = JsonDocument.Parse(jwk);
        Assert.Equal(expected, JwsVerifier.Verify(text, key.RootElement, algorithm, out _));
    }

    private sealed record Case(string Jwk, string Text, TokenRejection Expected, string? Algorithm = null);
}
