using System.Collections.Frozen;
using System.Security.Cryptography;
using AuthSidecar.ControlPlane.Hosting;
using AuthSidecar.ControlPlane.Publications;
using AuthSidecar.ControlPlane.Secrets;
using AuthSidecar.Tokens;
using Microsoft.IdentityModel.Tokens;

namespace AuthSidecar.ControlPlane.Identity;

/// <summary>The keys of the tokens that we issue, and what our own tokens are like to whoever reads them.</summary>
internal sealed class TokenKeys : IDisposable
{
    public const string AccessTokenType = "at+jwt";

    private readonly RSA _key = RSA.Create();

    public TokenKeys(SecretStore secrets, ServeOptions options)
    {
        _key.ImportPkcs8PrivateKey(secrets.TokenSigningPkcs8, out _);
        var keyId = Base64UrlEncoder.Encode(new RsaSecurityKey(_key.ExportParameters(includePrivateParameters: false)).ComputeJwkThumbprint());
        Signing = new RsaSecurityKey(_key) { KeyId = keyId };
        Encryption = new SymmetricSecurityKey(secrets.TokenEncryptionKey);
        Issuers = options.Url is null ? IssuerSet.Empty : new IssuerSet(
        [
            new Issuer
            {
                Name = options.Url.AbsoluteUri,
                Keys = new Dictionary<string, VerificationKey> { [keyId] = VerificationKey.OfPublicKey(_key, keyId) }.ToFrozenDictionary(StringComparer.Ordinal),
                Audiences = FrozenSet.Create(StringComparer.Ordinal, BuiltInPolicies.Application),
                Types = FrozenSet.Create(StringComparer.Ordinal, AccessTokenType),
            },
        ]);
    }

    /// <summary>Named by its thumbprint (RFC 7638).</summary>
    public RsaSecurityKey Signing { get; }

    /// <summary>For tokens that nobody but ourselves reads.</summary>
    public SymmetricSecurityKey Encryption { get; }

    /// <summary>Ourselves, as the issuer of administrators' access tokens.</summary>
    public IssuerSet Issuers { get; }

    public void Dispose() => _key.Dispose();
}
