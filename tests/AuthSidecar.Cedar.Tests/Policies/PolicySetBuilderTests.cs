namespace AuthSidecar.Cedar.Tests.Policies;

public sealed class PolicySetBuilderTests
{
    [Fact]
    public void AddFileAndLinks_PoliciesWithAndWithoutIds_NamedByThemOrByTheFile()
    {
        var builder = new PolicySetBuilder();
        builder.AddFile(SourceText.Of("permit(principal, action, resource); @id(\"mine\") forbid(principal, action, resource); @id(\"\") permit(principal == ?principal, action, resource);", "a.cedar"), "a");
        builder.AddLinks(SourceText.Of("""[{"template": "a#2", "id": "link", "principal": "User::\"alice\"", "resource": null}]""", "links.json"));
        Assert.True(builder.TryBuild(out var policies, out var faults), faults.FirstOrDefault()?.ToString());
        Assert.Equal(["a#0", "mine", "link"], policies.Policies.Select(p => p.Id));
    }

    [Fact]
    public void AddLinks_OfTheFormOfCedarsOwnCommandLine_Linked()
    {
        var builder = new PolicySetBuilder();
        builder.AddById(SourceText.Of("permit(principal, action, resource); @id(\"t\") permit(principal == ?principal, action, resource == ?resource);", "a.cedar"));
        builder.AddById(SourceText.Of("permit(principal, action, resource); @id(\"\") permit(principal, action, resource);", "b.cedar"));
        builder.AddLinks(SourceText.Of("""[{"template_id": "t", "link_id": "l", "args": {"?principal": "User::\"alice\"", "?resource": "Doc::\"d\""}}]""", "links.json"));
        Assert.True(builder.TryBuild(out var policies, out var faults), faults.FirstOrDefault()?.ToString());
        Assert.Equal(["policy0", "policy2", "policy3", "l"], policies.Policies.Select(p => p.Id));
    }

    [Theory]
    [InlineData("{}", "links.json:1:1: expected an array of links")]
    [InlineData("""[{"template": "t", "template_id": "t", "id": "l"}]""", "links.json:1:35: duplicate member: `template_id` and `template` are synonyms")]
    [InlineData("""[{"template": "t", "id": "l", "args": {"?action": "x"}}]""", "links.json:1:51: unknown slot `?action`; the slots are `?principal` and `?resource`")]
    [InlineData("[{}]", "links.json:1:2: missing `template`")]
    [InlineData("""[{"template": "t"}]""", "links.json:1:2: missing `id`")]
    [InlineData("""[{"template": "t", "template": "t", "id": "l"}]""", "links.json:1:32: `template` occurs twice")]
    [InlineData("""[{"template": "t", "id": "l", "action": "x"}]""", "links.json:1:41: unknown member `action` of a link")]
    [InlineData("""[{"template": "t", "id": "l", "principal": "alice"}]""", "links.json:1:44: `alice`:")]
    [InlineData("""[{"template": "t", "id": "l"}]""", "links.json:1:2: template `t` of link `l` not found")]
    public void AddLinks_WhatIsNoLink_RefusedWithItsPlace(string links, string fault)
    {
        var builder = new PolicySetBuilder();
        builder.AddLinks(SourceText.Of(links, "links.json"));
        Assert.False(builder.TryBuild(out _, out var faults));
        Assert.StartsWith(fault, Assert.Single(faults).ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""[{"template": "both", "id": "l", "principal": "U::\"a\""}]""", "links.json:1:2: the link `l` of the template `both`: slot `?resource` is not bound")]
    [InlineData("""[{"template": "both", "id": "l", "resource": "U::\"a\""}]""", "links.json:1:2: the link `l` of the template `both`: slot `?principal` is not bound")]
    [InlineData("""[{"template": "one", "id": "l", "principal": "U::\"a\"", "resource": "U::\"a\""}]""", "links.json:1:2: the link `l` of the template `one`: the template has no slot `?resource`")]
    [InlineData("[\n {\"template\": \"bth\", \"id\": \"l\"}]", "links.json:2:2: template `bth` of link `l` not found; did you mean `both`?")]
    [InlineData("""[{"template": "one", "id": "one", "principal": "U::\"a\""}]""", "links.json:1:2: duplicate policy id `one`, first defined at a.cedar:1:77")]
    public void AddLinks_WhatDoesNotFitItsTemplate_SaysWhichSlotAndWhere(string links, string fault)
    {
        var builder = new PolicySetBuilder();
        builder.AddFile(SourceText.Of("@id(\"both\") permit(principal == ?principal, action, resource == ?resource); @id(\"one\") permit(principal == ?principal, action, resource);", "a.cedar"), "a");
        builder.AddLinks(SourceText.Of(links, "links.json"));
        Assert.False(builder.TryBuild(out _, out var faults));
        Assert.Equal(fault, Assert.Single(faults).ToString());
    }
}
