namespace AuthSidecar.Cedar.Tests.Syntax;

public sealed class PatternTests
{
    /// <summary>Only a star behind a backslash is one: however else it is spelt, it is a wildcard.</summary>
    [Theory]
    [InlineData("*", "x", true)]
    [InlineData("\\u{2a}", "x", true)]
    [InlineData("\\u{2A}", "x", true)]
    [InlineData("\\u{00002a}", "x", true)]
    [InlineData("\\u{0_0_2a}", "x", true)]
    [InlineData("\\x2a", "x", true)]
    [InlineData("\\x2A", "x", true)]
    [InlineData("\\x2a\\x2a", "x", true)]
    [InlineData("a\\x2a", "ab", true)]
    [InlineData("a\\x2ac", "ab", false)]
    [InlineData("a\\u{2a}*\\x2ac", "abc", true)]
    [InlineData("\\*", "x", false)]
    [InlineData("\\*", "*", true)]
    [InlineData("\\\\\\x2a", "\\x", true)]
    [InlineData("\\\\*", "x", false)]
    [InlineData("a\\*\\x2a", "a*b", true)]
    [InlineData("a\\*\\x2a", "ab", false)]
    public void Matches_StarHoweverSpelt_WildcardUnlessBehindBackslash(string pattern, string text, bool matches)
    {
        Assert.True(PolicySet.TryParse(SourceText.Of($"permit(principal, action, resource) when {{ {StringLiteral.Quote(text)} like \"{pattern}\" }};"), out var policies, out var faults), $"{faults.FirstOrDefault()}");
        Assert.True(PolicySet.TryParse(SourceText.Of(policies.Policies[0].ToString()), out var printed, out _));
        Assert.True(PolicySet.TryParseJson(SourceText.Of(policies.ToJson()), out var read, out _));
        Assert.True(PolicyFormatter.TryFormat(policies.Policies[0].Source, out var formatted, out _));
        Assert.True(PolicySet.TryParse(SourceText.Of(formatted), out var laidOut, out _));
        var uid = new EntityUid("U", "x");
        Assert.All([policies, printed, read, laidOut], set =>
        {
            var response = Authorizer.IsAuthorized(set, EntityStore.Empty, new Request(uid, uid, uid, ValueRecord.Empty));
            Assert.Equal(matches ? Decision.Allow : Decision.Deny, response.Decision);
            Assert.False(response.HasErrors);
        });
    }

    /// <summary>A star outside patterns is what it is.</summary>
    [Theory]
    [InlineData("\\x2a")]
    [InlineData("\\u{2a}")]
    [InlineData("*")]
    public void TryParse_StarInString_IsOne(string literal)
    {
        Assert.True(Value.TryParse($"\"{literal}\"", out var value, out _));
        Assert.Equal(Value.Of("*"), value);
    }

    /// <summary>JSON has a notation of its own for wildcards: there, a star is a star.</summary>
    [Fact]
    public void TryParseJson_StarInLiteral_IsOne()
    {
        Assert.True(PolicySet.TryParse(SourceText.Of("permit(principal, action, resource) when { \"x\" like \"\\*\" };"), out var policies, out _));
        Assert.Contains("\"Literal\":\"*\"", policies.ToJson(), StringComparison.Ordinal);
        Assert.True(PolicySet.TryParseJson(SourceText.Of(policies.ToJson().Replace("\"Literal\":\"*\"", "\"Literal\":\"\\u002a\"", StringComparison.Ordinal)), out var read, out _));
        Assert.Equal(policies.Policies[0].ToString(), read.Policies[0].ToString());
    }
}
