using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using AuthSidecar.Cedar;
using AuthSidecar.Tokens;
using Microsoft.IdentityModel.Tokens;

namespace AuthSidecar.Tests.Issuers;

/// <summary>The examples of docs/providers.md, held against tokens of each provider's shape: the genuine one is accepted, and what an attacker or a careless client sends in its place
/// is refused for its reason.</summary>
public sealed partial class ProviderTests
{
    private const string Tenant = "11111111-2222-4333-8444-555555555555";
    private const string KeyId = "provider-key";

    private static readonly RSA Key = RSA.Create(2048);
    private static readonly RSA OtherKey = RSA.Create(2048);
    private static readonly DateTimeOffset Now = new(2026, 6, 1, 12, 0, 0, TimeSpan.Zero);
    private static readonly long Seconds = Now.ToUnixTimeSeconds();

    /// <summary>What a provider's tokens are like.</summary>
    /// <param name="Section">The heading in docs/providers.md.</param>
    /// <param name="Header">The header, without <c>alg</c> and <c>kid</c>.</param>
    /// <param name="Claims">The claims of an access token, without times.</param>
    /// <param name="Principal">Who it is, for policies.</param>
    /// <param name="Client">The client that it was issued to.</param>
    /// <param name="Refused">Changes of the claims, and why the token is refused then. A member of <c>null</c> is taken away; <c>@typ</c> is that of the header.</param>
    private sealed record Provider(
        string Section, string Header, string Claims, string Principal, string? Client, params (string What, string Changes, TokenRejection Reason)[] Refused);

