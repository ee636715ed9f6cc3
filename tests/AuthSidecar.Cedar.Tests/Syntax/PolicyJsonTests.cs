namespace AuthSidecar.Cedar.Tests.Syntax;

/// <summary>The JSON format where the reference takes more than one spelling, and where none of them can be believed.</summary>
public sealed class PolicyJsonTests
{
    [Theory]
    [InlineData("""{"op": "all"}""", """{"op": "all"}""", "true", "permit(principal, action, resource) when { true };")]
    [InlineData("""{"op": "All"}""", """{"op": "All"}""", """{"like": {"left": {"Value": "x"}, "pattern": [{"Literal": "x"}, {"Wildcard": null}, "Wildcard"]}}""", "permit(principal, action, resource) when { \"x\" like \"x**\" };")]
    [InlineData("""{"op": "All"}""", """{"op": "All"}""", """{"==": {"left": {"Value": {"__extn": {"fn": "decimal", "arg": "1.0", "x": 1}}}, "right": {"Value": 1}}}""", "permit(principal, action, resource) when { decimal(\"1.0\") == 1 };")]
    public void TryParseJson_SpellingsOfTheReference_Accepted(string principal, string action, string body, string text)
    {
        Assert.True(PolicySet.TryParseJson(Set(principal, action, body == "true" ? """{"Value": true}""" : body), out var policies, out var faults), $"{faults.FirstOrDefault()}");
        Assert.Equal(text, policies.Policies[0].ToString());
    }

    [Theory]
    // A member that is ignored may be a misspelt one, and the scope wider than it was meant to be.
    [InlineData("""{"op": "All", "entty": {"type": "U", "id": "a"}}""", """{"op": "All"}""", """{"Value": true}""", "unknown member `entty`")]
    [InlineData("""{"op": "==", "entity": {"type": "U", "id": "a"}, "slot": "?principal"}""", """{"op": "All"}""", """{"Value": true}""", "expected a scope constraint")]
    [InlineData("""{"op": "All"}""", """{"op": "in", "entity": {"type": "Action", "id": "a"}, "entities": []}""", """{"Value": true}""", "`entity` and `entities` are synonyms")]
    [InlineData("""{"op": "All"}""", """{"op": "in", "entities": [], "entity": {"type": "Action", "id": "a"}}""", """{"Value": true}""", "`entity` and `entities` are synonyms")]
    [InlineData("""{"op": "All"}""", """{"op": "in", "entities": [], "entities": []}""", """{"Value": true}""", "`entities` occurs twice")]
    [InlineData("""{"op": "ALL"}""", """{"op": "All"}""", """{"Value": true}""", "expected a scope constraint")]
    [InlineData("""{"op": "All"}""", """{"op": "All"}""", """{"Value": {"__extn": {"fn": "foo", "arg": "z"}}}""", "an extension value has a known `fn` and an `arg` or `args`")]
    [InlineData("""{"op": "All"}""", """{"op": "All"}""", """{"Value": {"__extn": {"fn": "decimal", "arg": "1.0", "args": ["1.0"]}}}""", "duplicate member: `arg` and `args` are synonyms")]
    [InlineData("""{"op": "All"}""", """{"op": "All"}""", """{"like": {"left": {"Value": "x"}, "pattern": [{"Wildcard": 1}]}}""", "expected `\"Wildcard\"` or `{\"Literal\": …}`")]
    [InlineData("""{"op": "All"}""", """{"op": "All"}""", """{"like": {"left": {"Value": "x"}, "pattern": [{"Literal": "x", "y": 1}]}}""", "expected `\"Wildcard\"` or `{\"Literal\": …}`")]
    [InlineData("""{"op": "All"}""", """{"op": "All"}""", """{"&&": {"left": {"Value": true}, "right": {"Value": true}, "left": {"Value": true}}}""", "`left` occurs twice")]
    [InlineData("""{"op": "All"}""", """{"op": "All"}""", """{"&&": {"left": {"&&": {"right": {"Value": true}}}, "right": {"Value": true}}}""", "`left` is missing")]
    [InlineData("""{"op": "All"}""", """{"op": "All"}""", """{"&&": {"left": {"&&": {"left": {"Value": true}, "right": {"Value": true}}, "||": 1}, "right": {"Value": true}}}""", "an expression must have one member, not `&&` and `||`")]
    [InlineData("""{"op": "All"}""", """{"op": "All"}""", """{"+": {"left": {"+": {"left": {"Value": 1}, "right": {"Value": 1}, "x": 1}}, "right": {"Value": 1}}}""", "unknown member `x`")]
    [InlineData("""{"op": "All"}""", """{"op": "All"}""", """{".": {"left": {".": {"left": {"Var": "context"}}}, "attr": "a"}}""", "`attr` is missing")]
    [InlineData("""{"op": "All"}""", """{"op": "All"}""", """{"if-then-else": {"if": {"Value": true}, "then": {"Value": true}}}""", "`else` is missing")]
    public void TryParseJson_WhatCannotBeBelieved_Refused(string principal, string action, string body, string message)
    {
        Assert.False(PolicySet.TryParseJson(Set(principal, action, body), out _, out var faults));
        Assert.Equal(message, faults[0].Message);
    }

    [Fact]
    public void TryParseJson_PartsOfChainsInAnyOrder_Read()
    {
        const string Body = """{"&&": {"right": {"Var": "c"}, "left": {"&&": {"right": {"Value": false}, "left": {"Value": true}}}}}""";
        Assert.True(PolicySet.TryParseJson(Set("""{"op": "All"}""", """{"op": "All"}""", Body.Replace("\"c\"", "\"context\"", StringComparison.Ordinal)), out var policies, out var faults), $"{faults.FirstOrDefault()}");
        Assert.Equal("permit(principal, action, resource) when { true && false && context };", policies.Policies[0].ToString());
    }

    private static SourceText Set(string principal, string action, string body) => SourceText.Of(
        $$$"""{"staticPolicies": {"p": {"effect": "permit", "principal": {{{principal}}}, "action": {{{action}}}, "resource": {"op": "All"}, "conditions": [{"kind": "when", "body": {{{body}}} }] } }, "templates": {}, "templateLinks": []}""");
}
