namespace AuthSidecar.Cedar.Tests.Schemas;

/// <summary>What does not conform to a schema: all of it, each with what was found and where it stands.</summary>
public sealed class ConformanceFaultTests
{
    private static readonly Schema Schema = Parse("""
        entity Team in [Team];
        entity Squad;
        entity Color enum ["red", "green"];
        entity User in [Team] { lead: Team, teams?: Set<Team>, n: Long, more?: { who: User, colors?: Set<Color> }, nested?: Set<Set<Long>> } tags Set<Long>;
        action view, edit appliesTo { principal: User, resource: [Team, Color], context: { who?: User, n?: Long, list?: Set<Long> } };
        action nothing;
        """);

    [Fact]
    public void TryParse_ManyFaultsOfAnEntity_AllToldInTheirPlaces()
    {
        const string Json = """
            [
              {
                "uid": {"type": "User", "id": "u"},
                "attrs": {
                  "lead": {"__entity": {"type": "Squad", "id": "x"}},
                  "teams": [{"__entity": {"type": "Team", "id": "a"}},
                            {"__entity": {"type": "Squad", "id": "x"}}, 1],
                  "n": "1",
                  "more": {"colors": [{"type": "Color", "id": "gren"}]},
                  "nested": [[1], [2, true]],
                  "mroe": 1
                },
                "parents": [{"type": "Team", "id": "a"}, {"type": "Squad", "id": "x"}],
                "tags": {"good": [1], "bad": [false]}
              }
            ]
            """;
        Assert.Equal(
            [
                "e.json:5:15: `User::\"u\"` does not conform to the schema: attribute `lead`: expected entity of type `Team`, got `Squad::\"x\"`",
                "e.json:9:27: `User::\"u\"` does not conform to the schema: attribute `more`: attribute `colors`: an element: `Color::\"gren\"` is not a valid id of enumerated entity type `Color`; did you mean `Color::\"green\"`?",
                "e.json:9:15: `User::\"u\"` does not conform to the schema: attribute `more`: the attribute `who` is missing",
                "e.json:11:15: `User::\"u\"` does not conform to the schema: attribute `mroe` is not declared; did you mean `more`?",
                "e.json:8:12: `User::\"u\"` does not conform to the schema: attribute `n`: expected long, got string",
                "e.json:10:27: `User::\"u\"` does not conform to the schema: attribute `nested`: an element: an element: expected long, got bool",
                "e.json:7:17: `User::\"u\"` does not conform to the schema: attribute `teams`: an element: expected entity of type `Team`, got `Squad::\"x\"`",
                "e.json:7:61: `User::\"u\"` does not conform to the schema: attribute `teams`: an element: expected entity of type `Team`, got long",
                "e.json:14:35: `User::\"u\"` does not conform to the schema: tag `bad`: an element: expected long, got bool",
                "e.json:13:46: `User::\"u\"` does not conform to the schema: `Squad::\"x\"` is not allowed as a parent",
            ],
            Faults(Json));
    }

    [Theory]
    [InlineData("""[{"uid": {"type": "Usr", "id": "u"}, "attrs": {}, "parents": []}]""", "e.json:1:10: `Usr::\"u\"` does not conform to the schema: unrecognized entity type `Usr`; did you mean `User`?")]
    [InlineData("""[{"uid": {"type": "Team", "id": "t"}, "attrs": {}, "parents": [], "tags": {"a": 1}}]""", "e.json:1:75: `Team::\"t\"` does not conform to the schema: `Team` has no tags")]
    [InlineData("""[{"uid": {"type": "Color", "id": "blue"}, "attrs": {}, "parents": []}]""", "e.json:1:10: `Color::\"blue\"` does not conform to the schema: `Color::\"blue\"` is not a valid id of enumerated entity type `Color`")]
    [InlineData("""[{"parents": [], "attrs": {"é😀": 1}, "uid": {"type": "Team", "id": "t"}}]""", "e.json:1:34: `Team::\"t\"` does not conform to the schema: attribute `é😀` is not declared")]
    [InlineData("""[{"uid": {"type": "Action", "id": "veiw"}, "attrs": {}, "parents": []}]""", "e.json:1:2: `Action::\"veiw\"` does not conform to the schema: unrecognized action `Action::\"veiw\"`; did you mean `Action::\"view\"`?")]
    public void TryParse_OneFault_InItsPlace(string json, string fault) => Assert.Equal([fault], Faults(json));