    private static readonly Provider[] Providers =
    [
        new("Apple", "{}",
            """{"iss": "https://appleid.apple.com", "aud": "com.example.documents", "sub": "001234.0a1b2c3d.0456", "nonce": "n", "nonce_supported": true, "email": "a@example.com", "email_verified": "true", "auth_time": 1, "at_hash": "x"}""",
            "User::\"001234.0a1b2c3d.0456\"", null,
            ("the audience of another application", """{"aud": "com.example.other"}""", TokenRejection.AudienceMismatch),
            ("a server-to-server notification", """{"events": "{\"type\":\"consent-revoked\"}"}""", TokenRejection.TypeNotAllowed),
            ("another issuer", """{"iss": "https://appleid.apple.com/"}""", TokenRejection.IssuerUnknown)),
        new("Auth0", """{"typ": "JWT"}""",
            """{"iss": "https://acme.eu.auth0.com/", "aud": ["https://documents.example", "https://acme.eu.auth0.com/userinfo"], "sub": "auth0|5f7c8ec7c33c6c004bbafe82", "azp": "client", "scope": "openid read", "permissions": ["read"], "https://documents.example/roles": ["editor"]}""",
            "User::\"auth0|5f7c8ec7c33c6c004bbafe82\"", "client",
            ("an ID token", """{"aud": "client", "azp": null, "scope": null, "nonce": "n"}""", TokenRejection.TypeNotAllowed),
            ("an ID token without nonce", """{"aud": "client", "azp": null, "scope": null}""", TokenRejection.AudienceMismatch),
            ("another tenant", """{"iss": "https://other.eu.auth0.com/"}""", TokenRejection.IssuerUnknown),
            ("a logout token", """{"aud": "client", "events": {"http://schemas.openid.net/event/backchannel-logout": {}}, "@typ": "logout+jwt"}""", TokenRejection.TypeNotAllowed)),
        new("Auth0", """{"typ": "at+jwt"}""",
            """{"iss": "https://acme.eu.auth0.com/", "aud": "https://documents.example", "sub": "client@clients", "client_id": "client", "jti": "j", "scope": "read"}""",
            "User::\"client@clients\"", "client"),
        new("Authelia", """{"typ": "at+jwt"}""",
            """{"iss": "https://auth.example.com", "aud": ["https://documents.example"], "sub": "0e1f2a3b", "client_id": "web", "jti": "j", "scp": ["openid"], "scope": "openid", "nbf": 1}""",
            "User::\"0e1f2a3b\"", "web",
            ("an ID token", """{"@typ": "JWT", "nonce": "n"}""", TokenRejection.TypeNotAllowed),
            ("no typ", """{"@typ": null}""", TokenRejection.TypeNotAllowed)),
        new("Amazon Cognito", "{}",
            """{"iss": "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_Example01", "sub": "f02e8e2e", "client_id": "5bsj0example0client0id", "origin_jti": "o", "event_id": "e", "token_use": "access", "scope": "aws.cognito.signin.user.admin", "auth_time": 1, "jti": "j", "username": "alice", "cognito:groups": ["editors"]}""",
            "User::\"f02e8e2e\"", "5bsj0example0client0id",
            ("an ID token", """{"token_use": "id", "aud": "5bsj0example0client0id", "client_id": null, "at_hash": "x"}""", TokenRejection.TypeNotAllowed),
            ("a refresh token", """{"token_use": "refresh"}""", TokenRejection.TypeNotAllowed),
            ("no token_use", """{"token_use": null}""", TokenRejection.ClaimMissing),
            ("token_use of another type", """{"token_use": ["access"]}""", TokenRejection.ClaimMalformed),
            ("another app client", """{"client_id": "another"}""", TokenRejection.AudienceMismatch),
            ("no app client", """{"client_id": null}""", TokenRejection.ClaimMissing),
            ("an audience of others beside the app client", """{"aud": "another"}""", TokenRejection.AudienceMismatch),
            ("another user pool", """{"iss": "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_Example02"}""", TokenRejection.IssuerUnknown)),
        new("Microsoft Entra ID", """{"typ": "JWT"}""",
            $$"""{"iss": "https://login.microsoftonline.com/{{Tenant}}/v2.0", "aud": "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee", "sub": "pairwise", "oid": "00000000-0000-0000-0000-00000000a11c", "tid": "{{Tenant}}", "azp": "cccccccc-0000-4000-8000-000000000001", "azpacr": "0", "scp": "read", "ver": "2.0", "uti": "u", "rh": "r", "roles": ["editor"], "groups": ["g1"]}""",
            "User::\"00000000-0000-0000-0000-00000000a11c\"", "cccccccc-0000-4000-8000-000000000001",
            ("another tenant", """{"iss": "https://login.microsoftonline.com/99999999-2222-4333-8444-555555555555/v2.0", "tid": "99999999-2222-4333-8444-555555555555"}""", TokenRejection.IssuerUnknown),
            ("another tenant in tid", """{"tid": "99999999-2222-4333-8444-555555555555"}""", TokenRejection.ClaimNotAllowed),
            ("no tid", """{"tid": null}""", TokenRejection.ClaimMissing),
            ("tid of another type", """{"tid": 7}""", TokenRejection.ClaimMalformed),
            ("the template", """{"iss": "https://login.microsoftonline.com/{tenantid}/v2.0"}""", TokenRejection.IssuerUnknown),
            ("the tenant in upper case", """{"iss": "https://login.microsoftonline.com/11111111-2222-4333-8444-55555555555A/v2.0"}""", TokenRejection.IssuerUnknown),
            ("an ID token", """{"azp": null, "azpacr": null, "scp": null, "nonce": "n", "preferred_username": "a@example.com"}""", TokenRejection.TypeNotAllowed),
            ("an ID token without nonce", """{"azp": null, "azpacr": null, "scp": null}""", TokenRejection.ClaimMissing),
            ("version 1.0", $$"""{"iss": "https://sts.windows.net/{{Tenant}}/"}""", TokenRejection.IssuerUnknown),
            ("a user without oid", """{"oid": null}""", TokenRejection.ClaimMissing)),
        new("Version 1.0", """{"typ": "JWT", "x5t": "x"}""",
            $$"""{"iss": "https://sts.windows.net/{{Tenant}}/", "aud": "api://documents", "sub": "pairwise", "oid": "00000000-0000-0000-0000-00000000a11c", "tid": "{{Tenant}}", "appid": "client", "appidacr": "1", "scp": "read", "ver": "1.0"}""",
            "User::\"00000000-0000-0000-0000-00000000a11c\"", "client",
            ("another tenant in tid", """{"tid": "99999999-2222-4333-8444-555555555555"}""", TokenRejection.ClaimNotAllowed),
            ("an ID token", """{"appid": null, "appidacr": null, "scp": null}""", TokenRejection.ClaimMissing),
            ("version 2.0", $$"""{"iss": "https://login.microsoftonline.com/{{Tenant}}/v2.0"}""", TokenRejection.IssuerUnknown)),
        new("Firebase Authentication", """{"typ": "JWT"}""",
            """{"iss": "https://securetoken.google.com/acme-documents", "aud": "acme-documents", "sub": "uid1", "user_id": "uid1", "auth_time": 1, "firebase": {"identities": {}, "sign_in_provider": "password"}}""",
            "User::\"uid1\"", null,
            ("another project", """{"iss": "https://securetoken.google.com/other", "aud": "other"}""", TokenRejection.IssuerUnknown),
            ("the audience of another project", """{"aud": "other"}""", TokenRejection.ClaimNotAllowed),
            ("a session cookie", """{"iss": "https://session.firebase.google.com/acme-documents"}""", TokenRejection.IssuerUnknown)),
        new("GitHub Actions", """{"typ": "JWT", "x5t": "x"}""",
            """{"iss": "https://token.actions.githubusercontent.com", "aud": "https://documents.example", "sub": "repo:acme/documents:ref:refs/heads/main", "repository": "acme/documents", "repository_owner": "acme", "repository_owner_id": "65", "ref": "refs/heads/main", "jti": "j", "nbf": 1}""",
            "Workflow::\"repo:acme/documents:ref:refs/heads/main\"", null,
            ("the repository of others", """{"repository_owner_id": "66"}""", TokenRejection.ClaimNotAllowed),
            ("no owner", """{"repository_owner_id": null}""", TokenRejection.ClaimMissing),
            ("an owner of another type", """{"repository_owner_id": 65}""", TokenRejection.ClaimMalformed),
            ("another branch", """{"ref": "refs/heads/x"}""", TokenRejection.ClaimNotAllowed)),
        new("Google", """{"typ": "JWT"}""",
            """{"iss": "https://accounts.google.com", "aud": "1234567890-example.apps.googleusercontent.com", "azp": "web", "sub": "110169484474386276334", "email": "a@example.com", "email_verified": true, "hd": "example.com", "at_hash": "x"}""",
            "User::\"110169484474386276334\"", "web",
            ("another client", """{"aud": "other.apps.googleusercontent.com"}""", TokenRejection.AudienceMismatch)),
        new("Google", """{"typ": "JWT"}""",
            """{"iss": "accounts.google.com", "aud": "1234567890-example.apps.googleusercontent.com", "azp": "web", "sub": "110169484474386276334"}""",
            "User::\"110169484474386276334\"", "web",
            ("a name that begins alike", """{"iss": "accounts.google.com.attacker.test"}""", TokenRejection.IssuerUnknown)),
        new("Keycloak", """{"typ": "JWT"}""",
            """{"iss": "https://sso.example.com/realms/acme", "aud": ["documents", "account"], "sub": "c3a1", "typ": "Bearer", "azp": "web", "sid": "s", "jti": "j", "acr": "1", "realm_access": {"roles": ["editor"]}, "resource_access": {"documents": {"roles": ["owner"]}}, "scope": "openid"}""",
            "User::\"c3a1\"", "web",
            ("an ID token", """{"typ": "ID", "at_hash": "x", "nonce": "n"}""", TokenRejection.TypeNotAllowed),
            ("a refresh token", """{"typ": "Refresh"}""", TokenRejection.TypeNotAllowed),
            ("an offline token", """{"typ": "Offline"}""", TokenRejection.TypeNotAllowed),
            ("a logout token", """{"typ": "Logout", "events": {}}""", TokenRejection.TypeNotAllowed),
            ("no claim typ", """{"typ": null}""", TokenRejection.ClaimMissing),
            ("a claim typ of another type", """{"typ": 1}""", TokenRejection.ClaimMalformed),
            ("no audience mapper", """{"aud": null}""", TokenRejection.ClaimMissing),
            ("another realm", """{"iss": "https://sso.example.com/realms/other"}""", TokenRejection.IssuerUnknown)),
        new("Kubernetes", "{}",
            """{"iss": "https://oidc.example.com/clusters/one", "aud": ["documents"], "sub": "system:serviceaccount:prod:api", "jti": "j", "nbf": 1, "kubernetes.io": {"namespace": "prod", "serviceaccount": {"name": "api", "uid": "u"}, "pod": {"name": "api-0", "uid": "p"}}}""",
            "ServiceAccount::\"system:serviceaccount:prod:api\"", null,
            ("another audience", """{"aud": ["https://kubernetes.default.svc"]}""", TokenRejection.AudienceMismatch),
            ("another cluster", """{"iss": "https://oidc.example.com/clusters/two"}""", TokenRejection.IssuerUnknown),
            ("a token of another kind", """{"kubernetes.io": null}""", TokenRejection.ClaimMissing)),
        new("Okta", "{}",
            """{"ver": 1, "jti": "AT.x", "iss": "https://acme.okta.com/oauth2/default", "aud": "api://documents", "cid": "0oa1", "uid": "00u1", "scp": ["openid", "read"], "auth_time": 1, "sub": "alice@example.com", "groups": ["Everyone"]}""",
            "User::\"alice@example.com\"", "0oa1",
            ("an ID token", """{"cid": null, "uid": null, "scp": null, "jti": "ID.x", "aud": "0oa1", "amr": ["pwd"], "idp": "00o", "at_hash": "x"}""", TokenRejection.TypeNotAllowed),
            ("an ID token without hashes", """{"cid": null, "uid": null, "scp": null, "jti": "ID.x"}""", TokenRejection.ClaimMissing),
            ("typ of a logout token", """{"@typ": "logout+jwt"}""", TokenRejection.TypeNotAllowed),
            ("another authorization server", """{"iss": "https://acme.okta.com/oauth2/aus1"}""", TokenRejection.IssuerUnknown)),
        new("Okta", """{"typ": "application/okta-internal-at+jwt"}""",
            """{"ver": 1, "jti": "AT.x", "iss": "https://acme.okta.com/oauth2/default", "aud": "api://documents", "cid": "0oa1", "uid": "00u1", "scp": ["openid"], "sub": "alice@example.com"}""",
            "User::\"alice@example.com\"", "0oa1"),
        new("SAP XSUAA, Cloud Foundry UAA", """{"typ": "JWT", "jku": "https://acme.authentication.eu10.hana.ondemand.com/token_keys"}""",
            """{"iss": "https://acme.authentication.eu10.hana.ondemand.com/oauth/token", "aud": ["documents!t1", "openid"], "sub": "s", "user_id": "u1", "zid": "0f0f0f0f-1111-4222-8333-444444444444", "client_id": "sb-documents!t1", "cid": "sb-documents!t1", "azp": "sb-documents!t1", "scope": ["documents!t1.read"], "grant_type": "authorization_code", "jti": "j"}""",
            "User::\"u1\"", "sb-documents!t1",
            ("a refresh token", """{"scope": null, "granted_scopes": ["documents!t1.read"], "jti": "j-r"}""", TokenRejection.ClaimMissing),
            ("another zone", """{"zid": "9f0f0f0f-1111-4222-8333-444444444444"}""", TokenRejection.ClaimNotAllowed),
            ("an ID token", """{"nonce": "n"}""", TokenRejection.TypeNotAllowed)),
        new("SPIFFE", "{}",
            """{"sub": "spiffe://acme.example/ns/prod/sa/api", "aud": ["spiffe://acme.example/documents"], "iat": null}""",
            "Workload::\"spiffe://acme.example/ns/prod/sa/api\"", null,
            ("another trust domain", """{"sub": "spiffe://other.example/ns/prod/sa/api"}""", TokenRejection.ClaimMissing),
            ("an issuer that is not configured", """{"iss": "https://spire.example.com", "sub": "spiffe://other.example/x"}""", TokenRejection.IssuerUnknown),
            ("no SPIFFE ID", """{"sub": "api"}""", TokenRejection.ClaimMissing),
            ("no workload", """{"sub": "spiffe://acme.example"}""", TokenRejection.ClaimMissing),
            ("an empty segment", """{"sub": "spiffe://acme.example/ns//api"}""", TokenRejection.ClaimMissing),
            ("a relative segment", """{"sub": "spiffe://acme.example/ns/../api"}""", TokenRejection.ClaimMissing),
            ("the trust domain in upper case", """{"sub": "spiffe://ACME.example/api"}""", TokenRejection.ClaimMissing),
            ("its name as issuer, of another domain", """{"iss": "spiffe://acme.example", "sub": "spiffe://other.example/x"}""", TokenRejection.ClaimMalformed),
            ("no expiry", """{"exp": null}""", TokenRejection.ClaimMissing)),
        new("SPIFFE", """{"typ": "JOSE"}""",
            """{"iss": "https://spire.example.com", "sub": "spiffe://acme.example/ns/prod/sa/api", "aud": "spiffe://acme.example/documents"}""",
            "Workload::\"spiffe://acme.example/ns/prod/sa/api\"", null),
        new("Zitadel", """{"typ": "JWT"}""",
            """{"iss": "https://acme.zitadel.cloud", "aud": ["client", "201234567890123456"], "sub": "u1", "jti": "j", "client_id": "client", "nbf": 1, "urn:zitadel:iam:org:project:roles": {"admin": {"1": "acme.example"}}}""",
            "User::\"u1\"", "client",
            ("an ID token", """{"jti": null, "azp": "client", "client_id": null, "amr": ["pwd"], "auth_time": 1, "sid": "s"}""", TokenRejection.ClaimMissing),
            ("an ID token with its hash", """{"at_hash": "x"}""", TokenRejection.TypeNotAllowed),
            ("another project", """{"aud": ["client", "2"]}""", TokenRejection.AudienceMismatch)),
    ];

