using CsCheck;

namespace AuthSidecar.Cedar.Tests.Schemas;

public sealed class RequestValidatorTests
{
    private static readonly Schema Schema = Parse("""
        entity Group in [Group];
        entity Colour enum ["red", "green"];
        entity User in [Group] = { a: Long, b?: String, c?: { d: Bool, e?: Set<Long> }, f?: Group, g?: Set<Colour> } tags String;
        entity Thing;
        action read, write appliesTo { principal: [User, Group], resource: [Thing, Colour], context: { a: Long, b?: String, c?: { d: Bool }, now: datetime, token?: { amr: Set<String> } } };
        action nothing;
        action plain appliesTo { principal: User, resource: Thing };
        """);

    private static readonly Gen<string> Names = Gen.OneOfConst("a", "b", "c", "d", "e", "f", "g", "now", "token", "zz");
    private static readonly Gen<EntityUid> Uids = Gen.Select(Gen.OneOfConst("User", "Group", "Thing", "Colour", "Nowhere"), Gen.OneOfConst("red", "green", "x"), (type, id) => new EntityUid(type, id));
    private static readonly Gen<EntityUid> Actions = Gen.OneOfConst("read", "write", "nothing", "plain", "fly").Select(id => new EntityUid("Action", id));

    private static readonly Gen<Value> Values = Gen.Recursive<Value>((depth, inner) => Gen.Frequency(
        (3, Gen.Long[0, 3].Select(Value.Of)),
        (3, Gen.Bool.Select(Value.Of)),
        (3, Gen.OneOfConst("x", "y").Select(Value.Of)),
        (2, Uids.Select(Value.Of)),
        (depth < 3 ? 3 : 0, inner.Array[0, 3].Select(items => Value.Of(ValueSet.Create(items)))),
        (depth < 3 ? 4 : 0, Gen.Select(Names, inner).Array[0, 4].Select(fields => Value.Of(RecordOf(fields))))));

    // What conforms, and now and then not quite: by chance alone hardly anything would.
    private static readonly Gen<ValueRecord> Contexts = Gen.Select(
        Almost("a", Gen.Long.Select(Value.Of)),
        Almost("b", Gen.String.Select(Value.Of)),
        Almost("c", Gen.Bool.Select(d => Value.Of(RecordOf([("d", Value.Of(d))])))),
        Almost("now", Gen.Long[0, 1_000].Select(ms => Value.Of(new Instant(ms)))),
        Almost("token", Gen.OneOfConst("pwd", "mfa").Array[0, 2].Select(amr => Value.Of(RecordOf([("amr", Value.Of(ValueSet.Create([.. amr.Select(Value.Of)])))])))))
        .Select((a, b, c, now, token) => RecordOf([.. a, .. b, .. c, .. now, .. token]));

    private static readonly Gen<ValueRecord> Attributes = Gen.Select(
        Almost("a", Gen.Long.Select(Value.Of)),
        Almost("c", Gen.Long.Array[0, 2].Select(e => Value.Of(RecordOf([("d", Value.Of(true)), ("e", Value.Of(ValueSet.Create([.. e.Select(Value.Of)])))])))),
        Almost("f", Gen.OneOfConst("x", "y").Select(id => Value.Of(new EntityUid("Group", id)))),
        Almost("g", Gen.OneOfConst("red", "green", "blue").Select(id => Value.Of(ValueSet.Create([Value.Of(new EntityUid("Colour", id))])))))
        .Select((a, c, f, g) => RecordOf([.. a, .. c, .. f, .. g]));

