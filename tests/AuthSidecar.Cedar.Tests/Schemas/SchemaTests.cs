namespace AuthSidecar.Cedar.Tests.Schemas;

public sealed class SchemaTests
{
    /// <summary>A group that is named by its id alone is looked for at home first, and then in the empty namespace.</summary>
    [Theory]
    [InlineData("namespace N { action a in b; } action b;", "N", "Action")]
    [InlineData("namespace N { action a in \"b\"; } action b;", "N", "Action")]
    [InlineData("namespace N { action a in [c, b]; action c; } action b;", "N", "Action")]
    [InlineData("namespace N::M { action a in b; } action b;", "N::M", "Action")]
    [InlineData("namespace N { action a in b; action b; }", "N", "N::Action")]
    [InlineData("namespace N { action a in Action::\"b\"; } action b;", "N", "Action")]
    public void TryParse_GroupWithoutType_FoundAtHomeOrInTheEmptyNamespace(string text, string ns, string groupType)
    {
        var schema = Parse(text);
        var action = schema.Actions[new EntityUid($"{ns}::Action", "a")];
        Assert.Contains(new EntityUid(groupType, "b"), action.MemberOf.AsEnumerable());
        Assert.True(Schema.TryParseJson(SourceText.Of(schema.ToJson()), out var read, out _));
        Assert.Contains(new EntityUid(groupType, "b"), read.Actions[action.Uid].MemberOf.AsEnumerable());
    }

    [Theory]
    [InlineData("namespace N { action a in b; } namespace M { action b; }", "1:27: unrecognized action `N::Action::\"b\"`; did you mean `M::Action::\"b\"`?")]
    [InlineData("action a in b;", "1:13: unrecognized action `Action::\"b\"`")]
    [InlineData("entity U { a: Long, a: String };", "1:21: duplicate attribute `a`; keep one")]
    [InlineData("entity __cedar;", "1:8: the word `__cedar` is reserved")]
    [InlineData("type __cedar = Long;", "1:6: the word `__cedar` is reserved")]
    [InlineData("action a in __cedar::b;", "1:20: expected `in`, `appliesTo`, or `;` to end the declaration, found `::`")]
    public void TryParse_InvalidTexts_RefusedWithPlaceAndHelp(string text, string fault)
    {
        Assert.False(Schema.TryParse(SourceText.Of(text), out _, out var faults));
        Assert.Equal(fault, faults[0].ToString());
    }

    /// <summary>`__cedar` is reserved where a namespace may stand, and a name like any other elsewhere.</summary>
    [Theory]
    [InlineData("entity U { __cedar: Long };")]
    [InlineData("entity U { a?: { __cedar?: Long } };")]
    [InlineData("type T = { __cedar: Long };")]
    [InlineData("action __cedar;")]
    [InlineData("action a in __cedar; action __cedar;")]
    [InlineData("action a in [__cedar, b]; action __cedar, b;")]
    [InlineData("entity U; action a appliesTo { principal: U, resource: U, context: { __cedar: Long } };")]
    public void TryParse_CedarAsName_AcceptedAndWrittenBack(string text)
    {
        var schema = Parse(text);
        Assert.Equal(schema.ToJson(), Parse(schema.ToString()).ToJson());
        Assert.True(Schema.TryParseJson(SourceText.Of(schema.ToJson()), out _, out var faults), $"{faults.FirstOrDefault()}");
    }

    [Theory]
    [InlineData("""{"": {"entityTypes": {}, "actions": {}, "commonTypes": {"T": {"type": "Long", "required": false}}}}""", "`required` is only allowed on attributes")]
    [InlineData("""{"": {"entityTypes": {}, "actions": {}, "commonTypes": {"T": {"type": "Record", "attributes": {}, "required": true}}}}""", "`required` is only allowed on attributes")]
    [InlineData("""{"": {"entityTypes": {}, "actions": {}, "annotations": {"a": "x"}}}""", "annotations are not allowed on the empty namespace")]
    public void TryParseJson_WhatStandsInTheWrongPlace_Refused(string json, string message)
    {
        Assert.False(Schema.TryParseJson(SourceText.Of(json), out _, out var faults));
        Assert.Equal(message, faults[0].Message);
    }

    [Theory]
    [InlineData("""{"": {"entityTypes": {}, "actions": {}, "annotations": {}}}""")]
    [InlineData("""{"N": {"entityTypes": {}, "actions": {}, "annotations": {"a": "x"}}}""")]
    [InlineData("""{"": {"entityTypes": {"U": {"shape": {"type": "Record", "attributes": {"a": {"type": "Long", "required": false}}}}}, "actions": {"__cedar": {}}}}""")]
    public void TryParseJson_WhatStandsInItsPlace_Accepted(string json) => Assert.True(Schema.TryParseJson(SourceText.Of(json), out _, out _));

    private static Schema Parse(string text) =>
        Schema.TryParse(SourceText.Of(text), out var schema, out var faults) ? schema : throw new InvalidOperationException(faults[0].ToString());
}
