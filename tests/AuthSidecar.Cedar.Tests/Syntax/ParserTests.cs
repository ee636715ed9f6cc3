namespace AuthSidecar.Cedar.Tests.Syntax;

public sealed class ParserTests
{
    [Theory]
    [InlineData("permit(principal, action, resource);")]
    [InlineData("permit(principal, action, resource,);")]
    [InlineData("@a @b(\"x\") @if(\"\") @__cedar(\"y\") forbid(principal, action, resource);")]
    [InlineData("permit(principal == A::B::\"x\", action in [], resource is C in D::\"\");")]
    [InlineData("permit(principal == A :: // comment\r B::\"x\", action == N::Action::\"a\", resource);")]
    [InlineData("permit(principal in ?principal, action, resource is T in ?resource);")]
    [InlineData("permit(principal, action, resource) when { true } unless { false } when { 1 == 1 };")]
    [InlineData("permit(principal, action, resource)\u00a0\u2028\u000b;")]
    [InlineData("permit(principal, action, resource) when { \"raw\nnewline\" like \"a*\\*\" };")]
    [InlineData("permit(principal, action, resource) when { -9223372036854775808 == --9223372036854775808 };")]
    [InlineData("permit(principal, action, resource) when { !!!!true && ----1 == 0009 };")]
    [InlineData("permit(principal, action, resource) when { context[\"if\"] == 1 && context has \"if\" && context has a.b.c };")]
    [InlineData("permit(principal, action, resource) when { ip() == ip(\"a\", \"b\",) || [1].contains };")]
    [InlineData("permit(principal, action, resource) when { {permit: 1, \"a b\": [],}.principal == 1 };")]
    [InlineData("permit(principal, action, resource) when { true && (if true then false else true) };")]
    [InlineData("permit(principal == (User::\"a\"), action == (Action::\"a\"), resource in ((Group::\"g\")));")]
    [InlineData("permit(principal in (?principal), action in ([Action::\"a\", (Action::\"b\")]), resource is T in (?resource));")]
    [InlineData("permit(principal is User in (User::\"a\"), action in (Action::\"a\"), resource);")]
    [InlineData("// nothing but a comment")]
    [InlineData("")]
    public void TryParse_ValidTexts_Accepted(string text) => Accepts(text);

    private static void Accepts(string text)
    {
        Assert.True(PolicySet.TryParse(SourceText.Of(text), out var policies, out var faults), string.Join('\n', faults));
        Assert.True(PolicyFormatter.TryFormat(SourceText.Of(text), out var formatted, out _));
        Assert.True(PolicySet.TryParse(SourceText.Of(formatted), out var laidOut, out faults), string.Join('\n', faults));
        Assert.Equal(policies.ToJson(), laidOut.ToJson());
    }