    /// <summary>Two that are at fault are both told of, and however many there are: not more than can be read.</summary>
    [Fact]
    public void TryParse_ManyEntitiesWithFaults_SoManyTold()
    {
        var wrong = string.Join(", ", Enumerable.Range(0, 50_000));
        var faults = Faults($$"""[{"uid": {"type": "User", "id": "u"}, "attrs": {"lead": {"type": "Team", "id": "a"}, "n": 1, "teams": [{{wrong}}]}, "parents": []}]""");
        Assert.Equal(Cedar.Conformance.MostFaults, faults.Count);
        faults = Faults($"[{string.Join(", ", Enumerable.Range(0, 5_000).Select(i => $$"""{"uid": {"type": "Usr", "id": "{{i}}"}, "attrs": {}, "parents": []}"""))}]");
        Assert.Equal(1_001, faults.Count);
        Assert.EndsWith("more than 1000 faults; only the first are listed", faults[^1], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("User", "view", "Team", "{}", null)]
    [InlineData("Usr", "view", "Team", "{}", "`Action::\"view\"` does not apply to a principal of type `Usr`, which the schema does not have, but to `User`")]
    [InlineData("Team", "view", "Team", "{}", "`Action::\"view\"` does not apply to a principal of type `Team`, but to `User`")]
    [InlineData("User", "view", "Doc", "{}", "`Action::\"view\"` does not apply to a resource of type `Doc`, which the schema does not have, but to `Color`, `Team`")]
    [InlineData("User", "view", "Color", "{}", "`Color::\"x\"` is not a valid id of enumerated entity type `Color`")]
    [InlineData("User", "nothing", "Team", "{}", "`Action::\"nothing\"` does not apply to a principal of type `User`, or of any other type; `Action::\"nothing\"` does not apply to a resource of type `Team`, or of any other type")]
    [InlineData("User", "veiw", "Team", "{}", "unrecognized action `Action::\"veiw\"`; did you mean `Action::\"view\"`?")]
    [InlineData("User", "view", "Team", "{who: Squad::\"x\", n: \"1\", lst: 1, list: [1, true]}", "the context: attribute `list`: an element: expected long, got bool; attribute `lst` is not declared; did you mean `list`?; attribute `n`: expected long, got string; attribute `who`: expected entity of type `User`, got `Squad::\"x\"`")]
    public void Check_Request_AllToldAndWhatWouldDo(string principal, string action, string resource, string context, string? mismatch)
    {
        Assert.True(Value.TryParse(context, out var value, out _) && value.TryGet(out ValueRecord? _));
        value.TryGet(out ValueRecord? record);
        Assert.Equal(mismatch, Schema.Check(new Request(new EntityUid(principal, "x"), new EntityUid("Action", action), new EntityUid(resource, "x"), record!)));
    }

    [Fact]
    public void Check_RequestThatConforms_AllocatesNothing()
    {
        Assert.True(Value.TryParse("{who: User::\"x\", n: 1, list: [1, 2, 3]}", out var value, out _));
        value.TryGet(out ValueRecord? context);
        var request = new Request(new EntityUid("User", "x"), new EntityUid("Action", "view"), new EntityUid("Color", "red"), context!);
        Assert.Null(Schema.Check(request));
        var before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Null(Schema.Check(request));
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    private static List<string> Faults(string json)
    {
        Assert.False(EntityStore.TryParse(SourceText.Of(json, "e.json"), Schema, out _, out var faults));
        return [.. faults.Select(f => f.ToString())];
    }

    private static Schema Parse(string text) =>
        Schema.TryParse(SourceText.Of(text), out var schema, out var faults) ? schema : throw new InvalidOperationException(faults[0].ToString());
}
