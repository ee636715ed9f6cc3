using System.Text.Json;

namespace AuthSidecar.Tokens.Tests;

/// <summary>Claims by name and by JSON pointer (RFC 6901).</summary>
public sealed class ClaimPathTests
{
    private const string Claims = """
        {"roles": ["a", "b"], "https://app.example/roles": "c", "realm_access": {"roles": ["d"]}, "a/b": {"m~n": 1, "0": "zero"}, "/": "slash", "none": null, "kubernetes.io": {"pod": {"name": "p"}}}
        """;

    [Theory]
    [InlineData("roles", """["a", "b"]""")]
    [InlineData("https://app.example/roles", "\"c\"")]
    [InlineData("/realm_access/roles", """["d"]""")]
    [InlineData("/realm_access/roles/0", "\"d\"")]
    [InlineData("/roles/1", "\"b\"")]
    [InlineData("/a~1b/m~0n", "1")]
    [InlineData("/a~1b/0", "\"zero\"")]
    [InlineData("/~1", "\"slash\"")]
    [InlineData("/kubernetes.io/pod/name", "\"p\"")]
    [InlineData("none", "null")]
    public void Find_WhatIsThere_Found(string path, string json)
    {
        Assert.Equal(ClaimLookup.Found, Find(path, out var value));
        Assert.Equal(json, value.GetRawText());
    }

    [Theory]
    [InlineData("role", ClaimLookup.Absent)]
    [InlineData("realm_access.roles", ClaimLookup.Absent)]
    [InlineData("/realm_access/role", ClaimLookup.Absent)]
    [InlineData("/roles/2", ClaimLookup.Absent)]
    [InlineData("/roles/01", ClaimLookup.Absent)]
    [InlineData("/roles/-", ClaimLookup.Absent)]
    [InlineData("/roles/99999999999", ClaimLookup.Absent)]
    [InlineData("/none/x", ClaimLookup.Absent)]
    [InlineData("/roles/0/x", ClaimLookup.Unusable)]
    [InlineData("/https:~1~1app.example~1roles/x", ClaimLookup.Unusable)]
    [InlineData("/a~1b/m~0n/x", ClaimLookup.Unusable)]
    public void Find_WhatIsNotThere_SaysWhy(string path, object expected) => Assert.Equal(expected, Find(path, out _));

    [Theory]
    [InlineData("")]
    [InlineData("/")]
    [InlineData("/a//b")]
    [InlineData("/a/")]
    [InlineData("/a~2")]
    [InlineData("/a~")]
    public void TryParse_WhatIsNoClaim_Null(string text) => Assert.Null(ClaimPath.TryParse(text));

    [Fact]
    public void Equals_OfANameAndItsPointer_True() => Assert.Equal(ClaimPath.Parse("roles"), ClaimPath.Parse("/roles"));

    /// <summary>Each claim that the reader knows is found by its name, and has a place of its own.</summary>
    [Fact]
    public void Names_OfAllClaims_LeadToThem()
    {
        var claims = Enum.GetValues<Claim>();
        using var document = JsonDocument.Parse($"{{{string.Join(',', claims.Select(c => $"\"{c.Name}\":\"{(int)c}\""))}}}");
        var reader = new ClaimReader(document.RootElement);
        foreach (var claim in claims)
        {
            Assert.Equal(claim, ClaimNames.Find(System.Text.Encoding.UTF8.GetBytes(claim.Name)));
            Assert.Equal(((int)claim).ToString(System.Globalization.CultureInfo.InvariantCulture), reader.OptionalString(claim));
        }

        Assert.Null(ClaimNames.Find("xyz"u8));
        Assert.Null(ClaimNames.Find(""u8));
    }

    private static ClaimLookup Find(string path, out JsonElement value)
    {
        using var document = JsonDocument.Parse(Claims);
        return ClaimPath.Parse(path).Find(document.RootElement.Clone(), out value);
    }
}
