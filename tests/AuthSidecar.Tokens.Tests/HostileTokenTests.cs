using System.Collections.Frozen;
using System.Globalization;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using AuthSidecar.Cedar;
using static AuthSidecar.Tokens.Tests.TokenForge;

namespace AuthSidecar.Tokens.Tests;

/// <summary>Access tokens and key sets as an attacker, or a careless issuer, makes them. None is accepted, and each is refused for its reason.</summary>
public sealed class HostileTokenTests
{
    private const string IssuerName = "https://issuer.test";
    private const string OtherIssuerName = "https://other.test";
    private const string Audience = "documents";

    private static readonly string LongestKeyId = new('k', 512);
    private static readonly RSA RsaKey = RSA.Create(2048);
    private static readonly ECDsa EcKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private static readonly RSA OtherIssuersKey = RSA.Create(2048);
    private static readonly RSA AttackersKey = RSA.Create(2048);
    private static readonly RSA SmallKey = RSA.Create(1024);

    // The cache goes by the machine's clock: in a past of ours it would forget every token at once, and nothing here would meet it.
    private static readonly DateTimeOffset Now = new(2100, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly long Seconds = Now.ToUnixTimeSeconds();

    private static readonly Member[] GoodHeader = [("alg", "\"RS256\""), ("kid", "\"rsa\""), ("typ", "\"at+jwt\"")];

    private static readonly Member[] GoodClaims =
    [
        ("iss", Quoted(IssuerName)), ("aud", Quoted(Audience)), ("sub", "\"alice\""), ("exp", Number(Seconds + 600)), ("iat", Number(Seconds - 60)),
        ("jti", "\"token-1\""), ("sid", "\"session-1\""),
    ];

    private static readonly string Good = Sign(Header(), Claims(), Rs256(RsaKey));
    private static readonly string[] GoodParts = Good.Split('.');

    private static readonly Dictionary<string, (TokenRejection Expected, string Token)> Table = new()
    {
        // ---- the text
        ["nothing"] = (TokenRejection.Missing, ""),
        ["over 16 KiB"] = (TokenRejection.TooLarge, OfLength(16 * 1024 + 1)),
        ["over 16 KiB, and nothing but letters"] = (TokenRejection.TooLarge, new string('A', 1024 * 1024)),
        ["header of 8 KiB and a byte"] = (TokenRejection.TooLarge, Sign(HeaderOfBytes(8 * 1024 + 1), Claims(), Rs256(RsaKey))),
        ["white space alone"] = (TokenRejection.Malformed, " "),
        ["one part"] = (TokenRejection.Malformed, GoodParts[0]),
        ["two parts"] = (TokenRejection.Malformed, $"{GoodParts[0]}.{GoodParts[1]}"),
        ["four parts"] = (TokenRejection.Malformed, $"{Good}.AAAA"),
        ["five parts, as a JWE"] = (TokenRejection.Malformed, $"{GoodParts[0]}.AAAA.AAAA.{GoodParts[1]}.{GoodParts[2]}"),
        ["a dot after it"] = (TokenRejection.Malformed, Good + "."),
        ["a dot before it"] = (TokenRejection.Malformed, "." + Good),
        ["dots alone"] = (TokenRejection.Malformed, ".."),
        ["empty header"] = (TokenRejection.Malformed, $".{GoodParts[1]}.{GoodParts[2]}"),
        ["empty payload, as when detached"] = (TokenRejection.Malformed, $"{GoodParts[0]}..{GoodParts[2]}"),
        ["empty signature"] = (TokenRejection.Malformed, $"{GoodParts[0]}.{GoodParts[1]}."),
        ["JSON serialization"] = (TokenRejection.Malformed, $$"""{"protected":"{{GoodParts[0]}}","payload":"{{GoodParts[1]}}","signature":"{{GoodParts[2]}}"}"""),
        ["scheme before it"] = (TokenRejection.Malformed, "Bearer " + Good),
        ["= after it"] = (TokenRejection.Malformed, Good + "="),
        ["== after it"] = (TokenRejection.Malformed, Good + "=="),
        ["padded header"] = (TokenRejection.Malformed, SignParts(Padded(Header()), GoodParts[1], Rs256(RsaKey))),
        ["padded payload"] = (TokenRejection.Malformed, SignParts(GoodParts[0], Padded(Claims()), Rs256(RsaKey))),
        ["space before it"] = (TokenRejection.Malformed, " " + Good),
        ["space after it"] = (TokenRejection.Malformed, Good + " "),
        ["newline after it"] = (TokenRejection.Malformed, Good + "\n"),
        ["newline within"] = (TokenRejection.Malformed, SignParts(GoodParts[0], GoodParts[1].Insert(76, "\r\n"), Rs256(RsaKey))),
        ["tab within"] = (TokenRejection.Malformed, SignParts(GoodParts[0].Insert(4, "\t"), GoodParts[1], Rs256(RsaKey))),
        ["NUL after it"] = (TokenRejection.Malformed, Good + "\0"),
        ["byte order mark before it"] = (TokenRejection.Malformed, "\uFEFF" + Good),
        ["letter that looks like another"] = (TokenRejection.Malformed, GoodParts[0].Replace('c', '\u0441') + $".{GoodParts[1]}.{GoodParts[2]}"),
        ["digit of another script"] = (TokenRejection.Malformed, Good + "\uFF11"),
        ["+ of the other alphabet"] = (TokenRejection.Malformed, SignParts(GoodParts[0], OtherAlphabet(Claims(("x", "\"~~~~~~\""))), Rs256(RsaKey))),
        ["/ of the other alphabet"] = (TokenRejection.Malformed, SignParts(GoodParts[0], OtherAlphabet(Claims(("x", "\"??????\""))), Rs256(RsaKey))),
        ["bits left over in the header"] = (TokenRejection.Malformed, SignParts(WithBitsLeftOver(Encode(Uneven(Header()))), GoodParts[1], Rs256(RsaKey))),
        ["bits left over in the payload"] = (TokenRejection.Malformed, SignParts(GoodParts[0], WithBitsLeftOver(Encode(Uneven(Claims()))), Rs256(RsaKey))),
        ["bits left over in the signature"] = (TokenRejection.Malformed, WithBitsLeftOver(GoodParts, 2)),
        ["part of a length that nothing has"] = (TokenRejection.Malformed, $"{GoodParts[0]}.{GoodParts[1]}.AAAAA"),

        // ---- the JSON
        ["alg twice"] = (TokenRejection.Malformed, WithHeader("""{"alg":"none","alg":"RS256","kid":"rsa","typ":"at+jwt"}""")),
        ["alg twice, once escaped"] = (TokenRejection.Malformed, WithHeader("""{"\u0061lg":"none","alg":"RS256","kid":"rsa","typ":"at+jwt"}""")),
        ["kid twice"] = (TokenRejection.Malformed, WithHeader("""{"alg":"RS256","kid":"rsa","kid":"rsa","typ":"at+jwt"}""")),
        ["unknown member twice in the header"] = (TokenRejection.Malformed, WithHeader("""{"alg":"RS256","kid":"rsa","typ":"at+jwt","x":1,"x":1}""")),
        ["sub twice"] = (TokenRejection.Malformed, WithPayload(Claims().TrimEnd('}') + ""","sub":"root"}""")),
        ["sub twice, once escaped"] = (TokenRejection.Malformed, WithPayload(Claims().TrimEnd('}') + ""","s\u0075b":"root"}""")),
        ["member twice within a claim"] = (TokenRejection.Malformed, WithClaims(("x", """{"a":1,"a":2}"""))),
        ["member twice within a claim, once escaped"] = (TokenRejection.Malformed, WithClaims(("x", """[{"a":1,"\u0061":2}]"""))),
        ["lone high surrogate in a claim"] = (TokenRejection.Malformed, WithClaims(("sub", """ "\ud800" """))),
        ["lone low surrogate in a claim"] = (TokenRejection.Malformed, WithClaims(("x", """["\udc00"]"""))),
        ["surrogates the wrong way round"] = (TokenRejection.Malformed, WithClaims(("x", """ "\udc00\ud800" """))),
        ["lone surrogate in the name of a claim"] = (TokenRejection.Malformed, WithClaims(("""\ud800""", "1"))),
        ["lone surrogate in a name within a claim"] = (TokenRejection.Malformed, WithClaims(("x", """{"\udfff":1,"a":2}"""))),
        ["lone surrogate in the header"] = (TokenRejection.Malformed, WithHeader(Header(("x", """ "\ud800" """)))),
        ["lone surrogate in the name of a header"] = (TokenRejection.Malformed, WithHeader(Header(("""\ud800""", "1")))),
        ["lone surrogate in the kid"] = (TokenRejection.Malformed, WithHeader(Header(("kid", """ "\ud800" """)))),
        ["byte that is not UTF-8"] = (TokenRejection.Malformed, WithPayload(Replaced(Claims(("x", "\"#\"")), 0xFF))),
        ["overlong UTF-8"] = (TokenRejection.Malformed, WithPayload(Replaced(Claims(("x", "\"#\"")), 0xC1, 0xA1))),
        ["surrogate in UTF-8"] = (TokenRejection.Malformed, WithPayload(Replaced(Claims(("x", "\"#\"")), 0xED, 0xA0, 0x80))),
        ["name that is not UTF-8"] = (TokenRejection.Malformed, WithPayload(Replaced(Claims(("#", "1")), 0xFE))),
        ["escaped name that is not UTF-8"] = (TokenRejection.Malformed, WithPayload(Replaced(Claims(("""\u0061#""", "1")), 0xFE))),
        ["byte order mark before the payload"] = (TokenRejection.Malformed, WithPayload("\uFEFF" + Claims())),
        ["byte order mark before the header"] = (TokenRejection.Malformed, WithHeader("\uFEFF" + Header())),
        ["payload in UTF-16"] = (TokenRejection.Malformed, WithPayload(Encoding.Unicode.GetBytes(Claims()))),
        ["payload is an array"] = (TokenRejection.Malformed, WithPayload($"[{Claims()}]")),
        ["payload is a string"] = (TokenRejection.Malformed, WithPayload("\"alice\"")),
        ["payload is null"] = (TokenRejection.Malformed, WithPayload("null")),
        ["payload is a number"] = (TokenRejection.Malformed, WithPayload("1")),
        ["payload is no JSON"] = (TokenRejection.Malformed, WithPayload("alice")),
        ["payload is white space"] = (TokenRejection.Malformed, WithPayload("   ")),
        ["payload ends early"] = (TokenRejection.Malformed, WithPayload(Claims()[..^1])),
        ["something after the payload"] = (TokenRejection.Malformed, WithPayload(Claims() + "x")),
        ["two payloads"] = (TokenRejection.Malformed, WithPayload(Claims() + Claims())),
        ["NUL after the payload"] = (TokenRejection.Malformed, WithPayload(Claims() + "\0")),
        ["comma too many"] = (TokenRejection.Malformed, WithPayload(Claims()[..^1] + ",}")),
        ["comment"] = (TokenRejection.Malformed, WithPayload("/**/" + Claims())),
        ["apostrophes for quotation marks"] = (TokenRejection.Malformed, WithPayload(Claims().Replace('"', '\''))),
        ["control character in a string"] = (TokenRejection.Malformed, WithClaims(("x", "\"\n\""))),
        ["number with a leading zero"] = (TokenRejection.Malformed, WithClaims(("iat", "01"))),
        ["number that is none"] = (TokenRejection.Malformed, WithClaims(("exp", "NaN"))),
        ["header is an array"] = (TokenRejection.Malformed, WithHeader($"[{Header()}]")),
        ["header is null"] = (TokenRejection.Malformed, WithHeader("null")),
        ["header is no JSON"] = (TokenRejection.Malformed, WithHeader("RS256")),
        ["something after the header"] = (TokenRejection.Malformed, WithHeader(Header() + "{}")),
        ["claim nested very deep"] = (TokenRejection.TooLarge, WithClaims(("x", new string('[', 5000) + new string(']', 5000)))),
        ["claim nested very deep, and not closed"] = (TokenRejection.Malformed, WithPayload("{\"x\":" + new string('[', 9000))),
        ["claim nested too deep"] = (TokenRejection.TooLarge, WithClaims(("x", "[[[[[[[[1]]]]]]]]"))),
        ["header nested too deep"] = (TokenRejection.TooLarge, WithHeader(Header(("x", """{"a":{"a":{"a":{"a":{"a":{"a":{"a":{}}}}}}}}""")))),

        // ---- the header
        ["crit of something registered"] = (TokenRejection.UnsupportedHeader, WithHeader(Header(("crit", """["exp"]"""), ("exp", "1")))),
        ["crit of something unknown"] = (TokenRejection.UnsupportedHeader, WithHeader(Header(("crit", """["x"]"""), ("x", "1")))),
        ["empty crit"] = (TokenRejection.UnsupportedHeader, WithHeader(Header(("crit", "[]")))),
        ["crit that is no array"] = (TokenRejection.UnsupportedHeader, WithHeader(Header(("crit", "null")))),
        ["crit, escaped"] = (TokenRejection.UnsupportedHeader, WithHeader(Header(("""\u0063rit""", """["x"]""")))),
        ["unencoded payload"] = (TokenRejection.UnsupportedHeader, WithHeader(Header(("crit", """["b64"]"""), ("b64", "false")))),
        ["b64 without crit"] = (TokenRejection.UnsupportedHeader, WithHeader(Header(("b64", "false")))),
        ["b64 that says nothing new"] = (TokenRejection.UnsupportedHeader, WithHeader(Header(("b64", "true")))),
        ["zip"] = (TokenRejection.UnsupportedHeader, WithHeader(Header(("zip", "\"DEF\"")))),
        ["enc"] = (TokenRejection.UnsupportedHeader, WithHeader(Header(("enc", "\"A128GCM\"")))),
        ["jwk of its own"] = (TokenRejection.SignatureInvalid, Sign(Header(("jwk", Jwk(AttackersKey))), Claims(), Rs256(AttackersKey))),
        ["jwk of its own, and no kid"] = (TokenRejection.KeyUnknown, Sign(Header(("jwk", Jwk(AttackersKey)), ("kid", null)), Claims(), Rs256(AttackersKey))),
        ["jwk of its own, with its kid"] = (TokenRejection.KeyUnknown, Sign(Header(("jwk", Jwk(AttackersKey, ("kid", "\"mine\""))), ("kid", "\"mine\"")), Claims(), Rs256(AttackersKey))),
        ["jku of another key"] = (TokenRejection.SignatureInvalid, Sign(Header(("jku", "\"https://attacker.test/jwks\"")), Claims(), Rs256(AttackersKey))),
        ["x5u of another key"] = (TokenRejection.SignatureInvalid, Sign(Header(("x5u", "\"https://attacker.test/cert\"")), Claims(), Rs256(AttackersKey))),
        ["x5c of another key"] = (TokenRejection.SignatureInvalid, Sign(Header(("x5c", $"[\"{CertificateOf(AttackersKey)}\"]")), Claims(), Rs256(AttackersKey))),
        ["no kid"] = (TokenRejection.KeyUnknown, WithHeader(Header(("kid", null)))),
        ["unknown kid"] = (TokenRejection.KeyUnknown, WithHeader(Header(("kid", "\"rsb\"")))),
        ["kid in other case"] = (TokenRejection.KeyUnknown, WithHeader(Header(("kid", "\"RSA\"")))),
        ["kid with a space"] = (TokenRejection.KeyUnknown, WithHeader(Header(("kid", "\"rsa \"")))),
        ["kid that is a path"] = (TokenRejection.KeyUnknown, WithHeader(Header(("kid", "\"../../../dev/null\"")))),
        ["another issuer's kid and key"] = (TokenRejection.KeyUnknown, Sign(Header(("kid", "\"other\"")), Claims(), Rs256(OtherIssuersKey))),
        ["another issuer's name, our kid and key"] = (TokenRejection.KeyUnknown, WithClaims(("iss", Quoted(OtherIssuerName)))),
        ["kid in other case of the member"] = (TokenRejection.KeyUnknown, WithHeader(Header(("kid", null), ("Kid", "\"rsa\"")))),
        ["empty kid"] = (TokenRejection.Malformed, WithHeader(Header(("kid", "\"\"")))),
        ["kid too long"] = (TokenRejection.Malformed, WithHeader(Header(("kid", Quoted(LongestKeyId + "-"))))),
        ["kid with a line break"] = (TokenRejection.KeyUnknown, WithHeader(Header(("kid", """ "rsa\nlevel=error" """)))),
        ["kid beyond ASCII"] = (TokenRejection.KeyUnknown, WithHeader(Header(("kid", """ "rs\u0430" """)))),
        ["kid is a number"] = (TokenRejection.Malformed, WithHeader(Header(("kid", "1")))),
        ["kid is null"] = (TokenRejection.Malformed, WithHeader(Header(("kid", "null")))),
        ["kid is an array"] = (TokenRejection.Malformed, WithHeader(Header(("kid", """["rsa"]""")))),
        ["no typ"] = (TokenRejection.TypeNotAllowed, WithHeader(Header(("typ", null)))),
        ["empty typ"] = (TokenRejection.TypeNotAllowed, WithHeader(Header(("typ", "\"\"")))),
        ["typ JWT"] = (TokenRejection.TypeNotAllowed, WithHeader(Header(("typ", "\"JWT\"")))),
        ["typ of a DPoP proof"] = (TokenRejection.TypeNotAllowed, WithHeader(Header(("typ", "\"dpop+jwt\"")))),
        ["typ of a logout token"] = (TokenRejection.TypeNotAllowed, WithHeader(Header(("typ", "\"logout+jwt\"")))),
        ["typ of a proof of a second factor"] = (TokenRejection.TypeNotAllowed, WithHeader(Header(("typ", "\"mfa+jwt\"")))),
        ["typ with a parameter"] = (TokenRejection.TypeNotAllowed, WithHeader(Header(("typ", "\"at+jwt; v=1\"")))),
        ["typ with a space"] = (TokenRejection.TypeNotAllowed, WithHeader(Header(("typ", "\" at+jwt\"")))),
        ["typ with its prefix twice"] = (TokenRejection.TypeNotAllowed, WithHeader(Header(("typ", "\"application/application/at+jwt\"")))),
        ["claim typ of an ID token"] = (TokenRejection.TypeNotAllowed, WithClaims(("typ", "\"ID\""))),
        ["claim typ of a refresh token"] = (TokenRejection.TypeNotAllowed, WithClaims(("typ", "\"Refresh\""))),
        ["claim typ of an offline token"] = (TokenRejection.TypeNotAllowed, WithClaims(("typ", "\"Offline\""))),
        ["claim typ of a logout token"] = (TokenRejection.TypeNotAllowed, WithClaims(("typ", "\"Logout\""))),
        ["claim typ of something unknown"] = (TokenRejection.TypeNotAllowed, WithClaims(("typ", "\"Something\""))),
        ["claim typ in other case"] = (TokenRejection.TypeNotAllowed, WithClaims(("typ", "\"refresh\""))),
        ["claim typ, escaped"] = (TokenRejection.TypeNotAllowed, WithClaims(("""t\u0079p""", "\"ID\""))),
        ["token_use of an ID token"] = (TokenRejection.TypeNotAllowed, WithClaims(("token_use", "\"id\""))),
        ["token_use of a refresh token"] = (TokenRejection.TypeNotAllowed, WithClaims(("token_use", "\"refresh_token\""))),
        ["token_type of a refresh token"] = (TokenRejection.TypeNotAllowed, WithClaims(("token_type", "\"refresh\""))),
        ["tokenType of a refresh token"] = (TokenRejection.TypeNotAllowed, WithClaims(("tokenType", "\"refresh-token\""))),
        ["TokenType of a refresh token"] = (TokenRejection.TypeNotAllowed, WithClaims(("TokenType", "\"refresh-token\""))),
        ["tokenName of an ID token"] = (TokenRejection.TypeNotAllowed, WithClaims(("tokenName", "\"id_token\""))),
        ["tokenUse of a refresh token"] = (TokenRejection.TypeNotAllowed, WithClaims(("tokenUse", "\"refresh\""))),
        ["type of an ID token, in camel case"] = (TokenRejection.TypeNotAllowed, WithClaims(("type", "\"idToken\""))),
        ["type of a refresh token, with a hyphen"] = (TokenRejection.TypeNotAllowed, WithClaims(("type", "\"refresh-token\""))),
        ["token_type of an ID token, as a URN"] = (TokenRejection.TypeNotAllowed, WithClaims(("token_type", "\"urn:ietf:params:oauth:token-type:id_token\""))),
        ["type of a refresh token"] = (TokenRejection.TypeNotAllowed, WithClaims(("type", "\"refresh\""))),
        ["events of a logout token"] = (TokenRejection.TypeNotAllowed, WithClaims(("events", """{"http://schemas.openid.net/event/backchannel-logout":{}}"""))),
        ["events as a string"] = (TokenRejection.TypeNotAllowed, WithClaims(("events", "\"{}\""))),
        ["claim typ is a number"] = (TokenRejection.ClaimMalformed, WithClaims(("typ", "1"))),
        ["token_use is an array"] = (TokenRejection.ClaimMalformed, WithClaims(("token_use", """["access"]"""))),
        ["typ is a number"] = (TokenRejection.Malformed, WithHeader(Header(("typ", "1")))),
        ["typ is null"] = (TokenRejection.Malformed, WithHeader(Header(("typ", "null")))),

        // ---- the algorithm
        ["alg none and no signature"] = (TokenRejection.Malformed, Sign(Header(("alg", "\"none\"")), Claims(), _ => [])),
        ["alg none and some signature"] = (TokenRejection.AlgorithmNotAllowed, Sign(Header(("alg", "\"none\"")), Claims(), _ => [0])),
        ["alg None and the right signature"] = (TokenRejection.AlgorithmNotAllowed, WithHeader(Header(("alg", "\"None\"")))),
        ["HS256 with the public key in PEM"] = (TokenRejection.AlgorithmNotAllowed, Hs256With(Encoding.ASCII.GetBytes(RsaKey.ExportSubjectPublicKeyInfoPem()))),
        ["HS256 with the public key in DER"] = (TokenRejection.AlgorithmNotAllowed, Hs256With(RsaKey.ExportSubjectPublicKeyInfo())),
        ["HS256 with the modulus"] = (TokenRejection.AlgorithmNotAllowed, Hs256With(RsaKey.ExportParameters(includePrivateParameters: false).Modulus!)),
        ["HS256 with the public JWK"] = (TokenRejection.AlgorithmNotAllowed, Hs256With(Encoding.ASCII.GetBytes(Jwk(RsaKey)))),
        ["RS512 of a key for RS256"] = (TokenRejection.AlgorithmNotAllowed, Sign(Header(("alg", "\"RS512\"")), Claims(), Rs512(RsaKey))),
        ["PS256 of a key for RS256"] = (TokenRejection.AlgorithmNotAllowed, Sign(Header(("alg", "\"PS256\"")), Claims(), Ps256(RsaKey))),
        ["ES256 and the kid of an RSA key"] = (TokenRejection.AlgorithmNotAllowed, Sign(Header(("alg", "\"ES256\"")), Claims(), Es256(EcKey))),
        ["RS256 and the kid of an EC key"] = (TokenRejection.AlgorithmNotAllowed, WithHeader(Header(("kid", "\"ec\"")))),
        ["alg in lower case"] = (TokenRejection.AlgorithmNotAllowed, WithHeader(Header(("alg", "\"rs256\"")))),
        ["alg with a space"] = (TokenRejection.AlgorithmNotAllowed, WithHeader(Header(("alg", "\"RS256 \"")))),
        ["empty alg"] = (TokenRejection.AlgorithmNotAllowed, WithHeader(Header(("alg", "\"\"")))),
        ["no alg"] = (TokenRejection.Malformed, WithHeader(Header(("alg", null)))),
        ["alg is null"] = (TokenRejection.Malformed, WithHeader(Header(("alg", "null")))),
        ["alg is an array"] = (TokenRejection.Malformed, WithHeader(Header(("alg", """["RS256"]""")))),

        // ---- the signature
        ["attacker's signature"] = (TokenRejection.SignatureInvalid, Sign(Header(), Claims(), Rs256(AttackersKey))),
        ["signature of another token"] = (TokenRejection.SignatureInvalid, $"{GoodParts[0]}.{Encode(Claims(("sub", "\"root\"")))}.{GoodParts[2]}"),
        ["signature under another header"] = (TokenRejection.SignatureInvalid, $"{Encode(Header(("x", "1")))}.{GoodParts[1]}.{GoodParts[2]}"),
        ["payload written otherwise"] = (TokenRejection.SignatureInvalid, $"{GoodParts[0]}.{Encode(" " + Claims())}.{GoodParts[2]}"),
        ["signature with PSS under RS256"] = (TokenRejection.SignatureInvalid, Sign(Header(), Claims(), Ps256(RsaKey))),
        ["signature with SHA-512 under RS256"] = (TokenRejection.SignatureInvalid, Sign(Header(), Claims(), Rs512(RsaKey))),
        ["RSA signature cut short"] = (TokenRejection.SignatureInvalid, Sign(Header(), Claims(), input => Rs256(RsaKey)(input)[..^1])),
        ["RSA signature with a zero before it"] = (TokenRejection.SignatureInvalid, Sign(Header(), Claims(), input => [0, .. Rs256(RsaKey)(input)])),
        ["RSA signature with a zero after it"] = (TokenRejection.SignatureInvalid, Sign(Header(), Claims(), input => [.. Rs256(RsaKey)(input), 0])),
        ["RSA signature of zeros"] = (TokenRejection.SignatureInvalid, Sign(Header(), Claims(), _ => new byte[256])),
        ["RSA signature of one"] = (TokenRejection.SignatureInvalid, Sign(Header(), Claims(), _ => [.. new byte[255], 1])),
        ["RSA signature of 0xFF"] = (TokenRejection.SignatureInvalid, Sign(Header(), Claims(), _ => [.. Enumerable.Repeat((byte)0xFF, 256)])),
        ["signature of a byte"] = (TokenRejection.SignatureInvalid, Sign(Header(), Claims(), _ => [1])),
        ["ECDSA signature in DER"] = (TokenRejection.SignatureInvalid, WithEcdsa(input => EcKey.SignData(input, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence))),
        ["ECDSA signature of zeros"] = (TokenRejection.SignatureInvalid, WithEcdsa(_ => new byte[64])),
        ["ECDSA signature with r zero"] = (TokenRejection.SignatureInvalid, WithEcdsa(input => [.. new byte[32], .. Es256(EcKey)(input)[32..]])),
        ["ECDSA signature with s zero"] = (TokenRejection.SignatureInvalid, WithEcdsa(input => [.. Es256(EcKey)(input)[..32], .. new byte[32]])),
        ["ECDSA signature of 0xFF"] = (TokenRejection.SignatureInvalid, WithEcdsa(_ => [.. Enumerable.Repeat((byte)0xFF, 64)])),
        ["ECDSA signature with r and s exchanged"] = (TokenRejection.SignatureInvalid, WithEcdsa(input => [.. Es256(EcKey)(input)[32..], .. Es256(EcKey)(input)[..32]])),
        ["ECDSA signature cut short"] = (TokenRejection.SignatureInvalid, WithEcdsa(input => Es256(EcKey)(input)[..63])),
        ["ECDSA signature with a byte more"] = (TokenRejection.SignatureInvalid, WithEcdsa(input => [.. Es256(EcKey)(input), 0])),
        ["ECDSA signature with numbers of 33 bytes"] = (TokenRejection.SignatureInvalid, WithEcdsa(input => [0, .. Es256(EcKey)(input)[..32], 0, .. Es256(EcKey)(input)[32..]])),

        // ---- the claims
        ["no iss"] = (TokenRejection.ClaimMissing, WithClaims(("iss", null))),
        ["no aud"] = (TokenRejection.ClaimMissing, WithClaims(("aud", null))),
        ["no sub"] = (TokenRejection.ClaimMissing, WithClaims(("sub", null))),
        ["no exp"] = (TokenRejection.ClaimMissing, WithClaims(("exp", null))),
        ["no iat"] = (TokenRejection.ClaimMissing, WithClaims(("iat", null))),
        ["no claims"] = (TokenRejection.ClaimMissing, WithPayload("{}")),
        ["sub in other case of the member"] = (TokenRejection.ClaimMissing, WithClaims(("sub", null), ("Sub", "\"alice\""))),
        ["unknown iss"] = (TokenRejection.IssuerUnknown, WithClaims(("iss", "\"https://attacker.test\""))),
        ["iss with a slash more"] = (TokenRejection.IssuerUnknown, WithClaims(("iss", Quoted(IssuerName + "/")))),
        ["iss in other case"] = (TokenRejection.IssuerUnknown, WithClaims(("iss", "\"HTTPS://issuer.test\""))),
        ["iss is a number"] = (TokenRejection.ClaimMalformed, WithClaims(("iss", "1"))),
        ["iss is an array"] = (TokenRejection.ClaimMalformed, WithClaims(("iss", $"[\"{IssuerName}\"]"))),
        ["sub is empty"] = (TokenRejection.ClaimMalformed, WithClaims(("sub", "\"\""))),
        ["sub is a number"] = (TokenRejection.ClaimMalformed, WithClaims(("sub", "1"))),
        ["sub is null"] = (TokenRejection.ClaimMalformed, WithClaims(("sub", "null"))),
        ["sub is an array"] = (TokenRejection.ClaimMalformed, WithClaims(("sub", """["alice"]"""))),
        ["aud of others"] = (TokenRejection.AudienceMismatch, WithClaims(("aud", "\"mail\""))),
        ["aud in other case"] = (TokenRejection.AudienceMismatch, WithClaims(("aud", "\"Documents\""))),
        ["aud that begins like ours"] = (TokenRejection.AudienceMismatch, WithClaims(("aud", "\"documents.attacker.test\""))),
        ["aud is an array of others"] = (TokenRejection.AudienceMismatch, WithClaims(("aud", """["mail","calendar"]"""))),
        ["aud is an empty array"] = (TokenRejection.AudienceMismatch, WithClaims(("aud", "[]"))),
        ["aud is a number"] = (TokenRejection.ClaimMalformed, WithClaims(("aud", "1"))),
        ["aud is null"] = (TokenRejection.ClaimMalformed, WithClaims(("aud", "null"))),
        ["aud is empty"] = (TokenRejection.ClaimMalformed, WithClaims(("aud", "\"\""))),
        ["aud is an object"] = (TokenRejection.ClaimMalformed, WithClaims(("aud", """{"documents":true}"""))),
        ["aud with a number beside ours"] = (TokenRejection.ClaimMalformed, WithClaims(("aud", """["documents",1]"""))),
        ["aud with an array around ours"] = (TokenRejection.ClaimMalformed, WithClaims(("aud", """[["documents"]]"""))),
        ["aud of too many"] = (TokenRejection.ClaimMalformed, WithClaims(("aud", $"[{string.Join(',', Enumerable.Repeat("\"documents\"", 257))}]"))),
        ["exp with a fraction that is over"] = (TokenRejection.Expired, WithClaims(("exp", Number(Seconds - 5) + ".9"))),
        ["exp with a fraction, before 1970"] = (TokenRejection.ClaimMalformed, WithClaims(("exp", "-0.5"))),
        ["exp with a fraction, in the year 10000"] = (TokenRejection.ClaimMalformed, WithClaims(("exp", "253402300799.5"))),
        ["exp beyond any decimal"] = (TokenRejection.ClaimMalformed, WithClaims(("exp", "1e300"))),
        ["nbf with a fraction, not yet"] = (TokenRejection.NotYetValid, WithClaims(("nbf", Number(Seconds + 5) + ".1"))),
        ["iat with a fraction, in the future"] = (TokenRejection.NotYetValid, WithClaims(("iat", Number(Seconds + 5) + ".1"))),
        ["exp is a string"] = (TokenRejection.ClaimMalformed, WithClaims(("exp", Quoted(Number(Seconds + 600))))),
        ["exp with an exponent, huge"] = (TokenRejection.ClaimMalformed, WithClaims(("exp", "1e18"))),
        ["exp with an exponent beyond any number"] = (TokenRejection.Malformed, WithClaims(("exp", "1e999"))),
        ["exp of 10^18"] = (TokenRejection.ClaimMalformed, WithClaims(("exp", "1000000000000000000"))),
        ["exp beyond 64 bits"] = (TokenRejection.ClaimMalformed, WithClaims(("exp", "18446744073709551616"))),
        ["exp in the year 10000"] = (TokenRejection.ClaimMalformed, WithClaims(("exp", "253402300800"))),
        ["exp in milliseconds"] = (TokenRejection.ClaimMalformed, WithClaims(("exp", Number((Seconds + 600) * 1000)))),
        ["exp before 1970"] = (TokenRejection.ClaimMalformed, WithClaims(("exp", "-1"))),
        ["exp is null"] = (TokenRejection.ClaimMalformed, WithClaims(("exp", "null"))),
        ["exp is true"] = (TokenRejection.ClaimMalformed, WithClaims(("exp", "true"))),
        ["exp is an array"] = (TokenRejection.ClaimMalformed, WithClaims(("exp", $"[{Number(Seconds + 600)}]"))),
        ["iat is a string"] = (TokenRejection.ClaimMalformed, WithClaims(("iat", Quoted(Number(Seconds))))),
        ["iat before 1970"] = (TokenRejection.ClaimMalformed, WithClaims(("iat", "-1"))),
        ["iat far beyond"] = (TokenRejection.ClaimMalformed, WithClaims(("iat", "9223372036854775807"))),
        ["nbf is a string"] = (TokenRejection.ClaimMalformed, WithClaims(("nbf", "\"1\""))),
        ["nbf before 1970"] = (TokenRejection.ClaimMalformed, WithClaims(("nbf", "-1"))),
        ["jti is a number"] = (TokenRejection.ClaimMalformed, WithClaims(("jti", "1"))),
        ["scope is a number"] = (TokenRejection.ClaimMalformed, WithClaims(("scope", "1"))),
        ["expired long ago"] = (TokenRejection.Expired, WithClaims(("exp", "0"), ("iat", "0"))),
        ["expired by the skew"] = (TokenRejection.Expired, WithClaims(("exp", Number(Seconds - 5)))),
        ["expired by the skew and a second"] = (TokenRejection.Expired, WithClaims(("exp", Number(Seconds - 6)))),
        ["not valid before the skew is over"] = (TokenRejection.NotYetValid, WithClaims(("nbf", Number(Seconds + 6)))),
        ["issued in the future"] = (TokenRejection.NotYetValid, WithClaims(("iat", Number(Seconds + 6)))),
        ["revoked"] = (TokenRejection.Revoked, WithClaims(("jti", "\"revoked\""))),
        ["of a revoked session"] = (TokenRejection.Revoked, WithClaims(("sid", "\"revoked\""))),
        ["of a revoked session, of the same second"] = (TokenRejection.Revoked, WithClaims(("sid", "\"revoked\""), ("iat", Number(Seconds - 10)))),
        ["of a revoked subject, of the same second"] = (TokenRejection.Revoked, WithClaims(("sub", "\"revoked\""), ("iat", Number(Seconds - 10)))),
        ["of a revoked subject"] = (TokenRejection.Revoked, WithClaims(("sub", "\"revoked\""))),

        // ---- the binding
        ["bound to a key, without proof"] = (TokenRejection.ProofMissing, WithClaims(("cnf", $$"""{"jkt":"{{Thumbprint(EcKey)}}"}"""))),
        ["bound to a certificate, without proof"] = (TokenRejection.ProofMissing, WithClaims(("cnf", $$"""{"x5t#S256":"{{Hash("certificate")}}"}"""))),
        ["bound to both, without proof"] = (TokenRejection.ProofMissing, WithClaims(("cnf", $$"""{"jkt":"{{Thumbprint(EcKey)}}","x5t#S256":"{{Hash("certificate")}}"}"""))),
        ["bound to nothing"] = (TokenRejection.ProofMissing, WithClaims(("cnf", "{}"))),
        ["bound by a key within"] = (TokenRejection.ProofMissing, WithClaims(("cnf", $$"""{"jwk":{{Jwk(EcKey)}}}"""))),
        ["bound in an unknown way"] = (TokenRejection.ProofMissing, WithClaims(("cnf", """{"x":"y"}"""))),
        ["bound in other case of the member"] = (TokenRejection.ProofMissing, WithClaims(("cnf", $$"""{"JKT":"{{Thumbprint(EcKey)}}"}"""))),
        ["cnf is null"] = (TokenRejection.ClaimMalformed, WithClaims(("cnf", "null"))),
        ["cnf is a string"] = (TokenRejection.ClaimMalformed, WithClaims(("cnf", Quoted(Thumbprint(EcKey))))),
        ["cnf is an array"] = (TokenRejection.ClaimMalformed, WithClaims(("cnf", "[]"))),
        ["jkt is null"] = (TokenRejection.ClaimMalformed, WithClaims(("cnf", """{"jkt":null}"""))),
        ["jkt is too short"] = (TokenRejection.ClaimMalformed, WithClaims(("cnf", $$"""{"jkt":"{{Encode(new byte[31])}}"}"""))),
        ["jkt is padded"] = (TokenRejection.ClaimMalformed, WithClaims(("cnf", $$"""{"jkt":"{{Encode(new byte[32])}}="}"""))),
        ["jkt with bits left over"] = (TokenRejection.ClaimMalformed, WithClaims(("cnf", $$"""{"jkt":"{{WithBitsLeftOver(Encode(new byte[32]))}}"}"""))),
        ["x5t#S256 in hexadecimal"] = (TokenRejection.ClaimMalformed, WithClaims(("cnf", $$"""{"x5t#S256":"{{new string('0', 64)}}"}"""))),
    };

    private static readonly Dictionary<string, string> Edges = new()
    {
        ["as usual"] = Good,
        ["signed with ECDSA"] = WithEcdsa(Es256(EcKey)),
        ["token of 16 KiB"] = OfLength(16 * 1024 - 1),
        ["header of 8 KiB"] = Sign(HeaderOfBytes(8 * 1024), Claims(), Rs256(RsaKey)),
        ["longest kid"] = WithHeader(Header(("kid", Quoted(LongestKeyId)))),
        ["typ in full"] = WithHeader(Header(("typ", "\"application/at+jwt\""))),
        ["typ in other case"] = WithHeader(Header(("typ", "\"AT+JWT\""))),
        ["typ escaped"] = WithHeader(Header(("typ", """ "at\u002bjwt" """))),
        ["nested as deep as may be"] = WithClaims(("x", "[[[[[[[1]]]]]]]")),
        ["pair of surrogates"] = WithClaims(("x", """ "\ud83d\ude00" """)),
        ["aud among others"] = WithClaims(("aud", """["mail","documents"]""")),
        ["as many aud as may be"] = WithClaims(("aud", $"[{string.Join(',', Enumerable.Repeat("\"documents\"", 256))}]")),
        ["jwk beside the right signature"] = WithHeader(Header(("jwk", Jwk(RsaKey)))),
        ["jwk, jku, x5u and x5c of others beside the right signature"] = WithHeader(Header(
            ("jwk", Jwk(AttackersKey)), ("jku", "\"https://attacker.test/jwks\""), ("x5u", "\"https://attacker.test/cert\""), ("x5c", $"[\"{CertificateOf(AttackersKey)}\"]"))),
        ["exp with a fraction"] = WithClaims(("exp", Number(Seconds + 600) + ".5")),
        ["exp with an exponent"] = WithClaims(("exp", "42e8")),
        ["exp with a fraction and an exponent"] = WithClaims(("exp", "4.1027445e9")),
        ["iat with a fraction"] = WithClaims(("iat", Number(Seconds - 1) + ".5")),
        ["iat with an exponent"] = WithClaims(("iat", "1e9")),
        ["nbf with a fraction, just now"] = WithClaims(("nbf", Number(Seconds + 4) + ".9")),
        ["nulls of optional claims"] = WithClaims(("amr", "null"), ("jti", "null"), ("nbf", "null"), ("scope", "null"), ("acr", "null"), ("sid", "null"), ("client_id", "null"), ("auth_time", "null"), ("typ", "null"), ("events", "null")),
        ["empty optional claims"] = WithClaims(("acr", "\"\""), ("sid", "\"\""), ("client_id", "\"\"")),
        ["claim typ of an access token"] = WithClaims(("typ", "\"Bearer\"")),
        ["token_use of an access token"] = WithClaims(("token_use", "\"access\"")),
        ["token_type of an access token, as a URN"] = WithClaims(("token_type", "\"urn:ietf:params:oauth:token-type:access_token\"")),
        ["type of something else"] = WithClaims(("type", "\"user\"")),
        ["kid with any text"] = WithHeader(Header(("kid", """ "schl\u00fcssel\n1" """))),
        ["expired by less than the skew"] = WithClaims(("exp", Number(Seconds - 4))),
        ["valid for ever"] = WithClaims(("exp", "253402300799")),
        ["valid for almost ever"] = WithClaims(("exp", "253402300795")),
        ["valid from within the skew"] = WithClaims(("nbf", Number(Seconds + 5))),
        ["issued within the skew"] = WithClaims(("iat", Number(Seconds + 5))),
        ["no jti and no sid"] = WithClaims(("jti", null), ("sid", null)),
        ["session revoked before it was issued"] = WithClaims(("sid", "\"revoked\""), ("iat", Number(Seconds - 9))),
        ["subject revoked before it was issued"] = WithClaims(("sub", "\"revoked\""), ("iat", Number(Seconds - 9))),
        ["jti that another issuer revoked"] = WithClaims(("jti", "\"revoked-elsewhere\"")),
    };

    private static readonly Dictionary<string, string> BadKeySets = new()
    {
        ["no JSON"] = "keys",
        ["array"] = "[]",
        ["null"] = "null",
        ["no keys"] = "{}",
        ["keys in other case of the member"] = $$"""{"Keys":[{{Jwk(RsaKey, ("kid", "\"k\""))}}]}""",
        ["keys is an object"] = """{"keys":{}}""",
        ["no key"] = """{"keys":[]}""",
        ["key is null"] = """{"keys":[null]}""",
        ["key is a string"] = """{"keys":["k"]}""",
        ["keys twice"] = $$"""{"keys":[{{Jwk(RsaKey, ("kid", "\"k\""))}}],"keys":[{{Jwk(AttackersKey, ("kid", "\"k\""))}}]}""",
        ["n twice"] = KeySet(Jwk(RsaKey, ("kid", "\"k\"")).TrimEnd('}') + ""","n":"AQAB"}"""),
        ["lone surrogate in a name"] = KeySet(Jwk(RsaKey, ("kid", "\"k\""), ("""\ud800""", "1"))),
        ["lone surrogate in the kid"] = KeySet(Jwk(RsaKey, ("kid", """ "\ud800" """))),
        ["kid twice"] = KeySet(Jwk(RsaKey, ("kid", "\"k\"")), Jwk(AttackersKey, ("kid", "\"k\""))),
        ["empty kid"] = KeySet(Jwk(RsaKey, ("kid", "\"\""))),
        ["kid is a number"] = KeySet(Jwk(RsaKey, ("kid", "1"))),
        ["kid too long"] = KeySet(Jwk(RsaKey, ("kid", Quoted(LongestKeyId + "-")))),
        ["n in other case of the member"] = KeySet(Jwk(AttackersKey, ("kid", "\"k\""), ("n", null), ("N", Quoted(Encode(RsaKey.ExportParameters(includePrivateParameters: false).Modulus!))))),
        ["symmetric key"] = KeySet("""{"kty":"oct","kid":"k","k":"c2VjcmV0LWNhbmFyeQ"}"""),
        ["symmetric key beside a good one"] = KeySet(Jwk(RsaKey, ("kid", "\"k\"")), """{"kty":"oct","kid":"s","k":"c2VjcmV0LWNhbmFyeQ"}"""),
        ["symmetric key for encryption beside a good one"] = KeySet(Jwk(RsaKey, ("kid", "\"k\"")), """{"kty":"oct","kid":"s","use":"enc","k":"c2VjcmV0LWNhbmFyeQ"}"""),
        ["private RSA key"] = KeySet(Jwk(RsaKey, ("kid", "\"k\""), ("d", "\"c2VjcmV0LWNhbmFyeQ\""))),
        ["private EC key"] = KeySet(Jwk(EcKey, ("kid", "\"k\""), ("d", "\"c2VjcmV0LWNhbmFyeQ\""))),
        ["prime of an RSA key"] = KeySet(Jwk(RsaKey, ("kid", "\"k\""), ("p", "\"c2VjcmV0LWNhbmFyeQ\""))),
        ["private key for encryption beside a good one"] = KeySet(Jwk(EcKey, ("kid", "\"k\"")), Jwk(RsaKey, ("kid", "\"e\""), ("use", "\"enc\""), ("d", "\"c2VjcmV0LWNhbmFyeQ\""))),
        ["private key for signing beside a good one"] = KeySet(Jwk(EcKey, ("kid", "\"k\"")), Jwk(RsaKey, ("kid", "\"e\""), ("key_ops", """["sign"]"""), ("d", "\"c2VjcmV0LWNhbmFyeQ\""))),
        ["RSA of 1024 bits"] = KeySet(Jwk(SmallKey, ("kid", "\"k\""))),
        ["RSA of 1024 bits with zeros before them"] = KeySet(WithRsa(n: [.. new byte[128], .. SmallKey.ExportParameters(includePrivateParameters: false).Modulus!])),
        ["n with two zeros before it"] = KeySet(WithRsa(n: [0, 0, .. RsaKey.ExportParameters(includePrivateParameters: false).Modulus!])),
        ["private key after a key that is no object"] = KeySet(Jwk(RsaKey, ("kid", "\"k\"")), """{"kid": "a", "kid": "b", "d": "c2VjcmV0LWNhbmFyeQ"}"""),
        ["private key nested too deep"] = KeySet(Jwk(RsaKey, ("kid", "\"k\"")), """{"x": [[[[[[[[[{"d": "c2VjcmV0LWNhbmFyeQ"}]]]]]]]]]}"""),
        ["private key beside the keys"] = $$"""{"keys": [{{Jwk(RsaKey, ("kid", "\"k\""))}}], "private": {"d": "c2VjcmV0LWNhbmFyeQ"} }""",
        ["even n"] = KeySet(WithRsa(n: [.. RsaKey.ExportParameters(includePrivateParameters: false).Modulus![..^1], 2])),
        ["n padded"] = KeySet(Jwk(RsaKey, ("kid", "\"k\""), ("n", Quoted(Encode(RsaKey.ExportParameters(includePrivateParameters: false).Modulus!) + "==")))),
        ["n with bits left over"] = KeySet(Jwk(RsaKey, ("kid", "\"k\""), ("n", Quoted(WithBitsLeftOver(Encode(RsaKey.ExportParameters(includePrivateParameters: false).Modulus!)))))),
        ["n of the other alphabet"] = KeySet(Jwk(RsaKey, ("kid", "\"k\""), ("n", Quoted("/" + Encode(RsaKey.ExportParameters(includePrivateParameters: false).Modulus!)[1..])))),
        ["n beyond 8192 bits"] = KeySet(WithRsa(n: [.. Enumerable.Repeat((byte)0xFF, 1025)])),
        ["no n"] = KeySet(Jwk(RsaKey, ("kid", "\"k\""), ("n", null))),
        ["no e"] = KeySet(Jwk(RsaKey, ("kid", "\"k\""), ("e", null))),
        ["exponent 1"] = KeySet(WithRsa(e: [1])),
        ["exponent 3"] = KeySet(WithRsa(e: [3])),
        ["exponent 17"] = KeySet(WithRsa(e: [17])),
        ["even exponent"] = KeySet(WithRsa(e: [1, 0, 2])),
        ["exponent zero"] = KeySet(WithRsa(e: [0, 0, 0])),
        ["exponent with a zero before it"] = KeySet(WithRsa(e: [0, 1, 0, 1])),
        ["exponent beyond 32 bits"] = KeySet(WithRsa(e: [1, 0, 0, 0, 1])),
        ["RSA for an EC algorithm"] = KeySet(Jwk(RsaKey, ("kid", "\"k\""), ("alg", "\"ES256\""))),
        ["RSA for HMAC"] = KeySet(Jwk(RsaKey, ("kid", "\"k\""), ("alg", "\"HS256\""))),
        ["alg none"] = KeySet(Jwk(RsaKey, ("kid", "\"k\""), ("alg", "\"none\""))),
        ["alg is a number"] = KeySet(Jwk(RsaKey, ("kid", "\"k\""), ("alg", "256"))),
        ["unknown use"] = KeySet(Jwk(RsaKey, ("kid", "\"k\""), ("use", "\"sign\""))),
        ["no kty"] = KeySet(Jwk(RsaKey, ("kid", "\"k\""), ("kty", null))),
        ["kty in other case"] = KeySet(Jwk(RsaKey, ("kid", "\"k\""), ("kty", "\"rsa\""))),
        ["unsupported curve of OKP"] = KeySet("""{"kty":"OKP","crv":"X25519","kid":"k","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"""),
        ["Ed25519 for another algorithm"] = KeySet("""{"kty":"OKP","crv":"Ed25519","kid":"k","alg":"RS256","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"""),
        ["Ed25519 cut short"] = KeySet("""{"kty":"OKP","crv":"Ed25519","kid":"k","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcH"}"""),
        ["private Ed25519 key"] = KeySet("""{"kty":"OKP","crv":"Ed25519","kid":"k","d":"c2VjcmV0LWNhbmFyeQ","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"""),
        ["no curve"] = KeySet(Jwk(EcKey, ("kid", "\"k\""), ("crv", null))),
        ["unsupported curve"] = KeySet(Jwk(EcKey, ("kid", "\"k\""), ("crv", "\"secp256k1\""))),
        ["coordinates of another curve"] = KeySet(Jwk(EcKey, ("kid", "\"k\""), ("crv", "\"P-384\""))),
        ["point off its curve"] = KeySet(WithEc(x: new byte[32], y: new byte[32])),
        ["coordinates exchanged"] = KeySet(WithEc(x: EcKey.ExportParameters(includePrivateParameters: false).Q.Y!, y: EcKey.ExportParameters(includePrivateParameters: false).Q.X!)),
        ["coordinates with zeros before them"] = KeySet(WithEc(x: [0, .. EcKey.ExportParameters(includePrivateParameters: false).Q.X!], y: [0, .. EcKey.ExportParameters(includePrivateParameters: false).Q.Y!])),
        ["no y"] = KeySet(Jwk(EcKey, ("kid", "\"k\""), ("y", null))),
        ["empty x"] = KeySet(Jwk(EcKey, ("kid", "\"k\""), ("x", "\"\""))),
        ["x padded"] = KeySet(Jwk(EcKey, ("kid", "\"k\""), ("x", Quoted(Encode(EcKey.ExportParameters(includePrivateParameters: false).Q.X!) + "=")))),
        ["x with bits left over"] = KeySet(Jwk(EcKey, ("kid", "\"k\""), ("x", Quoted(WithBitsLeftOver(Encode(EcKey.ExportParameters(includePrivateParameters: false).Q.X!)))))),
        ["x is no base64url"] = KeySet(Jwk(EcKey, ("kid", "\"k\""), ("x", "\"!!!\""))),
    };

    private readonly VerifiedTokenCache _cache = new(1000);
    private readonly TokenValidator _validator;
    private readonly IssuerSet _issuers = new([IssuerOf(IssuerName, KeySet(
        Jwk(RsaKey, ("kid", "\"rsa\"")), Jwk(RsaKey, ("kid", Quoted(LongestKeyId))), Jwk(RsaKey, ("kid", """ "schl\u00fcssel\n1" """)), Jwk(EcKey, ("kid", "\"ec\"")))), OtherIssuer()]);

    private readonly Revocations _revocations = new(
    [
        new(new(Revocations.Target.Token, IssuerName, "revoked"), new(long.MaxValue)),
        new(new(Revocations.Target.Token, OtherIssuerName, "revoked-elsewhere"), new(long.MaxValue)),
        new(new(Revocations.Target.Session, IssuerName, "revoked"), new(Seconds - 10)),
        new(new(Revocations.Target.Subject, IssuerName, "revoked"), new(Seconds - 10)),
    ]);

    public HostileTokenTests() => _validator = new TokenValidator(_cache, new DpopVerifier());

    public static TheoryData<string> Shapes => new(Table.Keys);

    public static TheoryData<string> GoodShapes => new(Edges.Keys);

    public static TheoryData<string> KeySetShapes => new(BadKeySets.Keys);

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Validate_HostileToken_RefusedForItsReason(string shape)
    {
        var (expected, token) = Table[shape];
        Assert.Equal(expected, Validate(token).Error);
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Validate_HostileTokenAfterAGoodOne_RefusedForItsReason(string shape)
    {
        var (expected, token) = Table[shape];
        RememberGood();
        Assert.Equal(expected, Validate(token).Error);
        // And it is not remembered as anything better.
        Assert.Equal(expected, Validate(token).Error);
        Assert.True(Validate(Good).IsValid);
    }

    /// <summary>What the tables are for: many shapes, and every reason there is to refuse one by its text alone.</summary>
    [Fact]
    public void Shapes_OfHostileTokens_AreManyAndOfEveryReason()
    {
        Assert.True(Table.Count >= 60, $"there are {Table.Count}");
        // Those that are about a request, or an issuer that is asked, have tests of their own.
        TokenRejection[] others = [TokenRejection.Unset, TokenRejection.None, TokenRejection.ScopeMissing, TokenRejection.ProofInvalid, TokenRejection.ProofReplayed, TokenRejection.ProofLimit, TokenRejection.SubjectMismatch, TokenRejection.IntrospectionPending, TokenRejection.Inactive, TokenRejection.ClaimNotAllowed];
        Assert.Equal(Enum.GetValues<TokenRejection>().Except(others).Order(), Table.Values.Select(s => s.Expected).Distinct().Order());
    }

    [Theory]
    [MemberData(nameof(GoodShapes))]
    public void Validate_TokenAtTheEdgeOfTheRules_AcceptedAlsoWhenRemembered(string shape)
    {
        Assert.Equal(TokenRejection.None, Validate(Edges[shape]).Error);
        Assert.Equal(TokenRejection.None, Validate(Edges[shape]).Error);
    }

    [Fact]
    public void Validate_GoodTokenWithAnyOneCharacterChanged_Refused()
    {
        RememberGood();
        for (var i = 0; i < Good.Length; i++)
        {
            foreach (var c in "AQgw-_.= ")
            {
                var changed = string.Concat(Good.AsSpan(0, i), c.ToString(), Good.AsSpan(i + 1));
                Assert.True(changed == Good || !Validate(changed).IsValid, changed);
            }
        }
    }

    [Fact]
    public void Validate_GoodTokenCutShortAnywhere_Refused()
    {
        RememberGood();
        for (var i = 0; i < Good.Length; i++)
        {
            Assert.False(Validate(Good[..i]).IsValid);
            Assert.False(Validate(Good[(i + 1)..]).IsValid);
        }
    }

    [Fact]
    public void Validate_RememberedTokenOfAKeySinceWithdrawn_Refused()
    {
        RememberGood();
        var issuers = new IssuerSet([IssuerOf(IssuerName, KeySet(Jwk(EcKey, ("kid", "\"ec\""))))]);
        Assert.Equal(TokenRejection.KeyUnknown, Validate(Good, issuers: issuers).Error);
    }

    [Fact]
    public void Validate_RememberedTokenOfAKeySinceReplaced_Refused()
    {
        RememberGood();
        var issuers = new IssuerSet([IssuerOf(IssuerName, KeySet(Jwk(AttackersKey, ("kid", "\"rsa\""))))]);
        Assert.Equal(TokenRejection.SignatureInvalid, Validate(Good, issuers: issuers).Error);
    }

    [Fact]
    public void Validate_RememberedTokenOfAnIssuerSinceRemoved_Refused()
    {
        RememberGood();
        Assert.Equal(TokenRejection.IssuerUnknown, Validate(Good, issuers: new IssuerSet([OtherIssuer()])).Error);
    }

    [Fact]
    public void Validate_RememberedTokenSinceRevoked_Refused()
    {
        RememberGood();
        var revocations = new Revocations([new(new(Revocations.Target.Token, IssuerName, "token-1"), new(long.MaxValue))]);
        Assert.Equal(TokenRejection.Revoked, Validate(Good, revocations: revocations).Error);
    }

    [Fact]
    public void Validate_RememberedTokenSinceExpired_Refused()
    {
        RememberGood();
        Assert.Equal(TokenRejection.Expired, Validate(Good, now: Now.AddSeconds(605)).Error);
    }

    [Fact]
    public void Validate_RememberedTokenAskedForMore_Refused()
    {
        RememberGood();
        Assert.Equal(TokenRejection.AudienceMismatch, _validator.Validate(new PresentedToken { Token = new Secret(Good), Audience = "mail" }, _issuers, _revocations, Now).Error);
        Assert.Equal(TokenRejection.ScopeMissing, _validator.Validate(new PresentedToken { Token = new Secret(Good), RequiredScopes = ["write"] }, _issuers, _revocations, Now).Error);
    }

    [Fact]
    public void Validate_BoundTokenRememberedWithItsCertificate_RefusedWithoutAndWithAnother()
    {
        var certificate = SHA256.HashData("certificate"u8);
        var token = WithClaims(("cnf", $$"""{"x5t#S256":"{{Hash("certificate")}}"}"""));
        Assert.Equal(TokenRejection.None, ValidateWith(certificate).Error);
        Assert.Equal(TokenRejection.ProofMissing, ValidateWith([]).Error);
        Assert.Equal(TokenRejection.ProofInvalid, ValidateWith(SHA256.HashData("another"u8)).Error);
        Assert.Equal(TokenRejection.ProofInvalid, ValidateWith(certificate[..31]).Error);

        TokenResult ValidateWith(byte[] sha256) =>
            _validator.Validate(new PresentedToken { Token = new Secret(token), CertificateSha256 = sha256 }, _issuers, _revocations, Now);
    }

    [Theory]
    [InlineData("Bearer {0}", "begins with `Bearer `: send the token alone")]
    [InlineData("bearer {0}", "begins with `Bearer `: send the token alone")]
    [InlineData("DPoP {0}", "begins with `DPoP `: send the token alone")]
    [InlineData("{0}\n", "has white space, such as a line break at its end")]
    [InlineData(" {0}", "has white space, such as a line break at its end")]
    [InlineData("\"{0}\"", "is in quotation marks")]
    [InlineData("{0}.", null)]
    public void Validate_TokenWithWhatCallersSendAlong_RejectedWithAHint(string form, string? hint)
    {
        var result = Validate(form.Replace("{0}", Sign(Header(), Claims(), Rs256(RsaKey)), StringComparison.Ordinal));
        Assert.Equal((TokenRejection.Malformed, hint), (result.Error, result.Detail));
    }

    [Fact]
    public void Result_ThatNobodyHasSet_IsNoToken()
    {
        Assert.False(default(TokenResult).IsValid);
        Assert.Throws<InvalidOperationException>(() => default(TokenResult).Token);
    }

    [Theory]
    [MemberData(nameof(KeySetShapes))]
    public void Read_HostileKeySet_RefusedWithoutAWordOfItsSecrets(string shape)
    {
        var faults = new List<Fault>();
        KeySetReader.ReadFile("jwks.json", Encoding.UTF8.GetBytes(BadKeySets[shape]), KeySetRules.Default, faults);
        Assert.NotEmpty(faults);
        Assert.DoesNotContain(faults, f => f.ToString()!.Contains("c2VjcmV0LWNhbmFyeQ", StringComparison.Ordinal));
    }

    [Fact]
    public void Validate_TokenOfACertificateThatIsNotOfItsKey_Refused()
    {
        // RFC 7517, section 4.7: a certificate repeats the key. One that brings another must not be the one that counts.
        var keySet = KeySet(Jwk(RsaKey, ("kid", "\"rsa\""), ("x5c", $"[\"{CertificateOf(SmallKey)}\"]")));
        var keys = KeySetReader.ReadFile("jwks.json", Encoding.UTF8.GetBytes(keySet), KeySetRules.Default, []);
        var issuer = new Issuer { Name = IssuerName, Audiences = FrozenSet.Create(StringComparer.Ordinal, Audience), Keys = keys };
        Assert.False(Validate(Sign(Header(), Claims(), Rs256(SmallKey)), issuers: new IssuerSet([issuer])).IsValid);
    }

    [Fact]
    public void Read_PublicKeyForEncryption_PassedOver()
    {
        var faults = new List<Fault>();
        var keys = KeySetReader.ReadOwn("jwks.json", Encoding.UTF8.GetBytes(KeySet(Jwk(EcKey, ("kid", "\"k\"")), Jwk(RsaKey, ("kid", "\"e\""), ("use", "\"enc\"")))), faults);
        Assert.Empty(faults);
        Assert.Equal("k", Assert.Single(keys.All).KeyId);
    }

    private TokenResult Validate(string token, IssuerSet? issuers = null, Revocations? revocations = null, DateTimeOffset? now = null) =>
        _validator.Validate(new PresentedToken { Token = new Secret(token) }, issuers ?? _issuers, revocations ?? _revocations, now ?? Now);

    private void RememberGood()
    {
        Assert.True(Validate(Good).IsValid);
        Assert.True(_cache.TryGet(Good, _issuers, out _));
    }

    // ------------------------------------------------------------------ tokens

    private static string Header(params ReadOnlySpan<Member> changes) => TokenForge.Object(GoodHeader, changes);

    private static string Claims(params ReadOnlySpan<Member> changes) => TokenForge.Object(GoodClaims, changes);

    private static string WithHeader(string header) => Sign(header, Claims(), Rs256(RsaKey));

    private static string WithPayload(string payload) => Sign(Header(), payload, Rs256(RsaKey));

    private static string WithPayload(byte[] payload) => Sign(Header(), payload, Rs256(RsaKey));

    private static string WithClaims(params ReadOnlySpan<Member> changes) => WithPayload(Claims(changes));

    private static string WithEcdsa(Func<byte[], byte[]> sign) => Sign(Header(("alg", "\"ES256\""), ("kid", "\"ec\"")), Claims(), sign);

    private static string Hs256With(byte[] secret) => Sign(Header(("alg", "\"HS256\"")), Claims(), Hs256(secret));

    private static string HeaderOfBytes(int bytes) => Header(("x", Quoted(new string('x', bytes - Header(("x", "\"\"")).Length))));

    /// <summary>A token of this length, or the next that a token can have.</summary>
    private static string OfLength(int length)
    {
        var filling = (length - Good.Length) * 3 / 4 - 16;
        string token;
        do
        {
            token = WithClaims(("x", Quoted(new string('x', filling++))));
        }
        while (token.Length < length);

        return token;
    }

    private static string Number(long number) => number.ToString(CultureInfo.InvariantCulture);

    /// <summary>White space before the object, so that its last character has bits to spare.</summary>
    private static string Uneven(string json) => json.Length % 3 == 0 ? " " + json : json;

    private static string Padded(string json) => Convert.ToBase64String(Encoding.UTF8.GetBytes(Uneven(json))).Replace('+', '-').Replace('/', '_');

    private static string OtherAlphabet(string json) => Convert.ToBase64String(Encoding.UTF8.GetBytes(json)).TrimEnd('=');

    private static string WithBitsLeftOver(string[] parts, int part) => string.Join('.', parts.Select((text, i) => i == part ? TokenForge.WithBitsLeftOver(text) : text));

    private static string WithBitsLeftOver(string text) => TokenForge.WithBitsLeftOver(text);

    /// <summary>The bytes of a text with some in the place of its <c>#</c>.</summary>
    private static byte[] Replaced(string json, params byte[] bytes)
    {
        var at = json.IndexOf('#', StringComparison.Ordinal);
        return [.. Encoding.UTF8.GetBytes(json[..at]), .. bytes, .. Encoding.UTF8.GetBytes(json[(at + 1)..])];
    }

    // ------------------------------------------------------------------ keys

    private static string KeySet(params string[] keys) => $$"""{"keys":[{{string.Join(',', keys)}}]}""";

    private static string WithRsa(byte[]? n = null, byte[]? e = null)
    {
        var key = RsaKey.ExportParameters(includePrivateParameters: false);
        return Jwk(RsaKey, ("kid", "\"k\""), ("n", Quoted(Encode(n ?? key.Modulus!))), ("e", Quoted(Encode(e ?? key.Exponent!))));
    }

    private static string WithEc(byte[] x, byte[] y) => Jwk(EcKey, ("kid", "\"k\""), ("x", Quoted(Encode(x))), ("y", Quoted(Encode(y))));

    private static string CertificateOf(RSA key)
    {
        var request = new CertificateRequest("CN=k", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        using var certificate = request.CreateSelfSigned(Now.AddYears(-1), Now.AddYears(1));
        return Convert.ToBase64String(certificate.RawData);
    }

    private static Issuer OtherIssuer() => IssuerOf(OtherIssuerName, KeySet(Jwk(OtherIssuersKey, ("kid", "\"other\""))));

    private static Issuer IssuerOf(string name, string keySet)
    {
        var faults = new List<Fault>();
        var keys = KeySetReader.ReadFile("jwks.json", Encoding.UTF8.GetBytes(keySet), KeySetRules.Default, faults);
        Assert.Empty(faults);
        return new Issuer { Name = name, Audiences = FrozenSet.Create(StringComparer.Ordinal, Audience), Keys = keys };
    }
}
