using System.Collections.Frozen;
using System.Globalization;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using AuthSidecar.Cedar;
using static AuthSidecar.Tokens.Tests.TokenForge;

namespace AuthSidecar.Tokens.Tests;

/// <summary>Tokens bound to a key, and the proofs of its possession (RFC 9449, section 4.3).</summary>
public sealed class DpopTests
{
    private const string IssuerName = "https://issuer.test";
    private const string Method = "POST";
    private const string Target = "https://api.test/documents";

    private static readonly RSA IssuersKey = RSA.Create(2048);
    private static readonly ECDsa ClientsKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private static readonly ECDsa AttackersKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private static readonly RSA ClientsRsaKey = RSA.Create(2048);
    private static readonly RSA AttackersRsaKey = RSA.Create(1024);

    // See HostileTokenTests: behind the machine's clock, nothing would be remembered.
    private static readonly DateTimeOffset Now = new(2100, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly long Seconds = Now.ToUnixTimeSeconds();

    private static readonly string Token = TokenBoundTo(Thumbprint(ClientsKey));
    private static readonly string OtherToken = TokenBoundTo(Thumbprint(ClientsKey), "bob");
    private static readonly string RsaToken = TokenBoundTo(Thumbprint(ClientsRsaKey));
    private static readonly string UnboundToken = TokenBoundTo(null);

    private static readonly Member[] GoodHeader = [("typ", "\"dpop+jwt\""), ("alg", "\"ES256\""), ("jwk", Jwk(ClientsKey))];

    private static readonly Member[] GoodClaims =
        [("jti", "\"proof-1\""), ("htm", Quoted(Method)), ("htu", Quoted(Target)), ("iat", Number(Seconds)), ("ath", Quoted(Hash(Token)))];

    private static readonly Dictionary<string, (string Proof, string HttpUri)> GoodTable = new()
    {
        ["as usual"] = (Proof(), Target),
        ["request with a query and a fragment"] = (Proof(), Target + "?page=2#top"),
        ["host and scheme in other case, and the default port"] = (WithClaims(("htu", "\"HTTPS://API.test:443/documents\"")), Target),
        ["unreserved characters escaped"] = (WithClaims(("htu", "\"https://api.test/%64ocuments\"")), Target),
        ["claims of its own"] = (WithClaims(("nonce", "\"n\""), ("x", "1")), Target),
        ["kid of its own"] = (WithHeader(("kid", "\"k\"")), Target),
        ["alg in the key too"] = (WithHeader(("jwk", Jwk(ClientsKey, ("alg", "\"ES256\"")))), Target),
        ["oldest"] = (WithClaims(("iat", Number(Seconds - 60))), Target),
        ["clock ahead by the skew"] = (WithClaims(("iat", Number(Seconds + 5))), Target),
    };

    private static readonly Dictionary<string, string> BadTable = new()
    {
        // ---- the form
        ["no JWS"] = "proof",
        ["two proofs"] = $"{Proof()}, {Proof()}",
        ["padded"] = Proof() + "==",
        ["bits left over"] = WithBitsLeftOver(Proof()),
        ["header member twice"] = Sign(Object(GoodHeader, []).TrimEnd('}') + ""","alg":"ES256"}""", Object(GoodClaims, []), Es256(ClientsKey)),
        ["lone surrogate in the name of a claim"] = WithClaims(("""\ud800""", "1")),
        ["lone surrogate in the name of a header"] = WithHeader(("""\ud800""", "1")),
        ["lone surrogate within the key"] = WithHeader(("jwk", Jwk(ClientsKey, ("""\ud800""", "1")))),
        ["crit"] = WithHeader(("crit", """["x"]"""), ("x", "1")),

        // ---- the header
        ["no typ"] = WithHeader(("typ", null)),
        ["typ of any JWT"] = WithHeader(("typ", "\"JWT\"")),
        ["typ of an access token"] = WithHeader(("typ", "\"at+jwt\"")),
        ["alg none"] = Sign(Object(GoodHeader, [("alg", "\"none\"")]), Object(GoodClaims, []), _ => [0]),
        ["alg HS256 with the public key"] = Sign(Object(GoodHeader, [("alg", "\"HS256\"")]), Object(GoodClaims, []), Hs256(Encoding.ASCII.GetBytes(Jwk(ClientsKey)))),
        ["alg of another kind of key"] = WithHeader(("alg", "\"RS256\"")),
        ["alg that the key contradicts"] = WithHeader(("jwk", Jwk(ClientsKey, ("alg", "\"ES384\"")))),
        ["no key"] = WithHeader(("jwk", null)),
        ["key is null"] = WithHeader(("jwk", "null")),
        ["key is a string"] = WithHeader(("jwk", Quoted(Thumbprint(ClientsKey)))),
        ["private key"] = WithHeader(("jwk", Jwk(ClientsKey, ("d", Quoted(Encode(ClientsKey.ExportParameters(includePrivateParameters: true).D!)))))),
        ["symmetric key"] = Sign(Object(GoodHeader, [("alg", "\"HS256\""), ("jwk", """{"kty":"oct","k":"AAAA"}""")]), Object(GoodClaims, []), Hs256([0, 0, 0])),
        ["key for encryption"] = WithHeader(("jwk", Jwk(ClientsKey, ("use", "\"enc\"")))),
        ["point off its curve"] = WithHeader(("jwk", Jwk(ClientsKey, ("y", Quoted(Encode(new byte[32])))))),
        ["attacker's key"] = Sign(Object(GoodHeader, [("jwk", Jwk(AttackersKey))]), Object(GoodClaims, []), Es256(AttackersKey)),
        ["client's key, attacker's signature"] = Sign(Object(GoodHeader, []), Object(GoodClaims, []), Es256(AttackersKey)),
        ["signature in DER"] = Sign(Object(GoodHeader, []), Object(GoodClaims, []), input => ClientsKey.SignData(input, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence)),

        // ---- the request
        ["no htm"] = WithClaims(("htm", null)),
        ["another method"] = WithClaims(("htm", "\"GET\"")),
        ["method in other case"] = WithClaims(("htm", "\"post\"")),
        ["no htu"] = WithClaims(("htu", null)),
        ["htu is an array"] = WithClaims(("htu", $"[\"{Target}\"]")),
        ["another host"] = WithClaims(("htu", "\"https://attacker.test/documents\"")),
        ["another scheme"] = WithClaims(("htu", "\"http://api.test/documents\"")),
        ["another port"] = WithClaims(("htu", "\"https://api.test:8443/documents\"")),
        ["another path"] = WithClaims(("htu", "\"https://api.test/documents/1\"")),
        ["path in other case"] = WithClaims(("htu", "\"https://api.test/Documents\"")),
        ["reserved character escaped"] = WithClaims(("htu", "\"https://api.test%2Fdocuments\"")),
        ["user before the host"] = WithClaims(("htu", "\"https://api.test@attacker.test/documents\"")),
        ["path alone"] = WithClaims(("htu", "\"/documents\"")),

        // ---- the token
        ["no ath"] = WithClaims(("ath", null)),
        ["ath of another token"] = WithClaims(("ath", Quoted(Hash(OtherToken)))),
        ["ath padded"] = WithClaims(("ath", Quoted(Hash(Token) + "="))),
        ["ath is the token"] = WithClaims(("ath", Quoted(Token))),

        // ---- the time and the id
        ["no iat"] = WithClaims(("iat", null)),
        ["iat is a string"] = WithClaims(("iat", Quoted(Number(Seconds)))),
        ["iat with an exponent"] = WithClaims(("iat", "41e8")),
        ["too old"] = WithClaims(("iat", Number(Seconds - 66))),
        ["from the future"] = WithClaims(("iat", Number(Seconds + 66))),
        ["made in advance"] = WithClaims(("iat", Number(Seconds + 30))),
        ["expired by its own word"] = WithClaims(("exp", Number(Seconds - 30))),
        ["no jti"] = WithClaims(("jti", null)),
        ["empty jti"] = WithClaims(("jti", "\"\"")),
        ["jti is a number"] = WithClaims(("jti", "1")),
    };

    private readonly VerifiedTokenCache _cache = new(100);
    private readonly TokenValidator _validator;
    private readonly IssuerSet _issuers;

    public DpopTests()
    {
        var faults = new List<Fault>();
        var keys = KeySetReader.ReadOwn("jwks.json", Encoding.UTF8.GetBytes($$"""{"keys":[{{Jwk(IssuersKey, ("kid", "\"k\""))}}]}"""), faults);
        Assert.Empty(faults);
        _issuers = new IssuerSet([new Issuer { Name = IssuerName, Audiences = FrozenSet.Create(StringComparer.Ordinal, "documents"), Keys = keys }]);
        _validator = new TokenValidator(_cache, new DpopVerifier());
    }

    public static TheoryData<string> GoodProofs => new(GoodTable.Keys);

    public static TheoryData<string> BadProofs => new(BadTable.Keys);

    [Theory]
    [MemberData(nameof(GoodProofs))]
    public void Validate_GoodProof_Accepted(string shape)
    {
        var (proof, uri) = GoodTable[shape];
        Assert.Equal(TokenRejection.None, Validate(Token, proof, uri: uri));
    }

    [Theory]
    [MemberData(nameof(BadProofs))]
    public void Validate_BadProof_RefusedAlsoWhenTheTokenIsRemembered(string shape)
    {
        Assert.Equal(TokenRejection.ProofInvalid, Validate(Token, BadTable[shape]));
        Assert.Equal(TokenRejection.None, Validate(Token, Proof()));
        Assert.True(_cache.TryGet(Token, _issuers, out _));
        Assert.Equal(TokenRejection.ProofInvalid, Validate(Token, BadTable[shape]));
    }

    [Theory]
    [InlineData("RS256")]
    [InlineData("PS256")]
    public void Validate_ProofOfAnRsaKey_AcceptedWithTheAlgorithmOfItsHeader(string algorithm)
    {
        // Section 4.2: `alg` is the proof's; keys in proofs seldom repeat it.
        var sign = algorithm == "RS256" ? Rs256(ClientsRsaKey) : Ps256(ClientsRsaKey);
        var proof = Sign(
            Object(GoodHeader, [("alg", Quoted(algorithm)), ("jwk", Jwk(ClientsRsaKey))]),
            Object(GoodClaims, [("ath", Quoted(Hash(RsaToken)))]),
            sign);
        Assert.Equal(TokenRejection.None, Validate(RsaToken, proof));
    }

    [Fact]
    public void Validate_ClientsKeyWithTheCertificateOfAnother_Refused()
    {
        // The thumbprint is of `n` and `e`; a reader that prefers `x5c` would verify with a key that nobody bound anything to.
        var key = Jwk(ClientsRsaKey, ("x5c", $"[\"{SmallCertificateOf(AttackersRsaKey)}\"]"));
        var proof = Sign(
            Object(GoodHeader, [("alg", "\"RS256\""), ("jwk", key)]),
            Object(GoodClaims, [("ath", Quoted(Hash(RsaToken)))]),
            Rs256(AttackersRsaKey));
        Assert.Equal(TokenRejection.ProofInvalid, Validate(RsaToken, proof));
    }

    [Fact]
    public void Validate_BoundTokenWithoutProof_Refused()
    {
        Assert.Equal(TokenRejection.ProofMissing, Validate(Token, null));
        Assert.Equal(TokenRejection.None, Validate(Token, Proof()));
        Assert.Equal(TokenRejection.ProofMissing, Validate(Token, null));
    }

    [Fact]
    public void Validate_UnboundTokenWithAProof_Refused()
    {
        // Section 4.3, step 12: the key of the proof is the one the token is bound to. Here there is none.
        var proof = WithClaims(("ath", Quoted(Hash(UnboundToken))));
        Assert.Equal(TokenRejection.ProofInvalid, Validate(UnboundToken, proof));
        Assert.Equal(TokenRejection.ProofInvalid, Validate(UnboundToken, "proof"));
    }

    [Fact]
    public void Validate_ProofOfAnotherTokenOfTheSameKey_Refused()
    {
        Assert.Equal(TokenRejection.ProofInvalid, Validate(OtherToken, Proof()));
    }

    [Fact]
    public void Validate_RequestWithARelativeTarget_RefusedAlsoWithARelativeHtu()
    {
        // It says nothing of the host: a proof for one would do for all.
        Assert.Equal(TokenRejection.ProofInvalid, Validate(Token, WithClaims(("htu", "\"/documents\"")), uri: "/documents"));
    }

    [Fact]
    public void Validate_ProofTwice_SecondIsAReplay()
    {
        Assert.Equal(TokenRejection.None, Validate(Token, Proof()));
        Assert.Equal(TokenRejection.ProofReplayed, Validate(Token, Proof()));
    }

    [Fact]
    public void Validate_ProofWrittenAnewWithTheSameId_IsAReplay()
    {
        Assert.Equal(TokenRejection.None, Validate(Token, Proof()));
        Assert.Equal(TokenRejection.ProofReplayed, Validate(Token, WithClaims(("x", "1"), ("iat", Number(Seconds + 1)))));
        Assert.Equal(TokenRejection.ProofReplayed, Validate(Token, WithClaims(("jti", """ "proof\u002d1" """))));
    }

    [Theory]
    [InlineData(-60, 0, 5)]
    [InlineData(0, 0, 65)]
    [InlineData(5, 0, 70)]
    [InlineData(0, 64, 65)]
    public void Validate_ProofAgainAtTheLastMomentItIsGood_IsAReplay(int issuedAt, int first, int second)
    {
        var proof = WithClaims(("iat", Number(Seconds + issuedAt)));
        Assert.Equal(TokenRejection.None, Validate(Token, proof, now: Now.AddSeconds(first)));
        Assert.Equal(TokenRejection.ProofReplayed, Validate(Token, proof, now: Now.AddSeconds(second)));
        Assert.Equal(TokenRejection.ProofInvalid, Validate(Token, proof, now: Now.AddSeconds(second + 1)));
    }

    [Fact]
    public void Validate_SameIdOfAnotherKey_Accepted()
    {
        var token = TokenBoundTo(Thumbprint(AttackersKey));
        var proof = Sign(Object(GoodHeader, [("jwk", Jwk(AttackersKey))]), Object(GoodClaims, [("ath", Quoted(Hash(token)))]), Es256(AttackersKey));
        Assert.Equal(TokenRejection.None, Validate(token, proof));
        Assert.Equal(TokenRejection.None, Validate(Token, Proof()));
    }

    [Fact]
    public void Validate_ProofAtOnceFromManySides_AcceptedOnce()
    {
        var proof = Proof();
        var accepted = 0;
        Parallel.For(0, 64, _ =>
        {
            if (Validate(Token, proof) == TokenRejection.None)
            {
                Interlocked.Increment(ref accepted);
            }
        });
        Assert.Equal(1, accepted);
    }

    [Fact]
    public void Validate_ProofBesideARevokedToken_NotSpent()
    {
        var revocations = new Revocations([new(new(Revocations.Target.Subject, IssuerName, "alice"), new(Seconds))]);
        Assert.Equal(TokenRejection.Revoked, Validate(Token, Proof(), revocations: revocations));
        Assert.Equal(TokenRejection.None, Validate(Token, Proof()));
    }

    private TokenRejection Validate(string token, string? proof, string uri = Target, DateTimeOffset? now = null, Revocations? revocations = null)
    {
        var request = new PresentedToken
        {
            Token = new Secret(token),
            Dpop = proof is null ? null : new DpopRequest(new Secret(proof), Method, uri),
        };
        return _validator.Validate(request, _issuers, revocations ?? Revocations.None, now ?? Now).Error;
    }

    private static string TokenBoundTo(string? thumbprint, string subject = "alice") => Sign(
        """{"alg":"RS256","kid":"k","typ":"at+jwt"}""",
        Object(
            [("iss", Quoted(IssuerName)), ("aud", "\"documents\""), ("sub", Quoted(subject)), ("exp", Number(Seconds + 600)), ("iat", Number(Seconds - 60))],
            [("cnf", thumbprint is null ? null : $$"""{"jkt":"{{thumbprint}}"}""")]),
        Rs256(IssuersKey));

    private static string Proof() => Sign(Object(GoodHeader, []), Object(GoodClaims, []), Es256(ClientsKey));

    private static string WithHeader(params ReadOnlySpan<Member> changes) => Sign(Object(GoodHeader, changes), Object(GoodClaims, []), Es256(ClientsKey));

    private static string WithClaims(params ReadOnlySpan<Member> changes) => Sign(Object(GoodHeader, []), Object(GoodClaims, changes), Es256(ClientsKey));

    private static string Number(long number) => number.ToString(CultureInfo.InvariantCulture);

    /// <summary>A certificate small enough for the header of a proof: signed by an EC key.</summary>
    private static string SmallCertificateOf(RSA key)
    {
        var request = new CertificateRequest("CN=k", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        using var certificate = request.Create(new X500DistinguishedName("CN=k"), X509SignatureGenerator.CreateForECDsa(AttackersKey), Now.AddYears(-1), Now.AddYears(1), [1]);
        return Convert.ToBase64String(certificate.RawData);
    }
}
