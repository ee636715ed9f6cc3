using System.Text;
using AuthSidecar.Cedar;
using AuthSidecar.Tests.Testing;
using AuthSidecar.Tokens;

namespace AuthSidecar.Tests.Bundles;

/// <summary>Options of issuers: refused where they can never match a token, have no effect, or would accept more than is meant.</summary>
public sealed class IssuerOptionTests : IDisposable
{
    private readonly TestIssuer _issuer = new();

    [Theory]
    [InlineData("\"typesOptional\": true", "`typesOptional` requires a claim in `requiredClaims` that only access tokens of this issuer have")]
    [InlineData("\"typesOptional\": true, \"requiredClaims\": {\"sub\": true, \"iss\": true}", "`typesOptional` requires a claim in `requiredClaims` that only access tokens of this issuer have")]
    [InlineData("\"types\": [\"\"]", "`` is not a media type that a token can have as `typ`; for tokens without `typ`, see `typesOptional`")]
    [InlineData("\"types\": [\"*\"]", "`*` is not a media type")]
    [InlineData("\"types\": [\"none\"]", "`none` is not a media type")]
    [InlineData("\"types\": [\"logout+jwt\"]", "`logout+jwt` is the type of tokens that are not access tokens")]
    [InlineData("\"types\": [\"application/DPoP+jwt\"]", "`application/DPoP+jwt` is the type of tokens that are not access tokens")]
    [InlineData("\"requiredClaims\": {\"typ\": [\"ID\"]}", "`ID` as `typ` is the kind of tokens that are not access tokens")]
    [InlineData("\"requiredClaims\": {\"token_use\": [\"access\", \"refresh\"]}", "`refresh` as `token_use` is the kind of tokens that are not access tokens")]
    [InlineData("\"requiredClaims\": {\"/events\": true}", "`events` is a claim of tokens that are not access tokens")]
    [InlineData("\"requiredClaims\": {\"/typ\": [\"Refresh\"]}", "`Refresh` as `/typ` is the kind of tokens that are not access tokens")]
    [InlineData("\"requiredClaims\": {\"typ\": [5]}", "`5` as `typ` is the kind of tokens that are not access tokens")]
    [InlineData("\"typesOptional\": true, \"requiredClaims\": {\"nonce\": true}", "`typesOptional` requires a claim in `requiredClaims` that only access tokens of this issuer have")]
    [InlineData("\"types\": [\"refresh-token+jwt\"]", "`refresh-token+jwt` is the type of tokens that are not access tokens")]
    [InlineData("\"forbiddenClaims\": [\"/sub\"]", "`/sub` is a claim that tokens must have: none could be accepted")]
    [InlineData("\"principal\": {\"id\": \"/aud/0\"}", "`principal.id` cannot be `/aud/0`")]
    [InlineData("\"principal\": {\"parents\": {\"groups\": \"A\", \"/groups\": \"B\"}}", "`principal.parents` maps claim `groups` twice")]
    [InlineData("\"aliases\": [\"https://x/{t}\"]", "`https://x/{t}` has a placeholder that `issuer` has not")]
    [InlineData("\"requiredClaims\": {\"events\": true}", "`events` is a claim of tokens that are not access tokens")]
    [InlineData("\"requiredClaims\": {\"typ\": []}", "invalid values of `typ`: expected an array of strings, Booleans or whole numbers, or `true` for any value")]
    [InlineData("\"requiredClaims\": {\"typ\": \"Bearer\"}", "invalid values of `typ`")]
    [InlineData("\"requiredClaims\": {\"typ\": false}", "invalid values of `typ`")]
    [InlineData("\"requiredClaims\": {\"typ\": null}", "invalid values of `typ`")]
    [InlineData("\"requiredClaims\": {\"typ\": [null]}", "invalid values of `typ`")]
    [InlineData("\"requiredClaims\": {\"typ\": [1.5]}", "invalid values of `typ`")]
    [InlineData("\"requiredClaims\": {\"\": true}", "`` is not a claim: expected its name, or a JSON pointer such as `/realm_access/roles`")]
    [InlineData("\"requiredClaims\": {\"/a/\": true}", "`/a/` is not a claim")]
    [InlineData("\"forbiddenClaims\": [\"sub\"]", "`sub` is a claim that tokens must have: none could be accepted")]
    [InlineData("\"forbiddenClaims\": [\"/azp\"], \"requiredClaims\": {\"azp\": true}", "`/azp` is a claim that tokens must have: none could be accepted")]
    [InlineData("\"audienceClaim\": \"iss\"", "`audienceClaim` cannot be `iss`")]
    [InlineData("\"audienceClaim\": \"scope\"", "`audienceClaim` cannot be `scope`")]
    [InlineData("\"principal\": {\"id\": \"jti\"}", "`principal.id` cannot be `jti`")]
    [InlineData("\"principal\": {\"id\": \"aud\"}", "`principal.id` cannot be `aud`")]
    [InlineData("\"principal\": {\"id\": \"/a//b\"}", "`/a//b` is not a claim")]
    [InlineData("\"clientIdClaim\": \"exp\"", "`clientIdClaim` cannot be `exp`")]
    [InlineData("\"principal\": {\"parents\": {\"/realm_access/\": \"Role\"}}", "`/realm_access/` is not a claim")]
    [InlineData("\"principal\": {\"attributes\": {\"a\": \"\"}}", "`` is not a claim")]
    [InlineData("\"principal\": {\"required\": [\"/a/b\"]}", "`principal.required` lists claim `/a/b`, which is not mapped to an attribute or parent")]
    [InlineData("\"tenants\": [\"a\"]", "`tenants` requires a placeholder in `issuer`")]
    [InlineData("\"tenantClaim\": \"tid\"", "`tenantClaim` requires a placeholder in `issuer`")]
    [InlineData("\"keyAlgorithm\": \"ES256\"", "`keyAlgorithm` must be one of RS256, RS384, RS512, PS256, PS384, PS512")]
    [InlineData("\"keyAlgorithm\": \"PS256\"", "`keyAlgorithm` has no effect: every RSA key of `keys.jwks.json` names its own `alg`, or there is none")]
    [InlineData("\"discovery\": true", "`jwks`, `jwksUrl` and `discovery` are mutually exclusive")]
    [InlineData("\"aliases\": [\"\"]", "`aliases` has an empty value, or one with white space: no token can match it")]
    [InlineData("\"aliases\": [\"https://issuer.test\"]", "issuer `https://issuer.test`: configured twice")]
    [InlineData("\"trustDomain\": \"Example.org\"", "`Example.org` is not a SPIFFE trust domain")]
    [InlineData("\"trustDomain\": \"spiffe://example.org\"", "`spiffe://example.org` is not a SPIFFE trust domain")]
    [InlineData("\"name\": \"x\"", "at `$.issuers[0].name`: unknown field")]
    [InlineData("\"requiredClaim\": {\"typ\": [\"Bearer\"]}", "at `$.issuers[0].requiredClaim`: unknown field")]
    public void Option_ThatCannotBeMeant_Refused(string option, string fault) => AssertRefused(
        $$"""{"issuer": "https://issuer.test", "jwks": "keys.jwks.json", "audiences": ["documents"], {{option}} }""", fault);

