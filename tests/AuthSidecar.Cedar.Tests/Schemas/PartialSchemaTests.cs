using CsCheck;

namespace AuthSidecar.Cedar.Tests.Schemas;

/// <summary>External declarations and the linking of schemas (Cedar's RFC 116). The numbered examples are those of the linker in Cedar's specification.</summary>
public sealed class PartialSchemaTests
{
    [Theory]
    [InlineData("external entity B; entity A {b: B};", "entity B;", "entity B;\nentity A = {b: B};\n")] // 1
    [InlineData("entity User; entity Doc; external action write;", "external entity User; external entity Doc; action write appliesTo {principal: User, resource: Doc};", "entity User;\nentity Doc;\naction write appliesTo {principal: [User], resource: [Doc]};\n")] // 2
    [InlineData("external entity B; entity A {b: B};", "external entity B; entity D {b: B};", "external entity B;\nentity A = {b: B};\nentity D = {b: B};\n")] // 3
    [InlineData("external entity B; entity A {b: B};", "external entity A; entity B {a: A};", "entity B = {a: A};\nentity A = {b: B};\n")] // 4
    [InlineData("external entity G; external entity F in G; entity A in F;", "entity G; entity F in G;", "entity G;\nentity F in [G];\nentity A in [F];\n")] // 5
    [InlineData("external entity G; external entity F in G;", "external entity H; external entity F in H;", "external entity G;\nexternal entity F in [G, H];\nexternal entity H;\n")] // 6
    [InlineData("external entity G; external entity F in G;", "entity G; entity H; entity F in [G, H];", "entity G;\nentity F in [G, H];\nentity H;\n")] // 7
    [InlineData("external entity G; external entity F in G;", "entity G; entity X in G; entity F in X;", "entity G;\nentity F in [X];\nentity X in [G];\n")] // 9
    [InlineData("external entity X; external entity E in X;", "external entity G; external entity X in G;", "external entity X in [G];\nexternal entity E in [X];\nexternal entity G;\n")] // 15
    public void TryLink_ExamplesThatFit_Linked(string p, string c, string expected)
    {
        Assert.Equal(expected, Link(p, c).ToString());
        Assert.Equal(Sorted(expected), Sorted(Link(c, p).ToString()));
    }

    [Theory]
    [InlineData("external entity B; entity A in B;", "external entity A; entity B in A;", "c:1:20: linking would make the entity type `B` a member of `B`; declare its external parent type with the parents of that: `external entity X in Y;`")] // 8
    [InlineData("external action g; external action w in g;", "action g; action r; action w in [g, r];", "p:1:20: the external action `Action::\"w\"` is in other groups than in c; an action has the same ancestors wherever it is declared")] // 10
    [InlineData("external action g, w;", "external action g; external action w in g;", "c:1:20: the external action `Action::\"w\"` is in other groups than in p; an action has the same ancestors wherever it is declared")] // 10
    [InlineData("external entity E; entity A {e: E};", "entity E enum [\"x\"];", "p:1:1: the external entity type `E` is an enumerated type in c; external enumerated types are not supported: move what uses it to that schema")] // 11
    [InlineData("entity A;", "entity A;", "c:1:1: the entity type `A` is defined in p as well; declare it `external` in all schemas but one")] // 12
    [InlineData("action a;", "action a;", "c:1:1: the action `Action::\"a\"` is defined in p as well; declare it `external` in all schemas but one")] // 12
    [InlineData("external entity X; entity E in X;", "external entity G; external entity E in G;", "c:1:20: the external entity type `E` is a member of `G`, but not in p")] // 13
    [InlineData("external entity X; entity E in X;", "external entity G; external entity X in G;", "p:1:20: linking would make the entity type `E` a member of `G`; declare its external parent type with the parents of that: `external entity X in Y;`")] // 14
    public void TryLink_ExamplesThatContradict_RefusedWithPlace(string p, string c, string fault)
    {
        Assert.False(PartialSchema.TryLink([Parse(p, "p"), Parse(c, "c")], out _, out var faults));
        Assert.Equal(fault, faults[0].ToString());
        Assert.False(PartialSchema.TryLink([Parse(c, "c"), Parse(p, "p")], out _, out _));
    }

