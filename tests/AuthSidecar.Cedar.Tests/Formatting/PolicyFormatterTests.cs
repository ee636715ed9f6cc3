using AuthSidecar.Cedar.Tests.Conformance;
using AuthSidecar.Cedar.Tests.Evaluation;
using CsCheck;

namespace AuthSidecar.Cedar.Tests.Formatting;

public sealed class PolicyFormatterTests
{
    [Fact]
    public void TryFormat_ShortPolicy_StaysOnItsLine() =>
        Assert.Equal(
            "permit (principal == User::\"a\", action, resource is A::B in ?resource)\nwhen { principal.a[\"b c\"] == -1 + 2 * 3 && !(x::f(1) in [A::\"b\",]) };\n".Replace("x::f(1)", "context.f"),
            Format("permit(principal==User :: \"a\",action,resource is A::B in ?resource)when{principal . a [ \"b c\" ]==-1+2*3&&!(context.f in[A::\"b\",])};"));

    [Fact]
    public void TryFormat_LongPolicy_BreaksFromTheOutside() => Assert.Equal(
        """
        @id("a")
        @b
        permit (
          principal in Group::"one",
          action in [Action::"x"],
          resource
        )
        when {
          a.b == c.d ||
          context.eeeeeeeee &&
            context.ffffffffffff &&
            [
              1,
              "long enough to break it"
            ].contains(context.g)
        }
        unless { true };

        forbid (principal, action, resource);

        """.Replace("a.b == c.d", "context == 1"),
        Format(
            """
            @id("a") @b permit(principal in Group::"one", action in [Action::"x"], resource) when { context == 1 || context.eeeeeeeee && context.ffffffffffff
            && [1, "long enough to break it"].contains(context.g) } unless { true }; forbid(principal, action, resource);
            """,
            width: 37));

    [Fact]
    public void TryFormat_Comments_StayWhereTheyAre() => Assert.Equal(
        """
        // header

        // of the policy
        permit ( // open
          principal, // who
          action, // what
          // on what
          resource
        )
        // before
        when { // in front
          context.a && // and
          // own line
          context.b
          // at the end
        }; // behind

        // last
        // of all

        """,
        Format(
            """
            // header

            // of the policy
            permit( // open
            principal, // who
            action, // what
              // on what
              resource)
              // before
            when { // in front
            context.a && // and
                // own line
            context.b
              // at the end
            }; // behind


            // last
            // of all
            """));

    [Theory]
    [InlineData("")]
    [InlineData("// only this")]
    [InlineData("// a\r\n\r\n// b\r// c")]
    public void TryFormat_NoPolicies_KeepsComments(string text)
    {
        var formatted = Format(text);
        Assert.Equal(CommentsOf(text), CommentsOf(formatted));
        Assert.Equal(formatted, Format(formatted));
    }

    [Fact]
    public void TryFormat_WhatIsNoPolicy_Refused()
    {
        Assert.False(PolicyFormatter.TryFormat(SourceText.Of("permit(principal);", "p.cedar"), out var formatted, out var faults));
        Assert.Null(formatted);
        Assert.StartsWith("p.cedar:1:17: expected `,`", Assert.Single(faults).ToString(), StringComparison.Ordinal);
    }

    /// <summary>With a comment after any token, on its line or on its own: nothing is lost, nothing means anything else, and once is enough.</summary>
    [Fact]
    public void TryFormat_AnyPolicyWithCommentsAnywhere_MeansTheSameAndIsStable() =>
        Gen.Select(OracleTests.Expression, OracleTests.Expression, Gen.Int[0, 4].Array[1, 60], Gen.Int[1, 120]).Sample(
            (when, unless, places, width) =>
            {
                var policy = $"@id(\"a\") permit(principal in U::\"a\", action in [Action::\"x\", Action::\"y\"], resource is U) when {{ {when} }} unless {{ {unless} }}; forbid(principal, action, resource);";
                AssertKept(WithComments(policy, places), width);
            },
            iter: Iterations.Of(2_000));

    [Fact]
    public void TryFormat_Corpus_MeansTheSameAndIsStable()
    {
        foreach (var line in Corpus.Lines("parse.jsonl"))
        {
            if (line.GetProperty("accept").GetBoolean())
            {
                AssertKept(line.GetProperty("text").GetString()!, 80);
            }
        }
    }

    /// <summary>Comments behind tokens: for each of them none, one on its line, one on a line of its own, or both, or an empty line.</summary>
    private static string WithComments(string text, int[] places)
    {
        var source = SourceText.Of(text);
        var lexer = new Lexer(source.Utf8);
        var commented = new System.Text.StringBuilder();
        for (var i = 0; lexer.Next() is { Kind: not TokenKind.End } token; i++)
        {
            commented.Append(source[token.Span]).Append(' ').Append(places[i % places.Length] switch
            {
                1 => $"// trailing {i}\n",
                2 => $"\n  // own {i}  \n",
                3 => $"// trailing {i}\n\n// own {i}\n\n",
                _ => "",
            });
        }

        return commented.ToString();
    }