    [Theory]
    [InlineData("""{"issuer": "https://login.example/{tenantid}", "jwksUrl": "https://login.example/keys", "audiences": ["a"]}""", "`tenants` is required: the values of `{tenantid}` in the issuer")]
    [InlineData("""{"issuer": "https://login.example/{tenantid}", "jwksUrl": "https://login.example/keys", "audiences": ["a"], "tenants": ["*"]}""", "`*` is not a tenant: expected one value of `{tenantid}`, without patterns")]
    [InlineData("""{"issuer": "https://login.example/{tenantid}", "jwksUrl": "https://login.example/keys", "audiences": ["a"], "tenants": ["a/b"]}""", "`a/b` is not a tenant")]
    [InlineData("""{"issuer": "https://login.example/{tenantid}", "jwksUrl": "https://login.example/keys", "audiences": ["a"], "tenants": ["a", "a"]}""", "`tenants` lists a tenant twice")]
    [InlineData("""{"issuer": "https://login.example/{t}", "jwksUrl": "https://login.example/{realm}/keys", "audiences": ["a"], "tenants": ["a"]}""", "`https://login.example/{realm}/keys` has a placeholder that `issuer` has not")]
    [InlineData("""{"issuer": "https://{t}.login.example/", "discovery": true, "audiences": ["a"], "tenants": ["a"]}""", "a placeholder must be in the path of `issuer`")]
    [InlineData("""{"issuer": "https://login.example/{t}", "jwksUrl": "https://login.example/keys", "audiences": ["a"], "tenants": ["a"], "tenantClaim": "iss"}""", "`tenantClaim` cannot be `iss`")]
    [InlineData("""{"issuer": "https://login.example", "jwksUrl": "https://login.example/keys", "audiences": [" a"]}""", "` a` has white space around it: no token can match it")]
    [InlineData("""{"preset": "google", "issuer": "https://evil.example", "audiences": ["a"]}""", "preset `google` has the keys of `https://accounts.google.com`: for another issuer, set `jwksUrl`, `jwks` or `discovery`")]
    [InlineData("""{"preset": "github-actions", "issuer": "https://ghes.example/_services/token", "audiences": ["a"], "requiredClaims": {"sub": ["x"]}}""", "preset `github-actions` has the keys of")]
    [InlineData("""{"preset": "github-actions", "audiences": ["a"], "requiredClaims": {"repository": ["acme/*"]}}""", "GitHub sends strings, and patterns such as `*` are not known")]
    [InlineData("""{"preset": "github-actions", "audiences": ["a"], "requiredClaims": {"repository_owner_id": [65]}}""", "GitHub sends strings, and patterns such as `*` are not known")]
    [InlineData("""{"preset": "firebase", "tenants": ["a"], "audiences": ["b"]}""", "the audience of preset `firebase` is the tenant")]
    [InlineData("""{"trustDomain": "example.org", "issuer": "https://spire.example", "discovery": true, "audiences": ["a"]}""", "`discovery` finds the keys of OpenID Connect, not a trust bundle")]
    [InlineData("""{"issuer": "https://login.example/{a}/{b}", "jwksUrl": "https://login.example/keys", "audiences": ["a"], "tenants": ["a"]}""", "invalid placeholder in `issuer`: expected one, such as `{tenantid}`")]
    [InlineData("""{"issuer": "https://login.example/{}", "jwksUrl": "https://login.example/keys", "audiences": ["a"], "tenants": ["a"]}""", "invalid placeholder in `issuer`")]
    [InlineData("""{"issuer": "https://login.example/x}", "jwksUrl": "https://login.example/keys", "audiences": ["a"]}""", "invalid placeholder in `issuer`")]
    [InlineData("""{"issuer": "https://login.microsoftonline.com/common/v2.0", "jwksUrl": "https://login.microsoftonline.com/keys", "audiences": ["a"]}""", "no token has `common` in its `iss`")]
    [InlineData("""{"issuer": "https://login.microsoftonline.com/acme.example/v2.0", "jwksUrl": "https://login.microsoftonline.com/keys", "audiences": ["a"]}""", "tokens have the tenant in `iss` as a GUID in lower case")]
    [InlineData("""{"issuer": "https://login.example ", "jwksUrl": "https://login.example/keys", "audiences": ["a"]}""", "`issuer` has an empty value, or one with white space")]
    [InlineData("""{"issuer": "joe", "discovery": true, "audiences": ["a"]}""", "`joe` is not an `https:` URL")]
    [InlineData("""{"issuer": "https://login.example?x=1", "discovery": true, "audiences": ["a"]}""", "discovery requires an issuer without query")]
    [InlineData("""{"issuer": "https://login.example", "introspectionUrl": "https://login.example/i", "audiences": ["a"], "typesOptional": true, "requiredClaims": {"x": true}}""", "`typesOptional` is for JWTs, and this issuer has no keys")]
    [InlineData("""{"issuer": "https://login.example", "introspectionUrl": "https://login.example/i", "audiences": ["a"], "types": ["JWT"]}""", "`types` is for JWTs, and this issuer has no keys")]
    [InlineData("""{"issuer": "https://login.example", "audiences": ["a"]}""", "no verification method: one of `jwks`, `jwksUrl`, `discovery` or `introspectionUrl` is required")]
    [InlineData("""{"trustDomain": "example.org", "jwksUrl": "https://spire.example/b", "audiences": ["a"], "principal": {"id": "name"}}""", "the principal of a JWT-SVID is its `sub`: `principal.id` must not be set")]
    public void Issuer_ThatCannotBeMeant_Refused(string entry, string fault) => AssertRefused(entry, fault);

