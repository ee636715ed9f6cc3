using System.Security.Cryptography;
using System.Text;
using AuthSidecar.Cedar;
using static AuthSidecar.Tokens.Tests.TokenForge;

namespace AuthSidecar.Tokens.Tests;

/// <summary>Key sets as issuers publish them: whatever else is in one, the keys that can be used are used, and each entry that cannot is reported.</summary>
public sealed class KeySetReaderTests
{
    private static readonly RSA Good = RSA.Create(2048);
    private static readonly RSA Other = RSA.Create(2048);
    private static readonly RSA Small = RSA.Create(1024);
    private static readonly ECDsa Ec = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    private static readonly Dictionary<string, (string Entry, string? Reported)> Entries = new()
    {
        ["an encryption key"] = (Jwk(Other, ("kid", "\"e\""), ("use", "\"enc\"")), null),
        ["an encryption key without use"] = (Jwk(Other, ("kid", "\"e\""), ("alg", "\"RSA-OAEP\"")), "key 1: `alg` RSA-OAEP does not fit a key of type RSA"),
        ["a key that may not verify"] = (Jwk(Other, ("kid", "\"e\""), ("key_ops", """["encrypt"]""")), null),
        ["key_ops that is no array"] = (Jwk(Other, ("kid", "\"e\""), ("key_ops", "\"verify\"")), "key 1: `key_ops` is not an array of strings"),
        ["key_ops with a number"] = (Jwk(Other, ("kid", "\"e\""), ("key_ops", """["verify", 1]""")), "key 1: `key_ops` is not an array of strings"),
        ["use that is a number"] = (Jwk(Other, ("kid", "\"e\""), ("use", "1")), "key 1: `use` is ``, not `sig`"),
        ["use in other case"] = (Jwk(Other, ("kid", "\"e\""), ("use", "\"SIG\"")), "key 1: `use` is `SIG`, not `sig`"),
        ["a key of SPIFFE"] = (Jwk(Other, ("kid", "\"e\""), ("use", "\"jwt-svid\"")), null),
        ["secp256k1"] = ("""{"kty": "EC", "crv": "secp256k1", "kid": "e", "x": "AA", "y": "AA"}""", "key 1: the curve `secp256k1` is not supported"),
        ["X25519"] = ("""{"kty": "OKP", "crv": "X25519", "kid": "e", "x": "AA"}""", "key 1: the curve `X25519` is not supported"),
        ["post-quantum"] = ("""{"kty": "AKP", "alg": "ML-DSA-65", "kid": "e", "pub": "AA"}""", "key 1: keys of type `AKP` are not supported"),
        ["a symmetric key"] = ("""{"kty": "oct", "kid": "s", "k": "c2VjcmV0"}""", "key 1: symmetric keys are not accepted: every verifier could also sign"),
        ["a private key"] = (Jwk(Other, ("kid", "\"p\""), ("d", "\"c2VjcmV0\"")), "key 1: private key: a key set holds public keys only"),
        ["RSA of 1024 bits"] = (Jwk(Small, ("kid", "\"e\"")), "key 1: invalid RSA modulus: expected an odd number of 2048 to 8192 bits"),
        ["the same key again"] = (Jwk(Good, ("kid", "\"good\""), ("use", "\"sig\"")), null),
        ["the same kid for another algorithm"] = (Jwk(Ec, ("kid", "\"good\"")), null),
        ["a member twice"] = ("""{"kty": "RSA", "kid": "e", "kid": "e"}""", "key 1: expected an object, with no member twice and valid Unicode"),
        ["a member nested deeply"] = (Jwk(Other, ("kid", "\"e\""), ("ext", "[[[[[[[[[1]]]]]]]]]")), "key 1: nested too deeply"),
        ["a member nested very deeply"] = (Jwk(Other, ("kid", "\"e\""), ("ext", new string('[', 5000) + new string(']', 5000))), "key 1: nested too deeply"),
        ["a huge member"] = (Jwk(Other, ("kid", "\"e\""), ("x5c", $"[\"{new string('A', 70_000)}\"]")), "key 1: larger than 64 KiB"),
        ["kid that is a number"] = (Jwk(Other, ("kid", "1")), "key 1: invalid `kid`: expected a string of 1 to 512 bytes"),
        ["empty kid"] = (Jwk(Other, ("kid", "\"\"")), "key 1: invalid `kid`: expected a string of 1 to 512 bytes"),
        ["kid beyond 512 bytes"] = (Jwk(Other, ("kid", Quoted(new string('\u00e9', 257)))), "key 1: invalid `kid`: expected a string of 1 to 512 bytes"),
        ["a lone surrogate"] = (Jwk(Other, ("kid", """ "\ud800" """)), "key 1: expected an object, with no member twice and valid Unicode"),
        ["null"] = ("null", "key 1: expected an object, with no member twice and valid Unicode"),
        ["an array"] = ("[]", "key 1: expected an object, with no member twice and valid Unicode"),
        ["a kty that would forge a line"] = ("""{"kty": "X\u001b[31m\nerror: forged", "kid": "e"}""", "key 1: keys of type `X?[31m?error: forged` are not supported"),
        ["an issuer that is no string"] = (Jwk(Other, ("kid", "\"e\""), ("issuer", "[]")), "key 1: `issuer` is not a string"),
        ["no kty"] = ("{}", "key 1: keys of type `` are not supported"),
    };