    [Theory]
    [InlineData("external entity B {b: Long};", "1:19: expected `in`, or `;`: an external declaration has parents and nothing else, found `{`")]
    [InlineData("external entity B enum [\"x\"];", "1:19: expected `in`, or `;`: an external declaration has parents and nothing else, found `enum`")]
    [InlineData("external entity B tags Long;", "1:19: expected `in`, or `;`: an external declaration has parents and nothing else, found `tags`")]
    [InlineData("entity U; external action a appliesTo {principal: U, resource: U};", "1:29: expected `in`, or `;`: an external declaration has parents and nothing else, found `appliesTo`")]
    [InlineData("external type T = Long;", "1:10: expected `entity` or `action`, found `type`")]
    [InlineData("external namespace N {}", "1:10: expected `entity` or `action`, found `namespace`")]
    [InlineData("external;", "1:9: expected `entity` or `action`, found `;`")]
    [InlineData("external external entity A;", "1:10: expected `entity` or `action`, found `external`")]
    [InlineData("external entity B; entity B;", "1:20: the entity type `B` is declared twice; keep one")]
    [InlineData("external action b in a; action a in b;", "1:25: the action `Action::\"a\"` is a member of itself, or of an action that is; remove one of its parents")]
    [InlineData("external entity A in B;", "1:22: unrecognized entity type `B`")]
    [InlineData("external entity Action;", "1:1: `Action` is the type of actions, and cannot be declared as an entity type")]
    [InlineData("external entity Long;", "1:1: the external entity type `Long` has the name of a built-in type")]
    [InlineData("namespace N {external entity T; type T = Long;}", "1:14: the external entity type `N::T` has the name of a common type; rename one of them")]
    public void TryParse_WhatIsNoExternalDeclaration_Refused(string text, string fault)
    {
        Assert.False(PartialSchema.TryParse(SourceText.Of(text), out _, out var faults));
        Assert.Contains(fault, faults.Select(f => f.ToString()));
    }

    [Fact]
    public void TryParse_OfSchema_EveryExternalDeclarationRefusedAtItsPlace()
    {
        Assert.False(Schema.TryParse(SourceText.Of("external entity B, C;\nnamespace N { external action a; }\nentity A {b: B};"), out _, out var faults));
        Assert.Equal(
            [
                "1:1: the entity type `B` is external; define it, or link this schema with the one that does",
                "1:1: the entity type `C` is external; define it, or link this schema with the one that does",
                "2:15: the action `N::Action::\"a\"` is external; define it, or link this schema with the one that does",
            ],
            faults.Select(f => f.ToString()));
    }

    [Fact]
    public void TryComplete_OfLinked_NamesWhatIsDefinedNowhere()
    {
        var linked = Link("external entity B; entity A {b: B};", "external entity B; entity D {b: B};");
        Assert.Equal(["B"], linked.ExternalEntityTypes);
        Assert.False(linked.IsComplete);
        Assert.False(linked.TryComplete(out _, out var faults));
        Assert.Equal("p, c: the entity type `B` is external; define it, or link this schema with the one that does", Assert.Single(faults).ToString());
    }

    /// <summary>Common types are of one schema: two may give the same name to different things, and what a name stands for does not change beside other schemas.</summary>
    [Fact]
    public void TryLink_CommonTypesOfTheSameName_EachStandsForItsOwn()
    {
        var linked = Link(
            "namespace N { type T = {t: Long, @doc(\"x\") l: Set<Long>}; type S = Set<T>; entity A {t: T}; entity B {s: S, n: Name}; external entity Name; }",
            "namespace N { type T = String; entity C {t: T} tags T; @doc(\"y\") entity Name; action a appliesTo {principal: C, resource: [C, Name], context: Ctx}; type Ctx = {t?: T}; }");
        Assert.Equal(
            """
            namespace N {
              entity A = {t: {t: __cedar::Long, @doc("x") l: Set<__cedar::Long>}};
              entity B = {s: Set<{t: __cedar::Long, @doc("x") l: Set<__cedar::Long>}>, n: N::Name};
              @doc("y")
              entity Name;
              entity C = {t: __cedar::String} tags __cedar::String;
              action a appliesTo {principal: [N::C], resource: [N::C, N::Name], context: {t?: __cedar::String}};
            }

            """,
            linked.ToString());
        Assert.True(linked.TryComplete(out var schema, out _));
        Assert.True(Schema.TryParse(SourceText.Of(schema.ToString()), out var again, out _));
        Assert.Equal(schema.ToString(), again.ToString());
        Assert.True(Schema.TryParseJson(SourceText.Of(schema.ToJson()), out var ofJson, out _));
        Assert.Equal(schema.ToJson(), ofJson.ToJson());
    }

    [Fact]
    public void TryLink_NamesThatWouldShadow_Refused()
    {
        Assert.False(PartialSchema.TryLink([Parse("entity U;", "p"), Parse("namespace N { entity U; }", "c")], out _, out var faults));
        Assert.Equal("p, c: `N::U` shadows `U` of the empty namespace; rename one of them", Assert.Single(faults).ToString());
    }

    [Fact]
    public void TryLink_SameSchemaTwice_RefusedForEachDefinition()
    {
        var schema = Parse("entity A, B; action a;", "p");
        Assert.False(PartialSchema.TryLink([schema, schema], out _, out var faults));
        Assert.Equal(3, faults.Count);
    }