    /// <summary>Every example of the provider's section, and each of its tokens.</summary>
    public static TheoryData<string, int, int> Examples
    {
        get
        {
            var data = new TheoryData<string, int, int>();
            foreach (var (index, provider) in Providers.Index())
            {
                for (var example = 0; example < SectionOf(provider.Section).Count; example++)
                {
                    data.Add(provider.Section, index, example);
                }
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Examples))]
    public void Example_OfTheProvider_AcceptsItsTokensAlone(string section, int provider, int example)
    {
        var (shape, issuers) = (Providers[provider], Read(SectionOf(section)[example]));
        var accepted = Validate(issuers, Sign(shape));
        Assert.Equal((TokenRejection.None, null), (accepted.Error, accepted.Detail));
        Assert.Equal((shape.Principal, shape.Client), (AuthSidecar.Decisions.TokenFacts.Of(accepted.Token).Principal.Uid.ToString(), accepted.Token.ClientId));

        foreach (var (what, changes, reason) in shape.Refused)
        {
            Assert.Equal((what, reason), (what, Validate(issuers, Sign(shape, changes)).Error));
        }

        // What holds for every provider.
        Assert.Equal(TokenRejection.SignatureInvalid, Validate(issuers, Sign(shape, key: OtherKey)).Error);
        Assert.Equal(TokenRejection.KeyUnknown, Validate(issuers, Sign(shape, keyId: "another")).Error);
        Assert.Equal(TokenRejection.AlgorithmNotAllowed, Validate(issuers, Sign(shape, algorithm: "RS512")).Error);
        Assert.Equal(TokenRejection.AlgorithmNotAllowed, Validate(issuers, Sign(shape, algorithm: "HS256")).Error);
        Assert.Equal(TokenRejection.Expired, Validate(issuers, Sign(shape, $$"""{"exp": {{Seconds - 6}}}""")).Error);
        Assert.Equal(TokenRejection.NotYetValid, Validate(issuers, Sign(shape, $$"""{"nbf": {{Seconds + 6}}}""")).Error);
        Assert.Equal(TokenRejection.TypeNotAllowed, Validate(issuers, Sign(shape, """{"events": {"http://schemas.openid.net/event/backchannel-logout": {}}}""")).Error);
        Assert.Equal(TokenRejection.TypeNotAllowed, Validate(issuers, Sign(shape, """{"token_use": "refresh_token"}""")).Error);
        Assert.Equal(TokenRejection.TypeNotAllowed, Validate(issuers, Sign(shape, """{"@typ": "logout+jwt"}""")).Error);
        Assert.Equal(TokenRejection.TypeNotAllowed, Validate(issuers, Sign(shape, """{"@typ": "dpop+jwt"}""")).Error);
        Assert.Equal(TokenRejection.ProofMissing, Validate(issuers, Sign(shape, """{"cnf": {"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}}""")).Error);
        Assert.Equal(TokenRejection.ClaimMalformed, Validate(issuers, Sign(shape, """{"cnf": 1}""")).Error);
        Assert.Equal(TokenRejection.ClaimMalformed, Validate(issuers, Sign(shape, $$"""{"exp": "{{Seconds + 60}}"}""")).Error);
    }

