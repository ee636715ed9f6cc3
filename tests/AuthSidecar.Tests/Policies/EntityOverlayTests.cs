using AuthSidecar.Cedar;
using AuthSidecar.Policies;

namespace AuthSidecar.Tests.Policies;

public sealed class EntityOverlayTests
{
    private static readonly EntityUid Alice = new("User", "alice");
    private static readonly EntityUid Stranger = new("User", "stranger");
    private static readonly EntityUid Plan = new("Document", "plan");
    private static readonly EntityUid Note = new("Document", "note");
    private static readonly EntityUid Folder = new("Folder", "shared");
    private static readonly EntityUid Root = new("Folder", "root");
    private static readonly EntityUid Admin = new("Role", "admin");
    private static readonly EntityUid User = new("Role", "user");

    // Role::"user" is named as a parent without being an entity: nothing may be slipped in above it.
    private static readonly EntityStore Store = Parse("""
        [{"uid": {"type": "User", "id": "alice"}, "attrs": {"tenant": "acme"}, "parents": [{"type": "Role", "id": "user"}]},
         {"uid": {"type": "Document", "id": "plan"}, "attrs": {"tenant": "acme"}, "parents": [{"type": "Folder", "id": "shared"}]},
         {"uid": {"type": "Folder", "id": "shared"}, "attrs": {}, "parents": [{"type": "Folder", "id": "root"}]}]
        """);

    [Fact]
    public void TryCreate_NothingGiven_IsTheStoreItself() => Assert.Same(Store, Lay([]));

    [Fact]
    public void TryCreate_UnknownEntity_HasWhatTheRequestSaysAndWhatIsAboveItsParents()
    {
        var entities = Lay([Given(Note, "acme", Folder)]);
        Assert.True(entities.TryGetEntity(Note, out var note));
        Assert.True(note.Attributes.TryGet("tenant", out _));
        Assert.True(entities.IsIn(Note, Folder));
        Assert.True(entities.IsIn(Note, Root));
    }

    [Fact]
    public void TryCreate_ChainOfUnknownEntitiesInAnyOrder_IsClosed()
    {
        EntityUid a = new("Folder", "a"), b = new("Folder", "b");
        foreach (var given in new[] { new[] { Given(Note, null, a), Given(a, null, b), Given(b, null, Folder) }, [Given(b, null, Folder), Given(a, null, b), Given(Note, null, a)] })
        {
            Assert.True(Lay(given).IsIn(Note, Root));
        }
    }

    [Fact]
    public void TryCreate_KnownEntityWithMoreAttributes_HasBothKinds()
    {
        var given = new RequestEntity(Plan, ValueRecord.Create([new("tenant", Value.Of("acme")), new("size", Value.Of(3))]), [Folder]);
        var entities = Lay([given]);
        Assert.True(entities.TryGetEntity(Plan, out var plan));
        Assert.Equal(2, plan.Attributes.Count);
        Assert.True(entities.IsIn(Plan, Root));
    }

    [Fact]
    public void TryCreate_KnownEntityWithAnotherValue_Conflict() =>
        Assert.Equal("attribute `tenant` of `Document::\"plan\"` differs from the snapshot", Conflict([Given(Plan, "globex")]));

    [Fact]
    public void TryCreate_KnownEntityWithAnotherParent_Conflict() =>
        Assert.Equal("`Document::\"plan\"` is not a member of `Folder::\"root\"` in the snapshot", Conflict([Given(Plan, null, Root)]));

    [Fact]
    public void TryCreate_RequestSaysMoreOfItsPrincipalThanIsKnown_Conflict()
    {
        Assert.Equal("attribute `tenant` of `User::\"alice\"` differs from the snapshot", Conflict([Given(Alice, "globex")]));
        Assert.Equal("`User::\"alice\"` is not a member of `Role::\"admin\"` in the snapshot", Conflict([Given(Alice, null, Admin)]));
        Assert.Contains("add attribute `size` to the principal", Conflict([new RequestEntity(Alice, ValueRecord.Create([new("size", Value.Of(1))]), [])]));
        Assert.Contains("neither in the snapshot nor in a token", Conflict([Given(Stranger, null, Admin)], Stranger));
    }

    [Fact]
    public void TryCreate_RequestSaysOfItsPrincipalWhatIsKnown_IsThatPrincipal()
    {
        Assert.True(Lay([Given(Alice, "acme", User)]).IsIn(Alice, User));
        var principal = new RequestEntity(Stranger, ValueRecord.Create([new("suspended", Value.True)]), [User]);
        foreach (var again in new[] { principal, new RequestEntity(Stranger, ValueRecord.Empty, []), new RequestEntity(Stranger, principal.Attributes, []) })
        {
            Assert.True(EntityOverlay.TryCreate(Store, principal, [again], out var entities, out _));
            Assert.True(entities.TryGetEntity(Stranger, out var stranger));
            Assert.True(stranger.Attributes.TryGet("suspended", out _));
            Assert.True(entities.IsIn(Stranger, User));
        }

        Assert.False(EntityOverlay.TryCreate(Store, principal, [new RequestEntity(Stranger, ValueRecord.Create([new("suspended", Value.False)]), [])], out _, out _));
    }

