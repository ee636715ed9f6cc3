using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;

namespace EndToEnd.Tests;

/// <summary>An issuer of access tokens (RFC 9068) that has nothing to do with the control plane but its public key.</summary>
internal sealed class TestIssuer : IDisposable
{
    public const string Name = "https://issuer.test";

    private readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    public string KeySet
    {
        get
        {
            var point = _key.ExportParameters(includePrivateParameters: false).Q;
            return $$"""{"keys": [{"kty": "EC", "crv": "P-256", "kid": "k", "alg": "ES256", "x": "{{Base64Url.EncodeToString(point.X)}}", "y": "{{Base64Url.EncodeToString(point.Y)}}"}]}""";
        }
    }

    public string Issue(string subject, string audience = "documents")
    {
        var now = TimeProvider.System.GetUtcNow().ToUnixTimeSeconds();
        var signed = Encode("""{"alg":"ES256","typ":"at+jwt","kid":"k"}""") + "."
            + Encode($$"""{"iss":"{{Name}}","sub":"{{subject}}","aud":"{{audience}}","iat":{{now}},"exp":{{now + 600}},"jti":"{{Guid.NewGuid()}}","client_id":"test"}""");
        return $"{signed}.{Base64Url.EncodeToString(_key.SignData(Encoding.ASCII.GetBytes(signed), HashAlgorithmName.SHA256))}";
    }

    public void Dispose() => _key.Dispose();

    private static string Encode(string json) => Base64Url.EncodeToString(Encoding.UTF8.GetBytes(json));
}
