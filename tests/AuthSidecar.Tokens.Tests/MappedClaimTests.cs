using System.Collections.Frozen;
using System.Text;
using System.Text.Json;

namespace AuthSidecar.Tokens.Tests;

/// <summary>Claims that become attributes and groups of a principal: as they are, or not at all.</summary>
public sealed class MappedClaimTests
{
    private static readonly Issuer Issuer = new()
    {
        Name = "https://issuer.test",
        Audiences = FrozenSet.Create(StringComparer.Ordinal, "app"),
        Keys = KeySet.Empty,
        Principal = new PrincipalMapping
        {
            Attributes = new Dictionary<string, ClaimPath> { ["suspended"] = ClaimPath.Parse("suspended"), ["tenant"] = ClaimPath.Parse("tid"), ["place"] = ClaimPath.Parse("/address/place") },
            Parents = new Dictionary<ClaimPath, string> { [ClaimPath.Parse("groups")] = "Group", [ClaimPath.Parse("/realm_access/roles")] = "Role" },
            Required = [ClaimPath.Parse("tid")],
        },
    };

    [Theory]
    [InlineData("")]
    [InlineData(""", "suspended": true""")]
    [InlineData(""", "suspended": "true" """)]
    [InlineData(""", "suspended": 9223372036854775807""")]
    [InlineData(""", "suspended": []""")]
    [InlineData(""", "suspended": [1, "a", [true]]""")]
    [InlineData(""", "groups": []""")]
    [InlineData(""", "groups": ["a b", "c,d"]""")]
    [InlineData(""", "groups": "contractors" """)]
    [InlineData(""", "hasgroups": false""")]
    [InlineData(""", "suspended": {"since": 5, "by": ["a", true]}""")]
    [InlineData(""", "groups": {"contractors": true, "staff": false}""")]
    [InlineData(""", "groups": {"admin": {"1234": "acme.example"}}""")]
    [InlineData(""", "realm_access": {"roles": ["user"]}""")]
    [InlineData(""", "realm_access": {}, "address": {"country": "CH"}""")]
    [InlineData(""", "realm_access": null""")]
    [InlineData(""", "_claim_names": {"other": "src1"}""")]
    public void Read_ClaimThatFits_Accepted(string claims) => Assert.Equal(TokenRejection.None, Read(claims).Error);

    [Theory]
    [InlineData("suspended", "null")]
    [InlineData("suspended", "1.5")]
    [InlineData("suspended", "1e3")]
    [InlineData("suspended", "9223372036854775808")]
    [InlineData("suspended", "[1, null]")]
    [InlineData("suspended", """{"a": 1.5}""")]
    [InlineData("suspended", """{"a": null}""")]
    [InlineData("groups", """{"contractors": null}""")]
    [InlineData("groups", """{"contractors": 1}""")]
    [InlineData("groups", """{"contractors": "yes"}""")]
    [InlineData("suspended", "[[1.5]]")]
    [InlineData("groups", "null")]
    [InlineData("groups", "true")]
    [InlineData("groups", "7")]
    [InlineData("groups", """[["contractors"]]""")]
    [InlineData("groups", """["contractors", null]""")]
    [InlineData("groups", """["contractors", 7]""")]
    [InlineData("groups", "\"contractors,staff\"")]
    [InlineData("groups", "\"contractors staff\"")]
    [InlineData("groups", "\"contractors;staff\"")]
    public void Read_ClaimThatCannotBeMapped_RejectsTheTokenByItsName(string claim, string value) =>
        Assert.Equal((TokenRejection.ClaimMalformed, claim), ErrorOf(Read($", \"{claim}\": {value}")));

    [Theory]
    [InlineData("realm_access", "\"roles\"", "/realm_access/roles")]
    [InlineData("realm_access", """{"roles": [1]}""", "/realm_access/roles")]
    [InlineData("realm_access", """{"roles": null}""", "/realm_access/roles")]
    [InlineData("address", "7", "/address/place")]
    [InlineData("address", """{"place": 1.5}""", "/address/place")]
    public void Read_NestedClaimThatCannotBeMapped_RejectsTheTokenByItsPath(string claim, string value, string path) =>
        Assert.Equal((TokenRejection.ClaimMalformed, path), ErrorOf(Read($", \"{claim}\": {value}")));

    [Theory]
    [InlineData(""", "_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": "https://graph.example/groups"}}""")]
    [InlineData(""", "_claim_names": "groups" """)]
    [InlineData(""", "hasgroups": true""")]
    [InlineData(""", "hasgroups": "true" """)]
    public void Read_GroupsThatTheIssuerKeepsElsewhere_RejectTheToken(string claims) => Assert.Equal(TokenRejection.ClaimMalformed, Read(claims).Error);

    [Fact]
    public void Read_RequiredClaimThatIsAbsent_RejectsTheTokenByItsName() =>
        Assert.Equal((TokenRejection.ClaimMissing, "tid"), ErrorOf(Read("", tenant: "")));

    private static (TokenRejection, string?) ErrorOf(TokenResult result) => (result.Error, result.Detail);

    private static TokenResult Read(string more, string tenant = """, "tid": "acme" """)
    {
        var utf8 = Encoding.UTF8.GetBytes($$"""{"sub": "alice", "aud": "app", "iat": 1, "exp": 2{{tenant}}{{more}}}""");
        using var json = JsonDocument.Parse(utf8);
        var claims = new ClaimReader(json.RootElement);
        return VerifiedToken.Read(ref claims, Issuer, utf8);
    }
}