    [Fact]
    public void TryLink_Policies_ValidatedAgainstTheWhole()
    {
        var linked = Link("external entity User; entity Doc {owner: User}; action read appliesTo {principal: User, resource: Doc};", "entity User {name: String};");
        Assert.True(linked.TryComplete(out var schema, out _));
        Assert.True(IsValid(schema, "permit(principal, action, resource) when { resource.owner.name == principal.name };"));
        Assert.False(IsValid(schema, "permit(principal, action, resource) when { resource.owner.nome == principal.name };"));
    }

    /// <summary>Common types of common types are exponentially longer when each is written out, and then refused at once.</summary>
    [Fact]
    public void TryLink_CommonTypesThatExplode_Refused()
    {
        var text = $"type T0 = {{a: Long}};{string.Concat(Enumerable.Range(1, 25).Select(i => $"type T{i} = {{a: T{i - 1}, b: T{i - 1}}};"))}entity A {{t: T25}};";
        Assert.False(PartialSchema.TryLink([Parse(text, "p"), Parse("entity B;", "c")], out _, out var faults));
        Assert.EndsWith("the schemas are too long without their common types", Assert.Single(faults).ToString(), StringComparison.Ordinal);

        // Once for every declaration that has it.
        var names = string.Join(", ", Enumerable.Range(0, 100).Select(i => $"E{i}"));
        text = $"type T0 = {{a: Long}};{string.Concat(Enumerable.Range(1, 12).Select(i => $"type T{i} = {{a: T{i - 1}, b: T{i - 1}}};"))}entity {names} {{t: T12}};";
        Assert.False(PartialSchema.TryLink([Parse(text, "p")], out _, out faults));
        Assert.EndsWith("the schemas are too long without their common types", Assert.Single(faults).ToString(), StringComparison.Ordinal);

        text = $"type T0 = {{a: Long}};{string.Concat(Enumerable.Range(1, 40).Select(i => $"type T{i} = {{a: T{i - 1}}};"))}entity A {{t: T40}};";
        Assert.False(PartialSchema.TryLink([Parse(text, "p"), Parse("entity B;", "c")], out _, out faults));
        Assert.EndsWith("without its common types, the type is nested more than 64 deep", Assert.Single(faults).ToString(), StringComparison.Ordinal);
    }

    /// <summary>A declaration of many names in many parents is short, and to look at the ancestors of each is not.</summary>
    [Fact]
    public void TryLink_TooManyParents_Refused()
    {
        var names = string.Join(", ", Enumerable.Range(0, 300).Select(i => $"E{i}"));
        Assert.False(PartialSchema.TryLink([Parse($"external entity {names} in [{names}];", "p"), Parse("entity B;", "c")], out _, out var faults));
        Assert.Equal("p, c: too many entity types to link: 301 with 90000 parents in all; the limit of the product is 10000000", Assert.Single(faults).ToString());
        Assert.True(PartialSchema.TryLink([Parse($"entity {string.Join(", ", Enumerable.Range(0, 10_000).Select(i => $"E{i}"))};", "p")], out _, out _));
    }

    /// <summary>No full name tells the actions of the empty namespace from those of the namespace where the type is written.</summary>
    [Fact]
    public void TryLink_ActionsThatWouldBecomeOthers_Refused()
    {
        const string Uses = "action x appliesTo {principal: N::A, resource: N::A}; namespace N { entity A {a: Action}; }";
        Assert.Contains("{a: Action}", Link(Uses, "namespace M { action y; }").ToString(), StringComparison.Ordinal);
        Assert.False(PartialSchema.TryLink([Parse(Uses, "p"), Parse("namespace N { action y; }", "c")], out _, out var faults));
        Assert.Equal(
            "p:1:82: `Action` refers to actions of the empty namespace here, but to actions of `N` after linking; move either the actions or the type to another namespace",
            Assert.Single(faults).ToString());
        // By a common type as well, which is written out where it is used.
        Assert.False(PartialSchema.TryLink([Parse("action x; type T = {a: Action}; namespace N { action y; entity E {t: T}; }", "p")], out _, out faults));
        Assert.Single(faults);
    }

    [Fact]
    public void TryLink_AnnotationsOfSeveralDeclarations_SameInAnyOrder()
    {
        const string P = "@doc(\"b\") external entity B; @p @doc(\"b\") external action a; @doc(\"b\") namespace N { entity P; }";
        const string C = "@doc(\"a\") @c external entity B; @c external action a; @doc(\"a\") namespace N { entity C; }";
        const string Expected = "@c\n@doc(\"a\")\nexternal entity B;\n@c\n@doc(\"b\")\n@p\nexternal action a;\n@doc(\"a\")\nnamespace N {\n  entity ";
        Assert.StartsWith(Expected, Link(P, C).ToString(), StringComparison.Ordinal);
        Assert.StartsWith(Expected, Link(C, P).ToString(), StringComparison.Ordinal);
    }