    [Theory]
    [InlineData("permit(principal, action, resource)", "1:36: expected `when`, `unless`, or `;` to end the policy, but the text ends")]
    [InlineData("permit(principal, resource, action);", "1:19: expected `action`, found `resource`; the scope names `principal`, `action` and `resource`, in this order")]
    [InlineData("allow(principal, action, resource);", "1:1: expected `permit` or `forbid`, found `allow`")]
    [InlineData("@a @a permit(principal, action, resource);", "1:5: the annotation `@a` occurs twice on this policy; keep one")]
    [InlineData("permit(principal: User, action, resource);", "1:17: expected `,` and then `action`, found `:`")]
    [InlineData("permit(principal == ?resource, action, resource);", "1:21: slot `?resource` is not allowed here; use `?principal`")]
    [InlineData("permit(principal, action == User::\"a\", resource);", "1:29: `User::\"a\"` is not an action; an action's type is `Action`, or ends in `::Action`")]
    [InlineData("permit(principal == (User::\"a\", action, resource);", "1:31: expected `)`, found `,`")]
    [InlineData("permit(principal is (User), action, resource);", "1:21: expected an entity type, found `(`")]
    [InlineData("permit((principal), action, resource);", "1:8: expected `principal`, found `(`; the scope names `principal`, `action` and `resource`, in this order")]
    [InlineData("permit(principal, action, resource) when { };", "1:44: expected an expression, found `}`")]
    [InlineData("permit(principal, action, resource) when { 1 < 2 == true };", "1:50: `==` after another comparison is ambiguous; put parentheses around one of them")]
    [InlineData("permit(principal, action, resource) when { true && if true then true else true };", "1:52: the word `if` is reserved; expected a name; as a string it may name an attribute: `[\"if\"]`, `has \"if\"`")]
    [InlineData("permit(principal, action, resource) when { !!!!!true };", "1:48: more than four `!` in a row; remove them in pairs")]
    [InlineData("permit(principal, action, resource) when { !-1 == 1 };", "1:45: expected an expression, found `-`")]
    [InlineData("permit(principal, action, resource) when { 9223372036854775808 == 1 };", "1:44: `9223372036854775808` is too large; the maximum of a Long is 9223372036854775807")]
    [InlineData("permit(principal, action, resource) when { -(9223372036854775808) == 1 };", "1:46: `9223372036854775808` is too large; the maximum of a Long is 9223372036854775807")]
    [InlineData("permit(principal, action, resource) when { 4 / 2 == 2 };", "1:46: Cedar has no operator `/`; multiply instead, or compare multiples")]
    [InlineData("permit(principal, action, resource) when { {a: 1, a: 2} == 1 };", "1:51: the attribute `a` occurs twice in this record; keep one")]
    [InlineData("permit(principal, action, resource) when { user == 1 };", "1:44: `user` is not a variable; the variables are `principal`, `action`, `resource` and `context`; an entity is written `Type::\"id\"`, a string in quotes")]
    [InlineData("permit(principal, action, resource) when { \"a\\q\" == \"\" };", "1:46: invalid escape sequence; valid escapes: \\n \\r \\t \\0 \\\\ \\\" \\' \\x7f \\u{1f600}, and \\* in patterns")]
    [InlineData("permit(principal, action, resource) when { \"a\\*\" == \"\" };", "1:46: invalid escape sequence; valid escapes: \\n \\r \\t \\0 \\\\ \\\" \\' \\x7f \\u{1f600}, and \\* in patterns")]
    [InlineData("permit(principal, action, resource) when { \"a };", "1:44: unterminated string")]
    [InlineData("permit(principal, action, resource) when { foo(1) };", "1:44: `foo` is not a function; the functions are `ip`, `decimal`, `datetime` and `duration`")]
    [InlineData("permit(principal, action, resource) when { isIpv4(1) };", "1:44: `isIpv4` is a method, not a function; write `x.isIpv4(…)`")]
    [InlineData("permit(principal, action, resource) when { context.ip(\"a\") };", "1:52: `ip` is a function, not a method; write `ip(…)`")]
    [InlineData("permit(principal, action, resource) when { [].contains() };", "1:47: `contains` takes one argument, not 0")]
    [InlineData("permit(principal, action, resource) when { ?principal == 1 };", "1:44: the slot `?principal` is not allowed in a condition; use it in the scope: `principal == ?principal`")]
    [InlineData("permit(principal is __cedar::User, action, resource);", "1:21: the word `__cedar` is reserved")]
    [InlineData("permit(principal, action, resource) /* no */;", "1:37: expected `when`, `unless`, or `;` to end the policy, found `/`; a comment begins with `//`")]
    // As it is written in other languages.
    [InlineData("permit(principal, action, resource) when { principal.name == 'x' };", "1:62: expected an expression, found `'`; a string is written in `\"`")]
    [InlineData("permit(principal, action, resource) when { principal.name = \"x\" };", "1:59: expected an operator, or `}` to end the condition, found `=`; equality is written `==`")]
    [InlineData("permit(principal, action = Action::\"a\", resource);", "1:26: expected `,` and then `resource`, found `=`; equality is written `==`")]
    [InlineData("permit(principal = User::\"a\", action, resource);", "1:18: expected `,` and then `action`, found `=`; equality is written `==`")]
    [InlineData("permit(principal, action, resource) when { context.a and true };", "1:54: expected an operator, or `}` to end the condition, found `and`; `and` is written `&&`")]
    [InlineData("permit(principal, action, resource) when { context.a & true };", "1:54: expected an operator, or `}` to end the condition, found `&`; `and` is written `&&`")]
    [InlineData("permit(principal, action, resource) when { (context.a or true) };", "1:55: expected an operator, or `)`, found `or`; `or` is written `||`")]
    [InlineData("permit(principal, action, resource) when { context.a | true };", "1:54: expected an operator, or `}` to end the condition, found `|`; `or` is written `||`")]
    [InlineData("permit(principal, action, resource) when { not context.a };", "1:44: `not` is not a variable; `not` is written `!`")]
    [InlineData("permit(principal, action, resource) when { not(context.a) };", "1:44: `not` is not a function; `not` is written `!`")]
    [InlineData("permit(principal, action, resource) when { context.x > 1.5 };", "1:58: expected the name of an attribute or method, found `5`; a fraction is written `decimal(\"1.5\")`")]
    [InlineData("permit(principal, action, resource) when { [1, 2.25].contains(1) };", "1:50: expected the name of an attribute or method, found `25`; a fraction is written `decimal(\"2.25\")`")]
    [InlineData("permit(principal in [User::\"a\", User::\"b\"], action, resource);", "1:21: expected an entity such as `User::\"alice\"`, found `[`; only `action in` takes a list; for others write `||` in a condition")]
    [InlineData("permit(principal, action, resource == [User::\"a\"]);", "1:39: expected an entity such as `User::\"alice\"`, found `[`; only `action in` takes a list; for others write `||` in a condition")]
    [InlineData("permit(principal, action, resource) when { pricipal == resource };", "1:44: `pricipal` is not a variable; did you mean `principal`?")]
    [InlineData("permit(principal, action, resource) when { True };", "1:44: `True` is not a variable; did you mean `true`?")]
    [InlineData("permit(principal, action, resource) when { context.s.containsall([1]) };", "1:54: `containsall` is not a method; did you mean `containsAll`?")]
    [InlineData("permit(principal, action, resource) # no\n;", "1:37: expected `when`, `unless`, or `;` to end the policy, found `#`; a comment begins with `//`")]
    [InlineData("permit(principal, action, resource) \0;", "1:37: expected `when`, `unless`, or `;` to end the policy, found `\0`")]
    public void TryParse_InvalidTexts_RefusedWithPlaceAndHelp(string text, string fault)
    {
        Assert.False(PolicySet.TryParse(SourceText.Of(text), out var policies, out var faults));
        Assert.Null(policies);
        Assert.Equal(fault, faults[0].ToString());
    }