    [Fact]
    public void Presets_AreAllDescribed()
    {
        var described = Providers.SelectMany(p => SectionOf(p.Section)).Select(e => (string?)JsonNode.Parse(e)!["issuers"]![0]!["preset"]).OfType<string>().Distinct().Order(StringComparer.Ordinal);
        Assert.Equal(IssuerPreset.All.Select(p => p.Name).Order(StringComparer.Ordinal), described);
    }

    /// <summary>The preset of an example and its options mean the same.</summary>
    [Fact]
    public void Options_OfAnExample_AreThoseOfItsPreset()
    {
        foreach (var section in Providers.Select(p => p.Section).Distinct().Where(s => SectionOf(s).Count == 2 && s != "Apple"))
        {
            var (preset, options) = (Read(SectionOf(section)[0], withKeys: false), Read(SectionOf(section)[1], withKeys: false));
            Assert.Equal(preset.All.Select(Describe), options.All.Select(Describe));
        }

        static string Describe(Issuer i) =>
            $"{i.Name} {string.Join(',', i.Aliases)} {i.Tenant} {i.TrustDomain} {i.KeySource?.Url} {i.KeySource?.IsDiscovered} {i.KeySource?.Rules} {string.Join(',', i.Audiences)} {i.AudienceClaim} {i.ClientIdClaim} "
            + $"{string.Join(',', i.Types.Order(StringComparer.Ordinal))} {i.IsTypeOptional} {i.IsIssuedAtOptional} {string.Join(',', i.RequiredClaims.Select(r => $"{r.Path}={string.Join('|', r.Values)}"))} "
            + $"{string.Join(',', i.ForbiddenClaims)} {i.Principal.Type} {i.Principal.Id}";
    }