    /// <summary>As deep as the parser takes it, and not one level less.</summary>
    [Fact]
    public void TryLink_AsDeepAsCanBeRead_Linked()
    {
        var text = $"entity A = {string.Concat(Enumerable.Repeat("{a: ", 32))}Long{new string('}', 32)};";
        Assert.Contains("__cedar::Long", Link(text, "entity B;").ToString(), StringComparison.Ordinal);
        Assert.Equal(2, Parse(Link(text, "entity B;").ToString(), "again").Declared.EntityTypes.Count);
    }

    /// <summary>Neither the order nor the grouping decides whether schemas fit, nor what they make.</summary>
    [Fact]
    public void TryLink_RandomSchemas_SameInAnyOrderAndGrouping()
    {
        var (linked, refused) = (0, 0);
        Gen.Int[0, 119].Array[3 * 40].Sample(
            throws =>
            {
                var dice = new Queue<int>(throws);
                PartialSchema[] schemas = [.. Enumerable.Range(0, 3).Select(i => Parse(RandomSchema(dice, i), $"s{i}"))];
                var all = TryLink(schemas);
                Assert.Equal(all, TryLink([schemas[2], schemas[1], schemas[0]]));
                Assert.Equal(all, TryLinkGrouped(schemas[0], schemas[1], schemas[2]));
                Assert.Equal(all, TryLinkGrouped(schemas[2], schemas[0], schemas[1]));
                _ = all is null ? refused++ : linked++;
            },
            iter: Iterations.Of(5_000),
            threads: 1);
        // What never fits is the same easily, and so is what always does.
        Assert.True((linked > 500 && refused > 500) || Iterations.Of(100) < 100, $"{linked} linked, {refused} refused");
    }

    private static string? TryLinkGrouped(PartialSchema first, PartialSchema second, PartialSchema third) =>
        PartialSchema.TryLink([first, second], out var both, out _) ? TryLink([both, third]) : null;

    private static string? TryLink(IReadOnlyList<PartialSchema> schemas) =>
        PartialSchema.TryLink(schemas, out var linked, out _) ? Sorted(linked.ToString()) : null;

    /// <summary>Of six entity types and three actions each schema defines its own, and declares others with parents that may or may not be right.</summary>
    private static string RandomSchema(Queue<int> dice, int index)
    {
        var lines = new List<string>();
        for (var i = 0; i < 6; i++)
        {
            // Mostly what is so in all of them: some of those above are parents.
            var parents = string.Join(", ", Enumerable.Range(i + 1, 5 - i).Where(p => (((p * 7) + i) % 3 == 0) != Throw(40)).Select(p => $"E{p}"));
            var isExternal = i % 3 != index || Throw(8);
            lines.Add($"{(isExternal ? "external " : "")}entity E{i}{(parents.Length == 0 ? "" : $" in [{parents}]")};");
        }

        for (var i = 0; i < 3; i++)
        {
            var group = i > 0 && !Throw(60) ? " in a0" : "";
            lines.Add(i != index || Throw(8)
                ? $"external action a{i}{group};"
                : $"action a{i}{group} appliesTo {{principal: E{dice.Dequeue() % 6}, resource: E{dice.Dequeue() % 6}}};");
        }

        return string.Join('\n', lines);

        bool Throw(int sides) => dice.Dequeue() % sides == 0;
    }

    /// <summary>The declarations in the order of their text, and the parents too.</summary>
    private static string Sorted(string text) => string.Join('\n', text.Split('\n').Select(SortedParents).Order(StringComparer.Ordinal));

    private static string SortedParents(string line)
    {
        var (from, to) = (line.IndexOf(" in [", StringComparison.Ordinal) + 5, line.IndexOf(']', StringComparison.Ordinal));
        return from < 5 ? line : line[..from] + string.Join(", ", line[from..to].Split(", ").Order(StringComparer.Ordinal)) + line[to..];
    }

    private static bool IsValid(Schema schema, string policies) =>
        PolicySet.TryParse(SourceText.Of(policies), out var set, out _) && new Validator(schema).Validate(set).IsValid;

    private static PartialSchema Link(string p, string c) =>
        PartialSchema.TryLink([Parse(p, "p"), Parse(c, "c")], out var linked, out var faults) ? linked : throw new InvalidOperationException(faults[0].ToString());

    private static PartialSchema Parse(string text, string name) =>
        PartialSchema.TryParse(SourceText.Of(text, name), out var schema, out var faults) ? schema : throw new InvalidOperationException(faults[0].ToString());
}
