using AuthSidecar.Cedar;

namespace AuthSidecar.Tests.Bundles;

/// <summary>Principals of tokens that the schema of the policies does not know.</summary>
public sealed class PrincipalTypesTests
{
    private const string Schema = """
        entity Role;
        entity Team;
        entity User in [Role] = { tenant?: String, email?: String };
        entity Device;
        entity Document;
        action "read" appliesTo { principal: User, resource: Document };
        """;

    [Theory]
    [InlineData("{}", "")]
    [InlineData("""{"type": "User", "attributes": {"tenant": "tid"}, "parents": {"roles": "Role"}}""", "")]
    [InlineData("""{"type": "Usr"}""", "the schema does not declare the principal type `Usr`: set `principal.type`; did you mean `User`?")]
    [InlineData("""{"type": "Docs::Account"}""", "the schema does not declare the principal type `Docs::Account`: set `principal.type`")]
    [InlineData("""{"type": "Device"}""", "no action of the schema applies to principals of type `Device`")]
    [InlineData("""{"attributes": {"tennant": "tid"}}""", "`principal.attributes`: the schema does not declare the attribute `tennant` of `User`; did you mean `tenant`?")]
    [InlineData("""{"parents": {"teams": "Team"}}""", "`principal.parents`: in the schema, `User` is not a member of `Team`; declare `entity User in [Team]`")]
    [InlineData("""{"parents": {"roles": "Rolle"}}""", "`principal.parents`: the schema does not declare the entity type `Rolle`; did you mean `Role`?")]
    public void Check_OfMappingsAndASchema_WarnsOfWhatItDoesNotDeclare(string principal, string warning)
    {
        Assert.True(Cedar.Schema.TryParse(SourceText.Of(Schema), out var schema, out _));
        var issuers = Read($$"""{"issuer": "https://a.example", "jwksUrl": "https://a.example/jwks", "audiences": ["a"], "principal": {{principal}}}""");
        Assert.Equal(warning.Length == 0 ? [] : [$"issuers.json: issuer `https://a.example`: {warning}"], PrincipalTypes.Check(issuers, schema).Select(f => f.ToString()));
        Assert.Empty(PrincipalTypes.Check(issuers, schema: null));
    }

    [Fact]
    public void Check_OfATemplate_WarnsOnceForAllItsTenants()
    {
        Assert.True(Cedar.Schema.TryParse(SourceText.Of(Schema), out var schema, out _));
        var issuers = Read("""
            {"issuer": "https://a.example/{tenant}", "tenants": ["one", "two"], "jwksUrl": "https://a.example/jwks", "audiences": ["a"], "principal": {"type": "Account"}}
            """);
        Assert.Equal(2, issuers.Count);
        Assert.Single(PrincipalTypes.Check(issuers, schema));
    }

    private static AuthSidecar.Tokens.IssuerSet Read(string entry)
    {
        var faults = new List<Fault>();
        var files = new SortedDictionary<string, byte[]>(StringComparer.Ordinal)
        {
            [IssuersFile.FileName] = System.Text.Encoding.UTF8.GetBytes($$"""{"issuers": [{{entry}}]}"""),
        };
        var issuers = IssuersFile.Read(new BundleFiles(files), faults);
        Assert.Empty(faults);
        return issuers;
    }
}
