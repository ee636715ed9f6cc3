using System.Collections.Frozen;
using System.Security.Cryptography;
using System.Text;
using AuthSidecar.Tokens;
using BenchmarkDotNet.Attributes;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace Benchmarks.Tokens;

/// <summary>A token that is remembered, one that is seen for the first time, and beside them the bare check of a signature by the same key.</summary>
[MemoryDiagnoser]
public class Validation
{
    private const int Tokens = 1024;

    /// <summary>A group as Microsoft Entra ID lists it.</summary>
    private const int GroupLength = 36;

    private readonly RSA _rsa = RSA.Create(2048);
    private readonly string[] _tokens = new string[Tokens];
    private readonly DateTimeOffset _now = DateTimeOffset.FromUnixTimeSeconds(1_700_000_000);
    private IssuerSet _issuers = IssuerSet.Empty;
    private TokenValidator _validator = null!;
    private TokenValidator _forgetful = null!;
    private PresentedToken _cached = null!;
    private Revocations _revocations = Revocations.None;
    private byte[] _input = [];
    private byte[] _signature = [];
    private int _next;

    /// <summary>How large the tokens are: the larger ones list groups.</summary>
    [Params(1, 2, 4, 8, 16)]
    public int KiB { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _issuers = new IssuerSet([new Issuer
        {
            Name = "https://control.example/",
            Audiences = FrozenSet.Create(StringComparer.Ordinal, "documents"),
            Keys = KeySet.Of(VerificationKey.OfPublicKey(_rsa, "key-1")),
        }]);
        var handler = new JsonWebTokenHandler { SetDefaultTimesOnTokenCreation = false };
        var credentials = new SigningCredentials(new RsaSecurityKey(_rsa) { KeyId = "key-1" }, SecurityAlgorithms.RsaSha256);
        for (var i = 0; i < Tokens; i++)
        {
            _tokens[i] = handler.CreateToken(new SecurityTokenDescriptor
            {
                Issuer = "https://control.example/",
                Audience = "documents",
                TokenType = "at+jwt",
                IssuedAt = _now.UtcDateTime,
                Expires = _now.UtcDateTime.AddMinutes(15),
                SigningCredentials = credentials,
                Claims = new Dictionary<string, object>
                {
                    ["sub"] = $"user-{i}",
                    ["jti"] = Guid.NewGuid().ToString("N"),
                    ["sid"] = Guid.NewGuid().ToString("N"),
                    ["client_id"] = "web",
                    ["scope"] = "openid profile documents.read",
                    ["email"] = $"user-{i}@example.com",
                    ["groups"] = Enumerable.Range(0, ((KiB * 1024) - 800) * 3 / 4 / (GroupLength + 3)).Select(_ => Guid.NewGuid().ToString()).ToArray(),
                },
            });
        }

        // As many as a busy day brings.
        _revocations = new Revocations(Enumerable.Range(0, 10_000).Select(i => KeyValuePair.Create(
            new Revocations.Key(Revocations.Target.Session, "https://control.example/", Guid.NewGuid().ToString("N")), new Revocations.Extent(long.MaxValue))));
        _validator = new TokenValidator(new VerifiedTokenCache(100_000), new DpopVerifier());
        _cached = new PresentedToken { Token = new Secret(_tokens[0]), RequiredScopes = ["documents.read"] };
        if (!_validator.Validate(_cached, _issuers, _revocations, _now).IsValid)
        {
            throw new InvalidOperationException("the token is good");
        }

        _forgetful = new TokenValidator(new VerifiedTokenCache(1), new DpopVerifier());
        if (!_tokens.All(t => _forgetful.Validate(new PresentedToken { Token = new Secret(t) }, _issuers, _revocations, _now).IsValid))
        {
            throw new InvalidOperationException("all tokens are good");
        }

        var dot = _tokens[0].LastIndexOf('.');
        (_input, _signature) = (Encoding.ASCII.GetBytes(_tokens[0][..dot]), Base64UrlEncoder.DecodeBytes(_tokens[0][(dot + 1)..]));
    }

    [Benchmark]
    public bool Cached() => _validator.Validate(_cached, _issuers, _revocations, _now).IsValid;

    [Benchmark]
    public bool FirstSight() =>
        _forgetful.Validate(new PresentedToken { Token = new Secret(_tokens[_next++ & (Tokens - 1)]) }, _issuers, _revocations, _now).IsValid;

    [Benchmark(Baseline = true)]
    public bool BareSignature() => _rsa.VerifyData(_input, _signature, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
}