    [Theory]
    [InlineData("""{"preset": "entra", "audiences": ["a"]}""", "`tenants` is required: the values of `{tenantid}` in the issuer, 1 to 10000")]
    [InlineData("""{"preset": "entra", "tenants": ["common"], "audiences": ["a"]}""", "`common` is not a tenant ID: tokens have it as a GUID in lower case, never as a domain name")]
    [InlineData("""{"preset": "entra", "tenants": ["acme.onmicrosoft.com"], "audiences": ["a"]}""", "`acme.onmicrosoft.com` is not a tenant ID: tokens have it as a GUID in lower case, never as a domain name")]
    [InlineData("""{"preset": "entra", "tenants": ["11111111-2222-4333-8444-555555555555"]}""", "`audiences` is empty: at least one audience is required")]
    [InlineData("""{"preset": "google"}""", "`audiences` is empty: at least one audience is required")]
    [InlineData("""{"preset": "apple"}""", "`audiences` is empty: at least one audience is required")]
    [InlineData("""{"preset": "okta", "audiences": ["a"]}""", "`issuer` is required with preset `okta`")]
    [InlineData("""{"preset": "cognito", "issuer": "https://cognito-idp.eu-central-1.amazonaws.com/x"}""", "`audiences` is empty: at least one audience is required")]
    [InlineData("""{"preset": "auth0", "issuer": "https://acme.auth0.com", "audiences": ["a"]}""", "the `iss` of preset `auth0` has a `/` at its end")]
    [InlineData("""{"preset": "keycloak", "issuer": "https://sso.example.com/realms/acme/", "audiences": ["a"]}""", "the `iss` of preset `keycloak` has no `/` at its end")]
    [InlineData("""{"preset": "firebase"}""", "`tenants` is required: the values of `{project}` in the issuer, 1 to 10000")]
    [InlineData("""{"preset": "spiffe", "audiences": ["a"], "jwksUrl": "https://spire.example.com"}""", "`trustDomain` is required with preset `spiffe`")]
    [InlineData("""{"preset": "github-actions", "audiences": ["a"], "requiredClaims": {"ref": ["refs/heads/main"]}}""", "preset `github-actions` needs the allowed values of one of")]
    [InlineData("""{"preset": "github-actions", "audiences": ["a"], "requiredClaims": {"sub": true}}""", "preset `github-actions` needs the allowed values of one of")]
    [InlineData("""{"preset": "Okta", "issuer": "https://a.example", "audiences": ["a"]}""", "unknown preset `Okta`: expected one of apple, auth0")]
    public void Preset_WithoutWhatItNeeds_Refused(string entry, string fault)
    {
        var faults = new List<Fault>();
        Read($$"""{"issuers": [{{entry}}]}""", withKeys: false, faults);
        Assert.Contains(faults, f => f.Message.Contains(fault, StringComparison.Ordinal));
    }