    public static TheoryData<string> Shapes => new(Entries.Keys);

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Read_OddEntryBesideAGoodOne_TheGoodOneCounts(string shape)
    {
        var (entry, reported) = Entries[shape];
        foreach (var (first, last) in new[] { (Jwk(Good, ("kid", "\"good\"")), entry), (entry, Jwk(Good, ("kid", "\"good\""))) })
        {
            var (keys, faults) = Read(first, last);
            Assert.Empty(faults);
            Assert.Equal(Thumbprint(Good), keys.Find("good", "RS256", out _)!.Thumbprint);
            Assert.Equal(reported?.Replace("key 1", entry == first ? "key 0" : "key 1", StringComparison.Ordinal), keys.Ignored.SingleOrDefault()?.Message);
            Assert.DoesNotContain(keys.Ignored, f => f.Message.Contains("c2VjcmV0", StringComparison.Ordinal));
        }
    }

    [Fact]
    public void Read_TwoKeysOfOneKidAndAlgorithm_NeitherCountsAndAllOthersDo()
    {
        var (keys, faults) = Read(Jwk(Good, ("kid", "\"k\"")), Jwk(Other, ("kid", "\"k\"")), Jwk(Good, ("kid", "\"k\"")), Jwk(Ec, ("kid", "\"k\"")), Jwk(Other, ("kid", "\"other\"")));
        Assert.Empty(faults);
        Assert.Null(keys.Find("k", "RS256", out var isKnown));
        Assert.True(isKnown);
        Assert.NotNull(keys.Find("k", "ES256", out _));
        Assert.NotNull(keys.Find("other", "RS256", out _));
        Assert.Equal("key 1: duplicate `kid` `k` for RS256: none of these keys is used", Assert.Single(keys.Ignored).Message);
    }

    [Fact]
    public void Read_KeyWithoutKid_HasItsThumbprint()
    {
        var (keys, _) = Read(Jwk(Good), Jwk(Ec));
        Assert.NotNull(keys.Find(Thumbprint(Good), "RS256", out _));
        Assert.NotNull(keys.Find(Thumbprint(Ec), "ES256", out _));
    }

    /// <summary>As Java writes a number whose first bit is set, and Cloud Foundry UAA its keys.</summary>
    [Fact]
    public void Read_ModulusWithOneZeroBeforeIt_IsTheSameKey()
    {
        var (keys, _) = Read(Jwk(Good, ("kid", "\"k\""), ("n", Quoted(Encode([0, .. Good.ExportParameters(includePrivateParameters: false).Modulus!])))));
        Assert.Equal(Thumbprint(Good), Assert.Single(keys.All).Thumbprint);
    }

