using AuthSidecar.State;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace AuthSidecar.Cli.Quickstart;

/// <summary>A document service's bundle with keys of its own: five roles, ownership, a tenant, a suspended user, and a deletion that takes
/// a second factor.</summary>
internal sealed class SampleApplication(string folder)
{
    public const string Issuer = "https://issuer.example";
    public const string Audience = "documents";
    public const string TotpFactorId = "totp";
    private const string BackupFactorId = "backup";
    private const string KeySet = "keys/issuer.jwks.json";

    private static readonly FactorKey AliceTotp = new(new EntityUid("User", "alice"), TotpFactorId);
    private static readonly TimeSpan TokenLifetime = TimeSpan.FromHours(12);

    public string Bundle => Path.Combine(folder, "bundle");
    public string State => Path.Combine(folder, "state");
    public string TokenFileOf(string user) => Path.Combine(folder, $"{user}.token");

    /// <summary>What alice's authenticator app was given.</summary>
    private string OtpAuthFile => Path.Combine(folder, "alice.otpauth");

    private string IssuerKey => Path.Combine(folder, "issuer.pem");

    /// <summary>Creates what is not there. What is there may have been edited, and is left alone; tokens are issued anew.</summary>
    public void Create()
    {
        Directory.CreateDirectory(folder);
        if (!File.Exists(IssuerKey) && Directory.EnumerateFileSystemEntries(folder).Any(e => e != Bundle + ".new"))
            throw new InvalidDataException($"`{folder}` is not empty and not a sample: specify another folder");

        if (!Directory.Exists(Bundle))
        {
            // Built beside its place and then moved there: a half-made sample never passes for a whole one.
            var building = Bundle + ".new";
            if (Directory.Exists(building))
                Directory.Delete(building, recursive: true);

            WriteBundle(building);
            Directory.Move(building, Bundle);
        }

        using var key = LoadIssuerKey();
        foreach (var user in new[] { "alice", "bob", "root", "mallory", "eve" })
            StateFolder.WriteSecret(TokenFileOf(user), IssueToken(key, user, TimeProvider.System.GetUtcNow()));
    }

    /// <summary>The code that alice's authenticator app shows, to which the URI was given.</summary>
    public string CurrentCode(DateTimeOffset now)
    {
        var uri = File.ReadAllText(OtpAuthFile).Trim();
        return TotpCode.TryReadUri(uri) is { } secret
            ? TotpCode.Compute(secret, TotpCode.StepAt(now))
            : throw new InvalidDataException($"`{OtpAuthFile}` does not hold an `otpauth:` URI");
    }

    private void WriteBundle(string bundle)
    {
        EmbeddedFiles.WriteTo("quickstart", bundle);

        // Its text and not its name: with a control plane, policies are documents that have a history.
        Write($"{PolicyFiles.Folder}/rbac.cedar", PolicyPacks.Find("rbac")!);
        using (var key = RSA.Create(2048))
        {
            StateFolder.WriteSecret(IssuerKey, key.ExportPkcs8PrivateKeyPem());
            Write(KeySet, KeySetOf(key));
        }

        Write(IssuersFile.FileName, new IssuersFile
        {
            Issuers = [new IssuerEntry { Issuer = Issuer, Jwks = KeySet, Audiences = [Audience] }],
        }.Write());
        Write(FactorsFile.FileName, Enrol().Write());
        Write(BundleManifest.FileName, new BundleManifest
        {
            Version = 1,
            Contents = ["policies", SchemaFile.Name, EntitiesFile.FileName, IssuersFile.FileName, RiskFile.FileName, ProfilesFile.FileName,
                FactorsFile.FileName],
        }.Write());

        void Write(string name, byte[] content)
        {
            var path = Path.Combine(bundle, name);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllBytes(path, content);
        }
    }

    /// <summary>Alice's authenticator app and her backup codes, which are written to a file that only she can read.</summary>
    private FactorsFile Enrol()
    {
        var secret = RandomNumberGenerator.GetBytes(TotpCode.SecretBytes);
        var backupCodes = Enumerable.Range(0, BackupCode.PerSubject).Select(_ => BackupCode.Generate()).ToList();
        StateFolder.WriteSecret(Path.Combine(folder, "alice.backup-codes"), string.Join('\n', backupCodes) + "\n");
        StateFolder.WriteSecret(OtpAuthFile, TotpCode.ToUri(secret, "AuthSidecar quickstart", "alice") + "\n");
        var subject = AliceTotp.Subject.ToString();
        return new FactorsFile
        {
            Factors =
            [
                new FactorEntry
                {
                    Subject = subject,
                    Id = TotpFactorId,
                    TotpSecret = WrappedSecret.Wrap(secret, AliceTotp, new StateFolder(State).MfaWrappingKey()).Bytes,
                },
                new FactorEntry { Subject = subject, Id = BackupFactorId, BackupCodeSha256 = [.. backupCodes.Select(BackupCode.Hash)] },
            ],
        };
    }

    private RSA LoadIssuerKey()
    {
        var key = RSA.Create();
        key.ImportFromPem(File.ReadAllText(IssuerKey));
        return key;
    }

    private static byte[] KeySetOf(RSA key)
    {
        var publicKey = key.ExportParameters(includePrivateParameters: false);
        return System.Text.Encoding.UTF8.GetBytes(
            $$"""
            {
              "keys": [
                {
                  "kty": "RSA",
                  "kid": "{{KeyIdOf(key)}}",
                  "use": "sig",
                  "alg": "RS256",
                  "n": "{{Base64UrlEncoder.Encode(publicKey.Modulus)}}",
                  "e": "{{Base64UrlEncoder.Encode(publicKey.Exponent)}}"
                }
              ]
            }

            """);
    }

    private static string KeyIdOf(RSA key) => Base64UrlEncoder.Encode(
        new RsaSecurityKey(key.ExportParameters(false)).ComputeJwkThumbprint());

    private static string IssueToken(RSA key, string subject, DateTimeOffset now) =>
        new JsonWebTokenHandler().CreateToken(new SecurityTokenDescriptor
        {
            Issuer = Issuer,
            Audience = Audience,
            TokenType = "at+jwt",
            IssuedAt = now.UtcDateTime,
            NotBefore = now.UtcDateTime,
            Expires = (now + TokenLifetime).UtcDateTime,
            Claims = new Dictionary<string, object>
            {
                ["sub"] = subject,
                ["client_id"] = "quickstart",
                ["jti"] = Guid.CreateVersion7().ToString(),
                ["scope"] = "documents.read documents.write",
                ["auth_time"] = now.ToUnixTimeSeconds(),
                ["amr"] = new[] { "pwd" },
            },
            SigningCredentials = new SigningCredentials(new RsaSecurityKey(key) { KeyId = KeyIdOf(key) }, SecurityAlgorithms.RsaSha256)
            {
                CryptoProviderFactory = new CryptoProviderFactory { CacheSignatureProviders = false },
            },
        });
}