    [Fact]
    public void Templates_OfOneIssuer_ConfiguredTwice_Refused()
    {
        const string Entry = """{"issuer": "https://login.example/{t}", "jwksUrl": "https://login.example/keys", "audiences": ["a"], "tenants": ["TENANT"]}""";
        AssertRefused($"{Entry.Replace("TENANT", "a", StringComparison.Ordinal)}, {Entry.Replace("TENANT", "b", StringComparison.Ordinal)}", "issuer `https://login.example/{t}`: configured twice");
        AssertRefused($$"""{{Entry.Replace("TENANT", "a", StringComparison.Ordinal)}}, {"issuer": "https://login.example/a", "jwksUrl": "https://login.example/keys", "audiences": ["a"]}""", "issuer `https://login.example/a`: configured twice");
    }

    [Fact]
    public void Tenants_OfAKeySetEach_HaveIt()
    {
        var issuers = Read("""{"issuer": "https://sso.example/realms/{realm}", "jwksUrl": "https://sso.example/realms/{realm}/keys", "audiences": ["a"], "tenants": ["one", "two"]}""", out var faults);
        Assert.Empty(faults);
        Assert.Equal(
            [("https://sso.example/realms/one", "https://sso.example/realms/one/keys"), ("https://sso.example/realms/two", "https://sso.example/realms/two/keys")],
            issuers.All.Select(i => (i.Name, i.KeySource!.Url.AbsoluteUri)).Order());
    }