    /// <summary>What is nested without end costs no more than what is long.</summary>
    [Theory]
    [InlineData("[", "]")]
    [InlineData("{\"a\":", "}")]
    public void Read_EntryNestedWithoutEnd_PassedOverInLinearTime(string open, string close)
    {
        var nested = string.Concat(Enumerable.Repeat(open, 150_000)) + "1" + string.Concat(Enumerable.Repeat(close, 150_000));
        var (keys, faults) = Read(Jwk(Good, ("kid", "\"k\"")), nested, Jwk(Ec, ("kid", "\"e\"")));
        Assert.Empty(faults);
        Assert.Equal(["e", "k"], keys.All.Select(k => k.KeyId).Order());
        Assert.Equal("key 1: larger than 64 KiB", Assert.Single(keys.Ignored).Message);
    }

    [Fact]
    public void Read_ManyKeys_UpToTheLimit()
    {
        var (keys, faults) = Read([.. Enumerable.Range(0, 300).Select(i => Jwk(Ec, ("kid", $"\"{i}\"")))]);
        Assert.Empty(faults);
        Assert.Equal(256, keys.Count);
        Assert.Equal("key 256 and later: more than 256 keys", Assert.Single(keys.Ignored).Message);
    }

    [Theory]
    [InlineData(null, "RS256")]
    [InlineData("PS256", "PS256")]
    [InlineData("RS512", "RS512")]
    public void Read_KeyThatNamesNoAlgorithm_HasThatOfTheRules(string? algorithm, string expected)
    {
        var keys = KeySetReader.Read("set", Encoding.UTF8.GetBytes(Set(Jwk(Good, ("kid", "\"k\"")), Jwk(Ec, ("kid", "\"e\"")), Jwk(Other, ("kid", "\"n\""), ("alg", "\"RS384\"")))), new KeySetRules(algorithm), []);
        Assert.Equal([("e", "ES256"), ("k", expected), ("n", "RS384")], keys.All.Select(k => (k.KeyId, k.Algorithm)).Order());
        Assert.Empty(keys.Ignored);
    }

    /// <summary>SPIFFE Trust Domain and Bundle, section 4.2.2: keys for JWT-SVIDs and for X.509-SVIDs, told apart by <c>use</c>.</summary>
    [Fact]
    public void Read_TrustBundle_KeysForJwtSvidsAlone()
    {
        var bundle = $$"""{"spiffe_sequence": 12, "spiffe_refresh_hint": 300, "keys": [{{Jwk(Other, ("use", "\"x509-svid\""), ("x5c", """["AAAA"]"""))}}, {{Jwk(Ec, ("use", "\"jwt-svid\""), ("kid", "\"j\""))}}, {{Jwk(Good, ("kid", "\"none\""))}}]}""";
        var keys = KeySetReader.Read("set", Encoding.UTF8.GetBytes(bundle), KeySetRules.JwtSvid, []);
        Assert.Equal("j", Assert.Single(keys.All).KeyId);
    }

    [Fact]
    public void ReadFile_WithASecret_Refused()
    {
        var faults = new List<Fault>();
        KeySetReader.ReadFile("set", Encoding.UTF8.GetBytes(Set(Jwk(Good, ("kid", "\"k\"")), Entries["a private key"].Entry, Entries["a symmetric key"].Entry)), KeySetRules.Default, faults);
        Assert.Equal(2, faults.Count);
    }

    [Fact]
    public void ReadFile_WithOddEntries_ReportsThemAndTakesTheRest()
    {
        var faults = new List<Fault>();
        var keys = KeySetReader.ReadFile("set", Encoding.UTF8.GetBytes(Set(Jwk(Good, ("kid", "\"k\"")), Entries["secp256k1"].Entry, Entries["RSA of 1024 bits"].Entry)), KeySetRules.Default, faults);
        Assert.Empty(faults);
        Assert.Equal((1, 2), (keys.Count, keys.Ignored.Count));
    }

    private static (KeySet Keys, List<Fault> Faults) Read(params string[] entries)
    {
        var faults = new List<Fault>();
        return (KeySetReader.Read("set", Encoding.UTF8.GetBytes(Set(entries)), KeySetRules.Default, faults), faults);
    }

    private static string Set(params string[] entries) => $$"""{"keys": [{{string.Join(',', entries)}}]}""";
}
