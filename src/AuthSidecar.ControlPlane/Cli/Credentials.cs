using System.Security.Authentication;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace AuthSidecar.ControlPlane.Cli;

/// <summary>What an administrator has in a file: where the control plane is, who they are, and the key that says so. The file is its
/// owner's alone.</summary>
/// <param name="Url">The control plane's address.</param>
/// <param name="Name">The administrator's name.</param>
/// <param name="PrivateKey">A P-256 key, PKCS #8 in PEM.</param>
/// <param name="Ca">The CA of the control plane's certificate, in PEM; null: whom the machine trusts.</param>
internal sealed record Credentials(Uri Url, string Name, string PrivateKey, string? Ca)
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const string AssertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

    private static readonly TimeSpan AssertionLifetime = TimeSpan.FromMinutes(1);
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { WriteIndented = true };

    /// <summary>Where they are unless it is said otherwise: in the user's own configuration.</summary>
    public static string DefaultPath => Path.Combine(Environment.GetFolderPath(
        Environment.SpecialFolder.ApplicationData, Environment.SpecialFolderOption.DoNotVerify), "authsidecar", "credentials.json");

    public static Credentials Create(Uri url, string name, string? ca)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        return new Credentials(url, name, key.ExportPkcs8PrivateKeyPem(), ca);
    }

    /// <exception cref="InvalidDataException">The file has other content.</exception>
    public static Credentials Load(string path)
    {
        try
        {
            return JsonSerializer.Deserialize<Credentials>(
                File.ReadAllBytes(path), Json) is
            { Url: { IsAbsoluteUri: true, Scheme: "https" }, Name: not null, PrivateKey: not null } credentials
                ? credentials
                : throw new InvalidDataException($"`{path}` is not a credentials file, such as `authsidecar-control bootstrap` writes");
        }
        catch (JsonException)
        {
            // Its words may quote the key.
            throw new InvalidDataException($"`{path}` is not a credentials file, such as `authsidecar-control bootstrap` writes");
        }
    }

    /// <exception cref="IOException">The file exists: a key that is overwritten is lost.</exception>
    public void Save(string path)
    {
        if (Path.GetDirectoryName(Path.GetFullPath(path)) is { } folder)
            System.IO.Directory.CreateDirectory(folder);

        using var stream = new FileStream(
            path, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = OwnerOnly });
        JsonSerializer.Serialize(stream, this, Json);
    }

    /// <summary>The public key, as the control plane is told it.</summary>
    public string ToJwks()
    {
        using var key = OpenKey();
        var jwk = JsonWebKeyConverter.ConvertFromECDsaSecurityKey(
            new ECDsaSecurityKey(ECDsa.Create(key.ExportParameters(includePrivateParameters: false))));
        return new JsonObject
        {
            ["keys"] = new JsonArray(new JsonObject
            {
                ["kty"] = jwk.Kty,
                ["crv"] = jwk.Crv,
                ["x"] = jwk.X,
                ["y"] = jwk.Y,
                ["alg"] = SecurityAlgorithms.EcdsaSha256,
                ["use"] = "sig",
                ["kid"] = KeyIdOf(key),
            }),
        }.ToJsonString();
    }

    /// <summary>Connects to whoever has a certificate of the CA.</summary>
    public SocketsHttpHandler CreateHandler()
    {
        var tls = new SslClientAuthenticationOptions
        {
            RemoteCertificateValidationCallback = (_, its, _, errors) => errors == SslPolicyErrors.None
                ? true
                : throw new AuthenticationException(CertificateChains.Describe(
                    its, errors, TimeProvider.System.GetUtcNow(),
                    "untrusted certificate: not issued by the configured CA, or by a CA that this machine trusts; specify its CA with "
                        + "`--ca FILE`, such as `ca.pem` of the control plane's state folder")),
        };
        if (Ca is not null)
        {
            var roots = new X509Certificate2Collection();
            roots.ImportFromPem(Ca);
            tls.CertificateChainPolicy = new X509ChainPolicy
            {
                TrustMode = X509ChainTrustMode.CustomRootTrust,
                RevocationMode = X509RevocationMode.NoCheck,
            };
            tls.CertificateChainPolicy.CustomTrustStore.AddRange(roots);
        }

        return new SocketsHttpHandler { SslOptions = tls };
    }

    /// <summary>Gets an access token (RFC 6749, section 4.4) for an assertion signed with the key (RFC 7523, section 2.2).</summary>
    /// <exception cref="InvalidDataException">The control plane gives none, and why.</exception>
    public async Task<string> GetTokenAsync(HttpMessageInvoker http, TimeProvider time, CancellationToken cancellation)
    {
        using var discovery = await http.SendAsync(new HttpRequestMessage(HttpMethod.Get, new Uri(Url, ".well-known/openid-configuration")),
            cancellation);
        var metadata = await ReadAsync(discovery, cancellation);
        var form = new FormUrlEncodedContent(new Dictionary<string, string>
        {
            ["grant_type"] = "client_credentials",
            ["client_id"] = Name,
            ["client_assertion_type"] = AssertionType,
            ["client_assertion"] = CreateAssertion((string)metadata["issuer"]!, time.GetUtcNow()),
        });
        using var response = await http.SendAsync(
            new HttpRequestMessage(HttpMethod.Post, (string)metadata["token_endpoint"]!) { Content = form }, cancellation);
        return (string)(await ReadAsync(response, cancellation))["access_token"]!;
    }

    private async Task<JsonObject> ReadAsync(HttpResponseMessage response, CancellationToken cancellation)
    {
        var json = response.Content.Headers.ContentType?.MediaType == "application/json"
            ? await response.Content.ReadFromJsonAsync<JsonObject>(cancellation) : null;
        return response.IsSuccessStatusCode && json is not null
            ? json
            : throw new InvalidDataException(
                $"failed to get an access token for `{Name}` from `{Url}`: "
                    + $"{(string?)json?["error_description"] ?? $"HTTP status {(int)response.StatusCode}"}");
    }

    private string CreateAssertion(string audience, DateTimeOffset now)
    {
        using var key = OpenKey();
        return new JsonWebTokenHandler { SetDefaultTimesOnTokenCreation = false }.CreateToken(new SecurityTokenDescriptor
        {
            Issuer = Name,
            Audience = audience,
            TokenType = "client-authentication+jwt",
            IssuedAt = now.UtcDateTime,
            Expires = (now + AssertionLifetime).UtcDateTime,
            Claims = new Dictionary<string, object>
            {
                ["sub"] = Name,
                ["jti"] = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16)),
            },
            SigningCredentials = new SigningCredentials(new ECDsaSecurityKey(key) { KeyId = KeyIdOf(key) }, SecurityAlgorithms.EcdsaSha256)
            {
                CryptoProviderFactory = new CryptoProviderFactory { CacheSignatureProviders = false },
            },
        });
    }

    private static string KeyIdOf(ECDsa key) => Base64UrlEncoder.Encode(
        new ECDsaSecurityKey(ECDsa.Create(key.ExportParameters(includePrivateParameters: false))).ComputeJwkThumbprint());

    private ECDsa OpenKey()
    {
        var key = ECDsa.Create();
        key.ImportFromPem(PrivateKey);
        return key;
    }
}