    [Fact]
    public void TryParse_SeveralBrokenPolicies_EachReported()
    {
        const string Text = "permit(principal, action);\npermit(principal, action, resource);\n  forbid(x);\npermit(principal, action, resource) when { 1 + };";
        Assert.False(PolicySet.TryParse(SourceText.Of(Text, "p.cedar"), out _, out var faults));
        Assert.Equal([1, 3, 4], faults.Select(f => f.Line));
        Assert.All(faults, f => Assert.StartsWith($"p.cedar:{f.Line}:{f.Column}: ", f.ToString(), StringComparison.Ordinal));
    }

    [Fact]
    public void TryParse_ColumnsBehindOtherScripts_CountScalars()
    {
        Assert.False(PolicySet.TryParse(SourceText.Of("@a(\"é😀\") permi(principal, action, resource);"), out _, out var faults));
        Assert.Equal((1, 10), (faults[0].Line, faults[0].Column));
    }

    [Theory]
    [InlineData(new byte[] { (byte)'"', 0xff, (byte)'"' })]
    [InlineData(new byte[] { 0xc3, 0x28 })]
    [InlineData(new byte[] { 0xed, 0xa0, 0x80 })]
    [InlineData(new byte[] { 0xef, 0xbb, 0xbf })]
    public void TryParse_BytesThatAreNotCedar_Refused(byte[] bytes)
    {
        byte[] text = [.. "permit(principal, action, resource) when { "u8, .. bytes, .. " == 1 };"u8];
        Assert.False(PolicySet.TryParse(new SourceText("", text), out _, out var faults));
        Assert.Equal(1, faults[0].Line);
    }