    // ------------------------------------------------------------------ tokens

    private static TokenResult Validate(IssuerSet issuers, string token) =>
        new TokenValidator(new VerifiedTokenCache(1), new DpopVerifier()).Validate(new PresentedToken { Token = new Secret(token) }, issuers, Revocations.None, Now);

    private static string Sign(Provider shape, string changes = "{}", RSA? key = null, string keyId = KeyId, string algorithm = "RS256")
    {
        var claims = JsonNode.Parse(shape.Claims)!.AsObject();
        var header = JsonNode.Parse(shape.Header)!.AsObject();
        claims["exp"] = Seconds + 300;
        if (!claims.ContainsKey("iat"))
        {
            claims["iat"] = Seconds - 5;
        }

        foreach (var (name, value) in JsonNode.Parse(changes)!.AsObject())
        {
            var (target, member) = name == "@typ" ? (header, "typ") : (claims, name);
            if (value is null)
            {
                target.Remove(member);
            }
            else
            {
                target[member] = value.DeepClone();
            }
        }

        if (claims["iat"] is null)
        {
            claims.Remove("iat");
        }

        (header["alg"], header["kid"]) = (algorithm, keyId);
        var input = $"{Base64UrlEncoder.Encode(header.ToJsonString())}.{Base64UrlEncoder.Encode(claims.ToJsonString())}";
        var signature = algorithm switch
        {
            "HS256" => HMACSHA256.HashData(Key.ExportSubjectPublicKeyInfo(), Encoding.ASCII.GetBytes(input)),
            _ => (key ?? Key).SignData(Encoding.ASCII.GetBytes(input), algorithm == "RS512" ? HashAlgorithmName.SHA512 : HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1),
        };
        return $"{input}.{Base64UrlEncoder.Encode(signature)}";
    }