    [Fact]
    public void TryCreate_EntityOfWhichNothingIsSaid_IsPassedOver()
    {
        Assert.Same(Store, Lay([Given(Alice, null), Given(Plan, null), Given(new EntityUid("Action", "delete"), null), Given(Note, null), Given(Note, null)]));
        Assert.True(Lay([Given(Note, null), Given(Note, "acme"), Given(Note, null)]).TryGetEntity(Note, out var note));
        Assert.True(note.Attributes.TryGet("tenant", out _));
    }

    [Fact]
    public void TryCreate_CycleByWayOfThePrincipal_Conflict()
    {
        var principal = new RequestEntity(Stranger, ValueRecord.Empty, [Note]);
        Assert.False(EntityOverlay.TryCreate(Store, principal, [Given(Note, null, Stranger)], out _, out var conflict));
        Assert.Equal("the request makes `Document::\"note\"` a member of itself", conflict);
    }

    [Theory]
    [InlineData("Action")]
    [InlineData("Docs::Action")]
    public void TryCreate_RequestDescribesAnAction_Conflict(string type) =>
        Assert.NotNull(Conflict([Given(new EntityUid(type, "delete"), null, new EntityUid(type, "harmless"))]));

    [Fact]
    public void TryCreate_EntityGivenTwice_Conflict() => Assert.NotNull(Conflict([Given(Note, "acme"), Given(Note, "acme")]));

    [Fact]
    public void TryCreate_EntitiesInACycle_Conflict()
    {
        EntityUid a = new("Folder", "a"), b = new("Folder", "b");
        Assert.NotNull(Conflict([Given(a, null, a)]));
        Assert.NotNull(Conflict([Given(a, null, b), Given(b, null, a)]));
        Assert.NotNull(Conflict([Given(Note, null, a), Given(a, null, b), Given(b, null, a)]));
    }

    [Fact]
    public void TryCreate_GroupSlippedInAboveAKnownPrincipal_ChangesNothing()
    {
        var entities = Lay([Given(User, null, Admin)]);
        Assert.True(entities.IsIn(Alice, User));
        Assert.False(entities.IsIn(Alice, Admin));
    }

    [Fact]
    public void TryCreate_GroupSlippedInAboveAPrincipalOfAToken_ChangesNothing()
    {
        var principal = new RequestEntity(Stranger, ValueRecord.Empty, [User]);
        Assert.True(EntityOverlay.TryCreate(Store, principal, [Given(User, null, Admin)], out var entities, out _));
        Assert.True(entities.IsIn(Stranger, User));
        Assert.False(entities.IsIn(Stranger, Admin));
    }

    [Fact]
    public void TryCreate_TokenOfAKnownPrincipal_AddsAttributesButNeverRolesOrOtherValues()
    {
        var principal = new RequestEntity(Alice, ValueRecord.Create([new("tenant", Value.Of("globex")), new("email", Value.Of("a@example.com"))]), [Admin]);
        Assert.True(EntityOverlay.TryCreate(Store, principal, [], out var entities, out _));
        Assert.True(entities.TryGetEntity(Alice, out var alice));
        Assert.True(alice.Attributes.TryGet("tenant", out var tenant));
        Assert.Equal(Value.Of("acme"), tenant);
        Assert.True(alice.Attributes.TryGet("email", out _));
        Assert.False(entities.IsIn(Alice, Admin));
    }

    private static RequestEntity Given(EntityUid uid, string? tenant, params EntityUid[] parents) =>
        new(uid, tenant is null ? ValueRecord.Empty : ValueRecord.Create([new("tenant", Value.Of(tenant))]), parents);

    private static EntitySource Lay(RequestEntity[] given)
    {
        Assert.True(EntityOverlay.TryCreate(Store, new RequestEntity(Alice, ValueRecord.Empty, []), given, out var entities, out var conflict), conflict);
        return entities;
    }

    private static string? Conflict(RequestEntity[] given, EntityUid? principal = null)
    {
        Assert.False(EntityOverlay.TryCreate(Store, new RequestEntity(principal ?? Alice, ValueRecord.Empty, []), given, out var entities, out var conflict));
        Assert.Null(entities);
        return conflict;
    }

    private static EntityStore Parse(string json) =>
        EntityStore.TryParse(SourceText.Of(json), out var store, out var faults) ? store : throw new InvalidOperationException(faults[0].ToString());
}
