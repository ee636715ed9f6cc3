using AuthSidecar.Cedar;
using AuthSidecar.Tests.Testing;

namespace AuthSidecar.Tests.Bundles;

/// <summary>What a bundle may be, and what is said of those that are not: every fault, each with its place.</summary>
public sealed class BundleTests : IDisposable
{
    private readonly TestIssuer _issuer = new();
    private readonly TestBundle _bundle;

    public BundleTests() => _bundle = new TestBundle(_issuer);

    [Fact]
    public void Build_GoodBundle_HasItAll()
    {
        var snapshot = _bundle.Build();
        Assert.Equal(9 + 2, snapshot.Policies.Value.Policies.Policies.Length);
        // Its actions are among them.
        Assert.Equal(11 + 9, snapshot.Entities.Value.Store.Count);
        Assert.Equal(1, snapshot.Issuers.Value.Count);
    }

    [Fact]
    public void Build_PolicyThatDoesNotValidate_RefusedWithEveryFaultOnceAndItsPlace()
    {
        _bundle.Write("policies/wrong.cedar", "forbid (principal, action, resource)\nwhen { resource.colour == 1 || principal.tenant > 3 };\npermit (principal is Dokument, action, resource);");
        AssertFaults(
            "policies/wrong.cedar:2:8: the attribute `colour` of `Document` is not declared",
            "policies/wrong.cedar:2:32: expected long, got string",
            "policies/wrong.cedar:3:22: unrecognized entity type `Dokument`; did you mean `Document`?");
    }

    [Fact]
    public void Build_EntityThatDoesNotConform_RefusedWithItsPlace()
    {
        _bundle.Write("entities.json", """[{"uid": {"type": "User", "id": "alice"}, "attrs": {"tenant": 1}, "parents": []}]""");
        AssertFaults("entities.json:1:63: `User::\"alice\"` does not conform to the schema: attribute `tenant`: expected string, got long");
    }

    [Fact]
    public void Build_NothingAtAll_SaysWhatABundleIs()
    {
        _bundle.Delete("bundle.json");
        AssertFaults("bundle.json: bundle manifest not found; a bundle is a folder with a `bundle.json`: see docs/bundle.md");
    }

    [Theory]
    [InlineData("entities.json", "bundle.json: `entities.json` is listed in `contents` but not found in the bundle; add the file, or remove the entry")]
    [InlineData("schema.cedarschema", "bundle.json: `schema.cedarschema` is listed in `contents` but not found in the bundle; add the file, or remove the entry")]
    [InlineData("policies/extra.cedar", "bundle.json: `policies` is listed in `contents` but not found in the bundle; add the file, or remove the entry")]
    [InlineData("keys.jwks.json", "issuers.json: issuer `https://issuer.test`: key set `keys.jwks.json` not found in the bundle")]
    public void Build_FileMissing_Refused(string name, string fault)
    {
        _bundle.Delete(name);
        AssertFaults(fault);
    }

    [Fact]
    public void Build_FileThatIsNotListed_Refused()
    {
        _bundle.Write("revocations.json", "{}");
        AssertFaults("bundle.json: `revocations.json` is in the bundle but not listed in `contents`; add an entry, or remove the file");
    }

    [Fact]
    public void Build_TwoPoliciesOfOneId_RefusedWithThePlaceOfTheSecond()
    {
        _bundle.Write("policies/more.cedar", "// more\n@id(\"risky\")\npermit (principal, action, resource);");
        AssertFaults("policies/more.cedar:2:1: duplicate policy id `risky`, first defined at policies/extra.cedar:8:1; give one of the two another `@id`");
    }