    [Fact]
    public void Keys_ThatNameAnotherTenant_DoNotCount()
    {
        // As Microsoft Entra ID marks the keys of personal accounts in the key set that all tenants share.
        var now = TimeProvider.System.GetUtcNow();
        foreach (var (marked, expected) in new[]
        {
            ("https://login.example/one/v2.0", TokenRejection.None), ("https://login.example/{tenantid}/v2.0", TokenRejection.None), ("https://login.example/two/v2.0", TokenRejection.KeyUnknown),
        })
        {
            var issuers = Read("""{"issuer": "https://login.example/{tenantid}/v2.0", "jwks": "keys.jwks.json", "audiences": ["documents"], "tenants": ["one"]}""", out var faults, $", \"issuer\": \"{marked}\"");
            Assert.Empty(faults);
            var token = _issuer.Issue(now, claims: c => c["iss"] = "https://login.example/one/v2.0");
            Assert.Equal(expected, new TokenValidator(new VerifiedTokenCache(1), new DpopVerifier()).Validate(new PresentedToken { Token = token }, issuers, Revocations.None, now).Error);
        }
    }

    /// <summary>One tenant of Microsoft Entra ID, written out, is held to the same as one of a template.</summary>
    [Theory]
    [InlineData("https://login.microsoftonline.com/11111111-2222-4333-8444-555555555555/v2.0", "11111111-2222-4333-8444-555555555555", TokenRejection.None)]
    [InlineData("https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0", "11111111-2222-4333-8444-555555555555", TokenRejection.KeyUnknown)]
    [InlineData("https://login.microsoftonline.com/{tenantid}/v2.0", "9188040d-6c67-4c5b-b112-36a304b66dad", TokenRejection.ClaimNotAllowed)]
    public void Token_OfALiteralEntraIssuer_IsOfItsTenantAlone(string keyIssuer, string tenant, object expected)
    {
        const string Name = "https://login.microsoftonline.com/11111111-2222-4333-8444-555555555555/v2.0";
        var now = TimeProvider.System.GetUtcNow();
        var issuers = Read($$"""{"preset": "entra", "issuer": "{{Name}}", "jwks": "keys.jwks.json", "audiences": ["documents"]}""", out var faults, $", \"issuer\": \"{keyIssuer}\"");
        Assert.Empty(faults);
        var token = _issuer.Issue(now, claims: c => (c["iss"], c["tid"], c["oid"], c["azp"]) = (Name, tenant, "o", "client"));
        Assert.Equal(expected, new TokenValidator(new VerifiedTokenCache(1), new DpopVerifier()).Validate(new PresentedToken { Token = token }, issuers, Revocations.None, now).Error);
    }