    [Fact]
    public void TryParse_LoneSurrogate_Refused() =>
        Assert.False(PolicySet.TryParse(SourceText.Of("permit(principal, action, resource) when { \"\ud800\" == \"\" };"), out _, out _));

    /// <summary>Whatever nests, nested a million deep, is a fault and not the end of the process.</summary>
    [Theory]
    [InlineData("(", "1", ")")]
    [InlineData("[", "", "]")]
    [InlineData("{a: ", "1", "}")]
    [InlineData("if ", "true", " then 1 else 1")]
    [InlineData("if true then ", "true", " else 1")]
    [InlineData("ip(", "", ")")]
    [InlineData("[].contains(", "1", ")")]
    [InlineData("", "context", ".a")]
    [InlineData("", "context", "[\"a\"]")]
    [InlineData("", "1", " + 1")]
    [InlineData("1 * (", "1", ")")]
    [InlineData("", "context", ".contains(1)")]
    public void TryParse_NestedTooDeep_Refused(string open, string inner, string close)
    {
        foreach (var depth in new[] { 10_000, 1_000_000 })
        {
            var text = $"permit(principal, action, resource) when {{ {string.Concat(Enumerable.Repeat(open, depth))}{inner}{string.Concat(Enumerable.Repeat(close, depth))} }};";
            Assert.False(PolicySet.TryParse(SourceText.Of(text), out _, out var faults));
            Assert.Contains($"nested more than {Expr.MaxDepth} deep", faults[0].Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void TryParse_LongChains_AreNotDeep()
    {
        var text = $"permit(principal, action, resource) when {{ {string.Join(" || ", Enumerable.Range(0, 100_000).Select(i => $"context.n == {i}"))} }};";
        Assert.True(PolicySet.TryParse(SourceText.Of(text), out var policies, out _));
        var uid = new EntityUid("A", "");
        var request = new Request(uid, uid, uid, ValueRecord.Create([new("n", Value.Of(99_999))]));
        Assert.Equal(Decision.Allow, Authorizer.IsAuthorized(policies, EntityStore.Empty, request).Decision);
    }

    [Theory]
    [InlineData("User::\"alice\"", "User", "alice")]
    [InlineData("A::B::\"x\\n\\u{1f600}\"", "A::B", "x\n😀")]
    [InlineData(" A :: \"\" ", "A", "")]
    public void TryParse_EntityUid_ReadAndWrittenBack(string text, string type, string id)
    {
        Assert.True(EntityUid.TryParse(text, out var uid, out _));
        Assert.Equal((type, id), (uid.Type, uid.Id));
        Assert.True(EntityUid.TryParse(uid.ToString(), out var again, out _));
        Assert.Equal(uid, again);
    }

    [Theory]
    [InlineData("alice")]
    [InlineData("User::alice")]
    [InlineData("User::\"a\" x")]
    [InlineData("User::\"a")]
    [InlineData("")]
    public void TryParse_WhatIsNoEntityUid_Refused(string text)
    {
        Assert.False(EntityUid.TryParse(text, out _, out var fault));
        Assert.NotEmpty(fault.Message);
    }
}