    private static void AssertKept(string text, int width)
    {
        var formatted = Format(text, width);
        Assert.Equal(CommentsOf(text), CommentsOf(formatted));
        Assert.Equal(MeaningOf(text), MeaningOf(formatted));
        Assert.Equal(formatted, Format(formatted, width));
        Assert.DoesNotContain(" \n", formatted.Replace("\" \n", "", StringComparison.Ordinal), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("principal[\"a\"] == 1", "principal.a == 1")]
    [InlineData("principal [ \"a\" ] [\"b\"].c[\"d\"]", "principal.a.b.c.d")]
    [InlineData("principal has \"a\" && context has \"_b1\"", "principal has a && context has _b1")]
    [InlineData("{\"a\": 1}[\"a\"] == 1", "{ \"a\": 1 }.a == 1")]
    [InlineData("principal[\"if\"]", "principal[\"if\"]")]
    [InlineData("principal has \"like\"", "principal has \"like\"")]
    [InlineData("principal[\"__cedar\"]", "principal[\"__cedar\"]")]
    [InlineData("principal has \"__cedar\"", "principal has \"__cedar\"")]
    [InlineData("principal[\"a b\"] && principal[\"\"] && principal[\"1a\"] && principal[\"\\n\"] && principal[\"é\"]", null)]
    [InlineData("[\"a\"].contains(\"a\") && principal.hasTag(\"a\") && principal.getTag(\"a\") == \"a\"", null)]
    [InlineData("[[\"a\"], [\"b\"]].contains([\"a\"])", null)]
    [InlineData("principal in [U::\"a\"] && \"a\" like \"a\" && principal is U", null)]
    public void TryFormat_AttributeNamesInQuotes_LoseThemFrom4_15OnWhereTheyMay(string condition, string? from4_15)
    {
        var text = $"permit(principal, action, resource) when {{ {condition} }};";
        foreach (var name in CedarReleases.Names)
        {
            Assert.True(CedarReleases.TryParse(name, out var release));
            Assert.True(PolicyFormatter.TryFormat(SourceText.Of(text), out var formatted, out _, release: release));
            Assert.Equal(MeaningOf(text), MeaningOf(formatted));
            if (release >= CedarRelease.V4_15)
            {
                Assert.Equal($"permit (principal, action, resource)\nwhen {{ {from4_15 ?? condition} }};\n", formatted);
            }
            else
            {
                Assert.Equal(condition.Count(c => c == '"'), formatted.Count(c => c == '"'));
            }
        }
    }

    [Theory]
    [InlineData("principal[ // a\n\"b\"]", false)]
    [InlineData("principal[\"b\" // a\n]", false)]
    [InlineData("principal[\n// a\n\"b\"]", false)]
    [InlineData("principal[\"b\"\n// a\n]", false)]
    [InlineData("principal // a\n[\"b\"]", true)]
    [InlineData("principal[\"b\"] // a\n", true)]
    [InlineData("principal has // a\n\"b\"", true)]
    [InlineData("principal has \"b\" // a\n", true)]
    public void TryFormat_CommentsAroundAttributeNames_AreKept(string condition, bool losesQuotes)
    {
        var text = $"permit(principal, action, resource) when {{ {condition} }};";
        var formatted = Format(text);
        Assert.Equal(CommentsOf(text), CommentsOf(formatted));
        Assert.Equal(MeaningOf(text), MeaningOf(formatted));
        Assert.Equal(formatted, Format(formatted));
        Assert.Equal(losesQuotes, !formatted.Contains('"', StringComparison.Ordinal));
    }

    private static List<string> CommentsOf(string text) =>
        [.. FormatterToken.ReadAll(SourceText.Of(text)).SelectMany(t => t.Before.Select(b => b.Text).Concat(t.After is null ? [] : [t.After]))];

    private static List<string> MeaningOf(string text)
    {
        var faults = new List<Fault>();
        var policies = Parser.ParsePolicies(SourceText.Of(text), CedarReleases.Latest, faults);
        Assert.Empty(faults);
        return policies.ConvertAll(PolicyPrinter.Print);
    }

    private static string Format(string text, int width = 100)
    {
        Assert.True(PolicyFormatter.TryFormat(SourceText.Of(text), out var formatted, out var faults, width), faults.FirstOrDefault()?.ToString());
        return formatted;
    }
}