    [Fact]
    public void Types_ThatIdTokensHaveToo_WarnedOf()
    {
        const string Entry = """{"issuer": "https://issuer.test", "jwks": "keys.jwks.json", "audiences": ["documents"], "types": ["JWT"]MORE}""";
        Assert.Contains("ID tokens have `typ` `JWT` as well", Read(Entry.Replace("MORE", "", StringComparison.Ordinal), out _).Warnings.Single().Message, StringComparison.Ordinal);
        Assert.Empty(Read(Entry.Replace("MORE", ", \"forbiddenClaims\": [\"nonce\"]", StringComparison.Ordinal), out _).Warnings);
    }

    [Fact]
    public void Token_OfManyGroupsAndAudiences_AcceptedAndDecidedWithoutACopy()
    {
        var now = TimeProvider.System.GetUtcNow();
        var issuers = Read("""{"issuer": "https://issuer.test", "jwks": "keys.jwks.json", "audiences": ["documents"], "principal": {"parents": {"groups": "Group"}}}""", out var faults);
        Assert.Empty(faults);
        var token = _issuer.Issue(now, claims: c =>
        {
            c["groups"] = Enumerable.Range(0, 200).Select(_ => Guid.NewGuid().ToString()).ToArray();
            c["aud"] = Enumerable.Range(0, 64).Select(i => $"api-{i}").Append("documents").ToArray();
        });
        var (validator, presented) = (new TokenValidator(new VerifiedTokenCache(10), new DpopVerifier()), new PresentedToken { Token = token });
        Assert.Equal(200, Facts().Principal.Parents.Length);
        Assert.Equal(65, validator.Validate(presented, issuers, Revocations.None, now).Token.Audiences.Length);
        for (var i = 0; i < 1000; i++)
        {
            Facts();
        }

        var before = GC.GetAllocatedBytesForCurrentThread();
        Facts();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);

        AuthSidecar.Decisions.TokenFacts Facts() => AuthSidecar.Decisions.TokenFacts.Of(validator.Validate(presented, issuers, Revocations.None, now).Token);
    }

    [Fact]
    public void Claims_MappedByPointer_BecomeRecordsAndParents()
    {
        var now = TimeProvider.System.GetUtcNow();
        var issuers = Read("""
            {"issuer": "https://issuer.test", "jwks": "keys.jwks.json", "audiences": ["documents"],
             "principal": {"attributes": {"address": "address", "city": "/address/city"}, "parents": {"/realm_access/roles": "Role", "urn:roles": "Role"} } }
            """, out var faults);
        Assert.Empty(faults);
        var token = _issuer.Issue(now, claims: c =>
        {
            c["address"] = new Dictionary<string, object> { ["city"] = "Bern", ["floor"] = 3 };
            c["realm_access"] = new Dictionary<string, object> { ["roles"] = new[] { "editor" } };
            c["urn:roles"] = new Dictionary<string, object> { ["admin"] = new Dictionary<string, object> { ["1"] = "acme" }, ["viewer"] = false };
        });
        var result = new TokenValidator(new VerifiedTokenCache(1), new DpopVerifier()).Validate(new PresentedToken { Token = token }, issuers, Revocations.None, now);
        Assert.Equal(TokenRejection.None, result.Error);
        var principal = AuthSidecar.Decisions.TokenFacts.Of(result.Token).Principal;
        Assert.Equal(["Role::\"editor\"", "Role::\"admin\""], principal.Parents.Select(p => p.ToString()));
        Assert.Equal("""{"address": {"city": "Bern", "floor": 3}, "city": "Bern"}""", principal.Attributes.ToString());
    }

    public void Dispose() => _issuer.Dispose();

    private void AssertRefused(string entries, string fault)
    {
        Read(entries, out var faults);
        Assert.True(faults.Exists(f => f.Message.Contains(fault, StringComparison.Ordinal)), $"expected {fault}, got {string.Join(" | ", faults)}");
    }

    private IssuerSet Read(string entries, out List<Fault> faults, string keyMembers = "")
    {
        var files = new SortedDictionary<string, byte[]>(StringComparer.Ordinal)
        {
            ["keys.jwks.json"] = Encoding.UTF8.GetBytes(_issuer.KeySetJson.Replace("\"e\": \"AQAB\"", $"\"e\": \"AQAB\"{keyMembers}", StringComparison.Ordinal)),
            [IssuersFile.FileName] = Encoding.UTF8.GetBytes($$"""{"issuers": [{{entries}}]}"""),
        };
        faults = [];
        return IssuersFile.Read(new BundleFiles(files), faults);
    }
}