    // ------------------------------------------------------------------ the page

    [GeneratedRegex(@"\n( {4}\{""issuers""(?:.*\n)(?: {4}.*\n)*)")]
    private static partial Regex Block();

    private static List<string> SectionOf(string heading)
    {
        var page = File.ReadAllText(Path.Combine(AuthSidecar.Testing.CommandLineConformance.Repository(), "docs", "providers.md"));
        var begin = Regex.Match(page, $"^##+ {Regex.Escape(heading)}$", RegexOptions.Multiline);
        Assert.True(begin.Success, $"docs/providers.md has no section {heading}");
        var rest = page[(begin.Index + begin.Length)..];
        var end = Regex.Match(rest, "^##", RegexOptions.Multiline);
        return [.. Block().Matches(end.Success ? rest[..end.Index] : rest).Select(m => m.Groups[1].Value)];
    }

    private static IssuerSet Read(string json, bool withKeys = true, List<Fault>? faults = null)
    {
        var files = new SortedDictionary<string, byte[]>(StringComparer.Ordinal);
        var document = JsonNode.Parse(json)!;
        if (withKeys)
        {
            // A key set in the bundle, in place of where the provider publishes its own.
            var entry = document["issuers"]![0]!.AsObject();
            entry.Remove("jwksUrl");
            entry.Remove("discovery");
            entry["jwks"] = "provider.jwks.json";
            var (parameters, use) = (Key.ExportParameters(includePrivateParameters: false), entry.ContainsKey("trustDomain") ? "jwt-svid" : "sig");
            files["provider.jwks.json"] = Encoding.UTF8.GetBytes(
                $$"""{"keys": [{"kty": "RSA", "kid": "{{KeyId}}", "use": "{{use}}", "n": "{{Base64UrlEncoder.Encode(parameters.Modulus)}}", "e": "AQAB", "x5c": ["AAAA"]}]}""");
        }

        files[IssuersFile.FileName] = Encoding.UTF8.GetBytes(document.ToJsonString());
        var found = faults ?? [];
        var issuers = IssuersFile.Read(new BundleFiles(files), found);
        Assert.True(faults is not null || found.Count == 0, string.Join('\n', found));
        return issuers;
    }
}