    [Fact]
    public void Build_SeveralBrokenFiles_EveryFaultWithFileLineAndColumn()
    {
        _bundle.Write("policies/a.cedar", "permit (principal, action, resource) when { 1 < };\npermit (principal, action, resource);\nforbid (principal, resource, action);");
        _bundle.Write("policies/b.cedar", "permit (principal == User::alice, action, resource);");
        _bundle.Write("entities.json", "[\n  {\"uid\": {\"type\": \"User\", \"id\": \"x\"}, \"attrs\": {\"a\": 1.5}, \"parents\": []}\n]");
        _bundle.Write("schema.cedarschema", "entity User in [Group];");
        AssertFaults(
            "schema.cedarschema:1:17: unrecognized entity type `Group`",
            "policies/a.cedar:1:49: expected an expression, found `}`",
            "policies/a.cedar:3:20: expected `action`, found `resource`; the scope names `principal`, `action` and `resource`, in this order",
            "policies/b.cedar:1:33: expected `::` and the entity's id in quotes, found `,`",
            "entities.json:2:55: a number must be a 64-bit integer; for fractions use `{\"__extn\": {\"fn\": \"decimal\", \"arg\": \"1.5\"}}`");
    }

    [Fact]
    public void Build_CycleAmongEntities_Refused()
    {
        _bundle.Write("entities.json", """
            [{"uid": {"type": "Role", "id": "a"}, "attrs": {}, "parents": [{"type": "Role", "id": "b"}]},
             {"uid": {"type": "Role", "id": "b"}, "attrs": {}, "parents": [{"type": "Role", "id": "a"}]}]
            """);
        Assert.Null(_bundle.TryBuild(out var faults));
        Assert.Contains("is a member of itself", faults.Single().Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{", "bundle.json:1:2: ")]
    [InlineData("""{"version": 1}""", "bundle.json:1:15: ")]
    [InlineData("""{"version": 1, "contents": [], "contents": []}""", "bundle.json:1:")]
    [InlineData("""{"version": 1, "contents": [], "isuers": []}""", "bundle.json:1:")]
    [InlineData("""{"version": 2, "contents": []}""", "bundle.json: unsupported layout version 2; supported: 1")]
    [InlineData("null", "bundle.json:1:1: expected an object, found null")]
    [InlineData("""{"version": 1, "contents": [], "compat": "4.99"}""", "bundle.json: unknown release of Cedar `4.99` in `compat`; known releases: `4.12`, `4.13`, `4.14`, `4.15`")]
    [InlineData("""{"version": 1, "contents": [], "compat": ""}""", "bundle.json: unknown release of Cedar `` in `compat`; known")]
    [InlineData("""{"version": 1, "contents": [], "compat": null}""", "bundle.json:1:32: at `$.compat`: unexpected null")]
    [InlineData("""{"version": 1, "contents": [], "compat": 4.13}""", "bundle.json:1:32: at `$.compat`: expected a string")]
    [InlineData("", "bundle.json:1:1: empty file: expected a JSON object")]
    [InlineData("{\"version\": 1,\n \"contents\": [\"polic", "bundle.json:2:21: unexpected end of file: the JSON is incomplete")]
    [InlineData("{\"version\": 1, \"contents\": [],}", "bundle.json:1:31: invalid JSON: trailing comma")]
    [InlineData("""{"version": 1, "contents": [], "contents": []}""", "bundle.json:1:16: at `$.contents`: duplicate field `contents`")]
    [InlineData("{\"version\": 1,\n \"content\": []}", "bundle.json:2:2: at `$.content`: unknown field; did you mean `contents`?")]
    [InlineData("{\"version\": 1, \"contents\": [],\n \"x\": []}", "bundle.json:2:2: at `$.x`: unknown field; known fields: `compat`, `contents`, `packs`, `strictForbid`, `version`")]
    [InlineData("{\"packs\": \"rbac\",\n \"version\": 1, \"contents\": []}", "bundle.json:1:2: at `$.packs`: expected an array")]
    [InlineData("{\"version\": 1,\n \"strictForbid\": \"yes\",\n \"contents\": []}", "bundle.json:2:2: at `$.strictForbid`: expected true or false")]
    [InlineData("{\"version\": \"one\", \"contents\": []}", "bundle.json:1:2: at `$.version`: expected an integer")]
    public void Build_BrokenManifest_Refused(string manifest, string fault)
    {
        _bundle.Write("bundle.json", manifest);
        Assert.Null(_bundle.TryBuild(out var faults));
        Assert.StartsWith(fault, faults[0].ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("\"audiences\": [\"documents\"]", "\"audiences\": []", "`audiences` is empty: at least one audience is required")]
    [InlineData("\"audiences\": [\"documents\"]", "\"audiences\": [\"documents\"], \"types\": []", "`types` is empty: at least one token type is required")]
    [InlineData("\"audiences\": [\"documents\"]", "\"audiences\": [\"documents\"], \"clockSkewSeconds\": 61", "`clockSkewSeconds` must be 0 to 60")]
    [InlineData("\"audiences\": [\"documents\"]", "\"audiences\": [\"documents\"], \"principal\": {\"type\": \"a b\"}", "`a b` is not an entity type name")]
    public void Build_IssuerThatWouldAcceptTooMuch_Refused(string replace, string by, string fault)
    {
        var path = Path.Combine(_bundle.Path, "issuers.json");
        File.WriteAllText(path, File.ReadAllText(path).Replace(replace, by, StringComparison.Ordinal));
        AssertFaults($"issuers.json: issuer `https://issuer.test`: {fault}");
    }

    [Theory]
    [InlineData("""{"keys": [{"kty": "oct", "kid": "k", "k": "AAAA"}]}""", "key 0: symmetric keys are not accepted: every verifier could also sign")]
    [InlineData("""{"keys": [{"kty": "RSA", "kid": "k", "n": "AQAB", "e": "AQAB"}]}""", "no usable key in the key set: key 0: invalid RSA modulus: expected an odd number of 2048 to 8192 bits")]
    [InlineData("""{"keys": [{"kty": "OKP", "crv": "Ed448", "kid": "k", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}""", "no usable key in the key set: key 0: the curve `Ed448` is not supported")]
    [InlineData("""{"keys": []}""", "no signature verification key in the key set")]
    [InlineData("""{"keys": [{"kty": "EC", "crv": "P-256", "kid": "k", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"}]}""", "no usable key in the key set: key 0: the platform does not support this key")]
    public void Build_UnfitKeySet_Refused(string keySet, string fault)
    {
        _bundle.Write("keys.jwks.json", keySet);
        AssertFaults($"keys.jwks.json: {fault}");
    }

    [Theory]
    [InlineData("@step_up(\"mfa\") permit (principal, action, resource);", "policies/x.cedar:1:1: `@step_up` on a permit has no meaning; annotate the forbid that a step-up would lift")]
    [InlineData("@step_up forbid (principal, action, resource);", "policies/x.cedar:1:1: `@step_up` does not name a method; write `@step_up(\"mfa\")`")]
    [InlineData("\n @step_up(\"mfa\") @step_up_max_age_s(\"-1\") forbid (principal, action, resource);", "policies/x.cedar:2:2: `@step_up_max_age_s` is not a number of seconds above 0; write `@step_up_max_age_s(\"300\")`")]
    public void Build_AnnotationThatCanOnlyBeAMistake_Refused(string policy, string fault)
    {
        _bundle.Write("policies/x.cedar", policy);
        AssertFaults(fault);
    }

    [Fact]
    public void Build_TemplatesAndLinks_BecomePolicies()
    {
        _bundle.Write("policies/t.cedar", "@id(\"share\") permit (principal == ?principal, action == Action::\"read\", resource in ?resource);");
        _bundle.Add(_issuer, ("links.json", """[{"template": "share", "id": "share-1", "principal": "User::\"bob\"", "resource": "Document::\"plan\""}]"""));
        var policy = _bundle.Build().Policies.Value.Policies.Policies.Single(p => p.TemplateId == "share");
        Assert.Equal("share-1", policy.Id);
    }

    [Theory]
    [InlineData("""[{"template": "none", "id": "l"}]""", "links.json:1:2: template `none` of link `l` not found")]
    [InlineData("""[{"template": "share", "id": "l", "principal": "User::\"bob\""}]""", "links.json:1:2: the link `l` of the template `share`: slot `?resource` is not bound")]
    [InlineData("""[{"template": "share", "id": "risky", "principal": "User::\"bob\"", "resource": "A::\"b\""}]""", "links.json:1:2: duplicate policy id `risky`, first defined at policies/extra.cedar:8:1")]
    [InlineData("""[{"template": "share", "id": "l", "principal": "bob", "resource": "A::\"b\""}]""", "links.json:1:48: `bob`: expected `::` and the entity's id in quotes, but the text ends")]
    public void Build_LinkThatDoesNotFit_Refused(string links, string fault)
    {
        _bundle.Write("policies/t.cedar", "@id(\"share\") permit (principal == ?principal, action, resource in ?resource);");
        _bundle.Add(_issuer, ("links.json", links));
        AssertFaults(fault);
    }

    [Theory]
    [InlineData("""{"trustedNetworks": ["10.0.0.1/33"]}""", "risk.json: `10.0.0.1/33` is not an IP address or CIDR range")]
    [InlineData("""{"weights": {"device": 101}}""", "risk.json: a weight must be 0 to 100")]
    [InlineData("""{"thresholds": {"medium": 60}}""", "risk.json: invalid thresholds: expected 0 < `medium` <= `high` <= `critical` <= 100")]
    [InlineData("""{"actions": {"delete": 1}}""", "risk.json: `delete`: expected `::` and the entity's id in quotes, but the text ends")]
    [InlineData("""{"geoDatabase": "geo.mmdb"}""", "risk.json: the GeoIP database `geo.mmdb` is not in the bundle")]
    public void Build_UnfitRiskSettings_Refused(string risk, string fault)
    {
        _bundle.Add(_issuer, ("risk.json", risk));
        AssertFaults(fault);
    }

    [Theory]
    [InlineData("""{"User::\"a\"": {"timeZone": "Mars/Olympus"}}""", "profiles.json: profile of User::\"a\": unknown time zone `Mars/Olympus`")]
    [InlineData("""{"User::\"a\"": {"hours": [1, 2]}}""", "profiles.json: profile of User::\"a\": `hours` must have 24 counts of 0 or more")]
    [InlineData("""{"User::\"a\"": {"places": [{"latitude": 91, "longitude": 0, "accuracyKm": 1}]}}""", "profiles.json: profile of User::\"a\": a latitude must be -90 to 90")]
    [InlineData("""{"User::\"a\"": {}, "User::\"\\u{61}\"": {}}""", "profiles.json: duplicate profile of User::\"a\"; the same entity in another spelling")]
    [InlineData("""{"User::\"a\"": null}""", "profiles.json: at `profiles['User::\"a\"']`: unexpected null")]
    [InlineData("""{"User::\"a\"": {"devices": [{"id": "d"}, null]}}""", "profiles.json: at `profiles['User::\"a\"'].devices[1]`: unexpected null")]
    [InlineData("""{"a": {}}""", "profiles.json: `a`: expected `::` and the entity's id in quotes, but the text ends")]
    public void Build_UnfitProfiles_Refused(string profiles, string fault)
    {
        _bundle.Add(_issuer, ("profiles.json", $$"""{"profiles": {{profiles}}}"""));
        AssertFaults(fault);
    }

    [Theory]
    [InlineData("""{"tokens": [{"issuer": "i", "jti": "j"}, {"issuer": "i", "jti": ""}]}""", "invalid revocation `tokens[1]`: empty `jti`")]
    [InlineData("""{"sessions": [{"issuer": "", "sid": "s", "notBefore": 1}]}""", "invalid revocation `sessions[0]`: empty `issuer`")]
    [InlineData("""{"subjects": [{"issuer": "i", "sub": "s", "notBefore": 1795000000000}]}""", "invalid revocation `subjects[0]`: `notBefore` is 1795000000000: expected seconds since 1970, 0 to 253402300799")]
    [InlineData("""{"subjects": [{"issuer": "i", "sub": "s", "notBefore": 1, "expires": -1}]}""", "invalid revocation `subjects[0]`: `expires` is -1: expected seconds since 1970, 0 to 253402300799")]
    [InlineData("""{"tokens": [null]}""", "at `tokens[0]`: unexpected null")]
    public void Build_RevocationThatCannotBeMeant_Refused(string revocations, string fault)
    {
        _bundle.Add(_issuer, ("revocations.json", revocations));
        AssertFaults($"revocations.json: {fault}");
    }

    [Theory]
    [InlineData("policies/rbac.cedar", "[\"rbac\"]", "pack `rbac` and file `policies/rbac.cedar` have the same name; remove the pack, or rename the file")]
    [InlineData("policies/more.cedar", "[\"rbac\", \"rback\"]", "unknown pack `rback`; known packs: `rbac`")]
    [InlineData("policies/more.cedar", "[\"rbac\", \"rbac\"]", "duplicate pack `rbac`; list it once")]
    [InlineData("policies/more.cedar", "[null]", "at `packs[0]`: unexpected null")]
    public void Build_PackThatCannotBeServed_Refused(string path, string packs, string fault)
    {
        _bundle.Write(path, "permit (principal, action, resource);");
        var manifest = File.ReadAllText(Path.Combine(_bundle.Path, "bundle.json"));
        _bundle.Write("bundle.json", manifest.Replace("[\"rbac\"]", packs, StringComparison.Ordinal));
        AssertFaults($"bundle.json: {fault}");
    }

    [Fact]
    public void Build_GeoDatabaseThatIsNone_Refused()
    {
        _bundle.Write("geo.mmdb", "this is no database");
        _bundle.Add(_issuer, ("risk.json", """{"geoDatabase": "geo.mmdb"}"""));
        AssertFaults("risk.json: `geo.mmdb` is not a GeoIP database");
    }

    [Theory]
    [InlineData("""{"subject": "User::\"a\"", "id": "t"}""", "exactly one of `totpSecret` and `backupCodeSha256` is required")]
    [InlineData("""{"subject": "User::\"a\"", "id": "t", "totpSecret": "AAAA"}""", "failed to unwrap the secret: wrong key or corrupt data")]
    [InlineData("""{"subject": "User::\"a\"", "id": "t", "backupCodeSha256": ["AAAA"]}""", "invalid hash in `backupCodeSha256`: expected 32 bytes")]
    [InlineData("""{"subject": "a", "id": "t", "backupCodeSha256": ["AAAA"]}""", "expected `::` and the entity's id in quotes, but the text ends")]
    public void Build_UnfitFactor_Refused(string factor, string fault)
    {
        _bundle.Add(_issuer, ("factors.json", $$"""{"factors": [{{factor}}]}"""));
        Assert.Null(_bundle.TryBuild(out var faults));
        Assert.EndsWith(fault, faults.Single().Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"routes": []}""", null)]
    [InlineData("""{"routes": [{"path": "/"}]}""", "`routes` is not supported by this version: expected an empty list")]
    [InlineData("""{}""", "missing `routes`")]
    public void Build_Routes_AreReservedAndEmpty(string json, string? fault)
    {
        _bundle.Add(_issuer, ("routes.json", json));
        _bundle.TryBuild(out var faults);
        Assert.Equal(fault, faults.SingleOrDefault()?.Message);
    }

    [Fact]
    public void Build_AgainAfterAChange_TakesOverWhatDidNotChange()
    {
        var reader = new BundleReader(TestBundle.WrappingKey);
        var first = reader.Read(_bundle.Load(), new Revision(default, 1), DateTimeOffset.UnixEpoch, [])!;
        _bundle.Write("policies/more.cedar", "permit (principal, action, resource);");
        var second = reader.Read(_bundle.Load(), new Revision(default, 2), DateTimeOffset.UnixEpoch, [])!;
        // The same object is the same key epoch: verified tokens stay verified.
        Assert.Same(first.Issuers.Value, second.Issuers.Value);
        Assert.Same(first.Entities, second.Entities);
        Assert.Equal((1UL, 2UL), (second.Issuers.Revision.Number, second.Policies.Revision.Number));
    }

    [Fact]
    public void Build_AgainAfterABrokenOne_IsNotMixedWithIt()
    {
        var reader = new BundleReader(TestBundle.WrappingKey);
        var first = reader.Read(_bundle.Load(), new Revision(default, 1), DateTimeOffset.UnixEpoch, [])!;
        var entities = File.ReadAllText(Path.Combine(_bundle.Path, "entities.json"));
        _bundle.Write("entities.json", "[]");
        _bundle.Write("policies/broken.cedar", "permit");
        Assert.Null(reader.Read(_bundle.Load(), new Revision(default, 2), DateTimeOffset.UnixEpoch, []));
        _bundle.Write("entities.json", entities);
        _bundle.Delete("policies/broken.cedar");
        var third = reader.Read(_bundle.Load(), new Revision(default, 3), DateTimeOffset.UnixEpoch, [])!;
        Assert.Same(first.Entities, third.Entities);
    }

    [Theory]
    [InlineData("now: { at: datetime }", "action `Action::\"go\"`: `context.now` is declared as a record, but the sidecar supplies a datetime")]
    [InlineData("now?: String", "action `Action::\"go\"`: `context.now` is declared as a string, but the sidecar supplies a datetime")]
    [InlineData("token?: String", "action `Action::\"go\"`: `context.token` is declared as a string, but the sidecar supplies a record")]
    [InlineData("token?: { amr: String }", "action `Action::\"go\"`: `context.token.amr` is declared as a string, but the sidecar supplies a set, each element a string")]
    [InlineData("token?: { email: String }", "action `Action::\"go\"`: `context.token.email` is declared but not supplied by the sidecar")]
    [InlineData("risk?: { score: decimal }", "action `Action::\"go\"`: `context.risk.score` is declared as a decimal, but the sidecar supplies a long")]
    [InlineData("risk?: { factors: { weather: Long } }", "action `Action::\"go\"`: `context.risk.factors.weather` is declared but not supplied by the sidecar")]
    [InlineData("risk: User", "action `Action::\"go\"`: `context.risk` is declared as an entity of type `User`, but the sidecar supplies a record")]
    public void Build_SchemaThatDeclaresWhatTheSidecarSuppliesAsSomethingElse_Refused(string declared, string fault)
    {
        _bundle.Write("schema.cedarschema", $$"""entity User; entity Role; entity Document; action "go", "stop" appliesTo { principal: User, resource: User, context: { {{declared}} } };""");
        Assert.Null(_bundle.TryBuild(out var faults));
        Assert.Equal(fault, Assert.Single(faults, f => f.Message.Contains("context.", StringComparison.Ordinal)).Message);
    }

    [Theory]
    [InlineData("")]
    [InlineData("now: datetime")]
    [InlineData("now?: datetime, token?: { amr: Set<String>, email?: String }, risk?: { score: Long, factors?: { device?: Long } }")]
    [InlineData("token: {}, risk: {}, other: { now: String }")]
    public void ContextContract_SchemaThatFits_HasNoFault(string declared)
    {
        Assert.True(Schema.TryParse(SourceText.Of($$"""entity User; action go appliesTo { principal: User, resource: User, context: { {{declared}} } };"""), out var schema, out _));
        var faults = new List<Fault>();
        ContextContract.Check(schema, "schema.cedarschema", faults);
        Assert.Empty(faults);
    }

    private void AssertFaults(params string[] expected)
    {
        Assert.Null(_bundle.TryBuild(out var faults));
        Assert.Equal(expected, faults.Select((Fault f) => f.ToString()));
    }

    public void Dispose()
    {
        _bundle.Dispose();
        _issuer.Dispose();
    }
}