    /// <summary>What is asked on the path of a decision, and what says why not, are written apart: they agree.</summary>
    [Fact]
    public void Conforms_AnyRequest_AsItIsExplained()
    {
        var validator = new RequestValidator(Schema, _ => false);
        var (conforming, others) = (0, 0);
        Gen.Select(Uids, Actions, Uids, Contexts).Sample(
            (principal, action, resource, context) =>
            {
                var expected = new Cedar.Conformance(Schema).Check(new Request(principal, action, resource, context)) is null;
                var actual = validator.TryGetAction(action, out var found) && found.Conforms(principal, resource, context);
                Assert.Equal(expected, actual);
                Assert.Equal(expected, Schema.Check(new Request(principal, action, resource, context)) is null);
                Assert.Equal(expected, found is not null && found.Check(principal, resource, context) is null);
                _ = expected ? Interlocked.Increment(ref conforming) : Interlocked.Increment(ref others);
            },
            iter: Iterations.Of(40_000));
        Assert.True((conforming > 100 && others > 1_000) || Iterations.Of(100) < 100, $"{conforming} conforming, {others} not");
    }

    [Fact]
    public void Conforms_AnyEntity_AsItIsExplained()
    {
        var validator = new RequestValidator(Schema, _ => false);
        var (conforming, others) = (0, 0);
        Gen.Select(Uids, Attributes, Uids.Array[0, 1]).Sample(
            (uid, attributes, parents) =>
            {
                var entity = Entity.CreateOver(EntityStore.Empty, uid, attributes, ValueRecord.Empty, parents);
                var expected = new Cedar.Conformance(Schema).Check(entity).Count == 0;
                Assert.Equal(expected, validator.Conforms(entity));
                Assert.Equal(expected, validator.Check(entity) is null);
                _ = expected ? Interlocked.Increment(ref conforming) : Interlocked.Increment(ref others);
            },
            iter: Iterations.Of(40_000));
        Assert.True((conforming > 100 && others > 1_000) || Iterations.Of(100) < 100, $"{conforming} conforming, {others} not");
    }

    [Fact]
    public void Conforms_AttributesAddedAfterValidation_AreNotExpectedOfRequests()
    {
        var validator = new RequestValidator(Schema, name => name is "now" or "token");
        Assert.True(validator.TryGetAction(new EntityUid("Action", "read"), out var action));
        var (user, thing) = (new EntityUid("User", "u"), new EntityUid("Thing", "t"));
        Assert.Null(action.Check(user, thing, RecordOf([("a", Value.Of(1))])));
        Assert.Equal("the context: the attribute `a` is missing", action.Check(user, thing, ValueRecord.Empty));
        // One fault is enough, whatever their number.
        Assert.Equal("the context: attribute `b`: expected string, got long", action.Check(user, thing, RecordOf([("a", Value.Of(1)), ("b", Value.Of(1)), ("zz", Value.Of(1))])));
        Assert.Equal("`Action::\"read\"` does not apply to a principal of type `Thing`, but to `Group`, `User`", action.Check(thing, thing, ValueRecord.Empty));
    }

    [Fact]
    public void Conforms_WhatConforms_AllocatesNothing()
    {
        var validator = new RequestValidator(Schema, name => name is "now" or "token");
        var (read, user, thing, context) = (new EntityUid("Action", "read"), new EntityUid("User", "u"), new EntityUid("Thing", "t"), RecordOf([("a", Value.Of(1)), ("b", Value.Of("x"))]));
        var entity = Entity.CreateOver(EntityStore.Empty, user, context, ValueRecord.Empty, [new EntityUid("Group", "g")]);
        Assert.True(Run());
        var before = GC.GetAllocatedBytesForCurrentThread();
        Assert.True(Run());
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);

        bool Run() => validator.TryGetAction(read, out var action) && action.Conforms(user, thing, context) && validator.Conforms(entity);
    }

    private static Gen<(string Name, Value Value)[]> Almost(string name, Gen<Value> right) => Gen.Frequency(
        (8, right.Select(value => new[] { (name, value) })),
        (3, Gen.Const(Array.Empty<(string, Value)>())),
        (1, Gen.Select(Names, Values).Select((other, value) => new[] { (other, value) })));

    private static ValueRecord RecordOf(IEnumerable<(string Name, Value Value)> fields) =>
        ValueRecord.Create([.. fields.DistinctBy(f => f.Name).Select(f => KeyValuePair.Create(f.Name, f.Value))]);

    private static Schema Parse(string text) => Schema.TryParse(SourceText.Of(text), out var schema, out var faults) ? schema : throw new InvalidDataException(faults[0].ToString());
}
