using System.Collections.Frozen;
using System.Security.Cryptography;
using System.Text.Json;
using AuthSidecar.Tokens;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace AuthSidecar.Tests.Testing;

/// <summary>An issuer with an RSA key of its own. Its tokens are made by a library that is not ours.</summary>
internal sealed class TestIssuer : IDisposable
{
    public const string Name = "https://issuer.test";
    public const string Audience = "documents";
    public const string KeyId = "test-key";

    private readonly RSA _key = RSA.Create(2048);

    public string KeySetJson
    {
        get
        {
            var key = _key.ExportParameters(includePrivateParameters: false);
            return $$"""{"keys": [{"kty": "RSA", "kid": "{{KeyId}}", "use": "sig", "alg": "RS256", "n": "{{Base64UrlEncoder.Encode(key.Modulus)}}", "e": "AQAB"}]}""";
        }
    }

    public Issuer ToIssuer(PrincipalMapping? mapping = null)
    {
        using var json = JsonDocument.Parse(KeySetJson);
        var key = JwkReader.TryRead(json.RootElement.GetProperty("keys")[0], algorithm: null, out var fault) ?? throw new InvalidOperationException(fault);
        return new Issuer
        {
            Name = Name,
            Audiences = FrozenSet.Create(StringComparer.Ordinal, Audience),
            Keys = KeySet.Of(key),
            Principal = mapping ?? new PrincipalMapping(),
        };
    }

    public Secret Issue(DateTimeOffset now, string subject = "alice", Action<Dictionary<string, object>>? claims = null)
    {
        var all = new Dictionary<string, object> { ["sub"] = subject };
        claims?.Invoke(all);
        return new Secret(new JsonWebTokenHandler { SetDefaultTimesOnTokenCreation = false }.CreateToken(new SecurityTokenDescriptor
        {
            Issuer = all.Remove("iss", out var issuer) ? (string)issuer : Name,
            Audience = all.ContainsKey("aud") ? null : Audience,
            TokenType = "at+jwt",
            IssuedAt = now.UtcDateTime,
            Expires = now.AddMinutes(15).UtcDateTime,
            Claims = all,
            SigningCredentials = new SigningCredentials(new RsaSecurityKey(_key) { KeyId = KeyId }, SecurityAlgorithms.RsaSha256)
            {
                CryptoProviderFactory = new CryptoProviderFactory { CacheSignatureProviders = false },
            },
        }));
    }

    public void Dispose() => _key.Dispose();
}
