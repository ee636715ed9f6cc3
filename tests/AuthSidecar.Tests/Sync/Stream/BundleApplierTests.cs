using System.Security.Cryptography;
using AuthSidecar.Cedar;
using AuthSidecar.ControlPlane.V1;
using AuthSidecar.Snapshots;
using AuthSidecar.Sync.Stream;
using AuthSidecar.Tests.Testing;
using AuthSidecar.Tokens;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace AuthSidecar.Tests.Sync.Stream;

/// <summary>A sidecar believes what is signed, meant for it, newer and not old; whatever else comes, it goes on with what it has.</summary>
public sealed class BundleApplierTests : IDisposable
{
    private const string Readers = TestControlPlane.Readers;

    private static readonly DateTimeOffset Now = new(2026, 11, 24, 12, 0, 0, TimeSpan.Zero);

    private readonly TemporaryFolder _folder = new();
    private readonly FakeTimeProvider _time = new(Now);
    private readonly TestControlPlane _control;
    private readonly PinnedKeys _keys;
    private readonly ECDsa _otherKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly SnapshotCache _cache;
    private readonly BundleApplier _applier;

    public BundleApplierTests()
    {
        _control = new TestControlPlane(_time);
        _keys = _control.ReadKeys();
        var kept = new LastKnownGood(_folder["kept"], new byte[32], _time, NullLogger<LastKnownGood>.Instance);
        _cache = new SnapshotCache(_time);
        _applier = new BundleApplier(_keys, TestControlPlane.Placement, _cache, kept, _time);
    }

    private bool AliceMayRead => Authorizer.IsAuthorized(
        _cache.Current!.Policies.Value.Policies,
        _cache.Current!.Entities.Value.Store,
        new Request(new("User", "alice"), new("Action", "read"), new("Document", "plan"), ValueRecord.Empty)).Decision == Cedar.Decision.Allow;

    [Fact]
    public void Apply_PoliciesAndEntities_SwappedInAtOnceAtTheRevisionOfTheHeartbeat()
    {
        Assert.All(Apply(7, _control.Policies(6), _control.Entities(5)), o => Assert.True(o.IsApplied));
        var snapshot = _cache.Current!;
        Assert.Equal((7UL, 6UL, 5UL), (snapshot.Revision.Number, snapshot.Policies.Revision.Number, snapshot.Entities.Revision.Number));
        Assert.True(AliceMayRead);
        Assert.Equal([(BundleApplier.ToWire(PolicyData.Type), _control.At(6)), (BundleApplier.ToWire(EntityData.Type), _control.At(5))], _applier.Held.Select(h => (h.Type, h.Revision)));
    }

    /// <summary>What is kept is verified at the next start, by the keys that are pinned then: what another has signed than the one that signs now is taken again.</summary>
    [Fact]
    public void BeginStream_OnceAnotherKeySigns_WhatTheOneBeforeHasSignedIsWantedInFull()
    {
        Apply(7, _control.Policies(6), _control.Entities(5));
        _applier.BeginStream(TestControlPlane.KeyIdOf(_control.Key));
        Assert.Empty(_applier.WantedInFull);
        Assert.Equal(0, _applier.BytesNotSignedBy(TestControlPlane.KeyIdOf(_control.Key)));
        Assert.Equal(NackReason.Revision, Assert.Single(Apply(7, _control.Policies(6))).Reason);
        Assert.NotEqual(0, _applier.BytesNotSignedBy("another"));
        _applier.BeginStream("another");
        Assert.Equal([PolicyData.Type, EntityData.Type], _applier.WantedInFull.OrderBy(t => t.Number));
        // Of the same revision, and not of an earlier one.
        Assert.Equal(NackReason.Revision, Assert.Single(Apply(7, _control.Policies(5))).Reason);
        Assert.True(Assert.Single(Apply(7, _control.Policies(6))).IsApplied);
        Assert.True(AliceMayRead);
    }

    [Fact]
    public void Apply_ChangeOfEntities_AddsReplacesAndRemoves()
    {
        Apply(5, _control.Policies(4), _control.Entities(5));
        var change = _control.Change(EntityData.Type, 6, since: 5, ("entities.json", """[{"uid": {"type": "User", "id": "bob"}, "attrs": {}, "parents": []}]"""));
        change.Removed.Add("User::\"alice\"");
        Assert.True(Assert.Single(Apply(6, change)).IsApplied);
        Assert.False(AliceMayRead);
        Assert.Equal("bob", Assert.Single(_cache.Current!.Entities.Value.Store.Entities).Uid.Id);
    }

    public static TheoryData<string> HostileBundles => [.. Hostile.Keys];

    [Theory]
    [MemberData(nameof(HostileBundles))]
    public void Apply_BundleThatIsNotToBeBelieved_RefusedWithItsReasonAndNothingChanges(string name)
    {
        Apply(5, _control.Policies(4), _control.Entities(5));
        var before = _cache.Current;
        var (expected, make) = Hostile[name];
        var outcome = Assert.Single(_control.Send(_applier, new Update { Bundles = { make(this) }, Heartbeat = _control.SignHeartbeat(9, (PolicyData.Type, 9), (EntityData.Type, 5)) }));
        Assert.Equal(expected, outcome.Reason);
        Assert.NotEmpty(outcome.Faults);
        Assert.Same(before, _cache.Current);

        // And the stream is none the worse for it.
        Assert.All(Apply(10, _control.Policies(10, "forbid (principal, action, resource);")), o => Assert.True(o.IsApplied));
        Assert.False(AliceMayRead);
    }

    [Fact]
    public void Apply_OneOfTwoRefused_TheOtherCountsButTheRevisionIsNotReached()
    {
        Apply(5, _control.Policies(4), _control.Entities(5));
        var outcomes = Apply(7, _control.Policies(6, "permit ("), _control.Entities(7, "[]"));
        Assert.Equal([NackReason.Content, NackReason.Unspecified], outcomes.OrderBy(o => o.Type!.Number).Select(o => o.Reason));
        Assert.False(AliceMayRead);
        Assert.Equal((5UL, 4UL, 7UL), (_cache.Current!.Revision.Number, _cache.Current.Policies.Revision.Number, _cache.Current.Entities.Revision.Number));
    }

    [Fact]
    public void Heartbeat_Genuine_ConfirmsAndCarriesTheRevisionOn()
    {
        Apply(5, _control.Policies(4), _control.Entities(5));
        _time.Advance(TimeSpan.FromMinutes(10));
        Assert.Equal(TimeSpan.FromMinutes(10), _cache.AgesAt(_time.GetUtcNow()).Of(PolicyData.Type));
        Assert.True(_applier.Apply(_control.SignHeartbeat(8, (PolicyData.Type, 4), (EntityData.Type, 5))).IsCurrent);
        Assert.Equal((TimeSpan.Zero, 8UL), (_cache.AgesAt(_time.GetUtcNow()).Of(PolicyData.Type), _cache.Current!.Revision.Number));
    }

    /// <summary>Whatever a heartbeat is refused for is said, with the figure and what to do.</summary>
    [Fact]
    public void Heartbeat_Refused_SaysWhy()
    {
        Apply(5, _control.Policies(4), _control.Entities(5));
        var heartbeat = _control.SignHeartbeat(5);
        Assert.Contains("not signed by a pinned key", _applier.Apply(TestControlPlane.Sign(TestControlPlane.HeartbeatPurpose, heartbeat.Content, _otherKey)).Refusal, StringComparison.Ordinal);
        var foreign = _control.NewHeartbeat(9);
        foreign.Placement = new ControlPlane.V1.Placement { Application = "invoices", Tenant = "acme" };
        Assert.Equal("wrong placement: it is for application `invoices`, tenant `acme`", ApplySigned(foreign).Refusal);
        foreign.Placement = null;
        Assert.Equal("missing placement", ApplySigned(foreign).Refusal);
        var nameless = _control.NewHeartbeat(9);
        nameless.Revision = "9";
        Assert.Equal("missing creation time, or invalid revision", ApplySigned(nameless).Refusal);

        _time.Advance(TimeSpan.FromSeconds(60));
        Assert.Equal((null, TimeSpan.FromSeconds(60)), (_applier.Apply(heartbeat).Refusal, _applier.Apply(heartbeat).ClockAhead));
        _time.Advance(TimeSpan.FromSeconds(538));
        Assert.Equal("clock skew: the local clock is 9 min 58 s ahead of the control plane, limit 1 min 0 s; synchronize the clocks (NTP)", _applier.Apply(heartbeat).Refusal);
        var future = _control.NewHeartbeat(9);
        future.CreatedAt = Timestamp.FromDateTimeOffset(_time.GetUtcNow().AddHours(26).AddSeconds(1));
        Assert.Equal("clock skew: the local clock is 1 d 2 h behind the control plane, limit 1 min 0 s; synchronize the clocks (NTP)", ApplySigned(future).Refusal);

        HeartbeatOutcome ApplySigned(Heartbeat message) => _applier.Apply(TestControlPlane.Sign(TestControlPlane.HeartbeatPurpose, message.ToByteString(), _control.Key));
    }

    /// <summary>A freeze attack: somebody keeps the news back, and plays what was true once.</summary>
    [Fact]
    public void Heartbeat_NotToBeBelieved_DoesNotConfirm()
    {
        Apply(5, _control.Policies(4), _control.Entities(5));
        (DataType, ulong)[] current = [(PolicyData.Type, 4), (EntityData.Type, 5)];
        var old = _control.SignHeartbeat(5, current);
        _time.Advance(TimeSpan.FromMinutes(10));
        var ofOthers = _control.SignHeartbeat(5, current);
        ofOthers = TestControlPlane.Sign("authsidecar-heartbeat-v1", ofOthers.Content, _otherKey, ofOthers.KeyId);
        var future = _control.NewHeartbeat(9, current);
        future.CreatedAt = Timestamp.FromDateTimeOffset(_time.GetUtcNow().AddMinutes(5));
        var foreign = _control.NewHeartbeat(9, current);
        foreign.Placement.Application = "invoices";
        var asBundle = _control.NewHeartbeat(9, current);
        Signed[] hostile =
        [
            old,
            ofOthers,
            TestControlPlane.Sign("authsidecar-heartbeat-v1", future.ToByteString(), _control.Key),
            TestControlPlane.Sign("authsidecar-heartbeat-v1", foreign.ToByteString(), _control.Key),
            TestControlPlane.Sign("authsidecar-bundle-v1", asBundle.ToByteString(), _control.Key),
            new(),
        ];
        Assert.All(hostile, h => Assert.False(_applier.Apply(h).IsCurrent));
        Assert.Equal((TimeSpan.FromMinutes(10), 5UL), (_cache.AgesAt(_time.GetUtcNow()).Of(PolicyData.Type), _cache.Current!.Revision.Number));
    }

    /// <summary>The sidecar's clock is set back by an hour: what its control plane says is of the future then, and its data grows old.</summary>
    [Fact]
    public void Heartbeat_OwnClockSetBack_DoesNotConfirmUntilItIsRightAgain()
    {
        var own = new SteppingTime(Now);
        var cache = new SnapshotCache(own);
        var kept = new LastKnownGood(_folder["kept-own"], new byte[32], own, NullLogger<LastKnownGood>.Instance);
        var applier = new BundleApplier(_keys, TestControlPlane.Placement, cache, kept, own);
        _control.Send(applier, 5, _control.Policies(4), _control.Entities(5));

        own.Now -= TimeSpan.FromHours(1);
        for (var minute = 1; minute <= 6; minute++)
        {
            own.Elapse(TimeSpan.FromMinutes(1));
            _time.Advance(TimeSpan.FromMinutes(1));
            Assert.False(applier.Apply(_control.SignHeartbeat(6, (PolicyData.Type, 4), (EntityData.Type, 5))).IsCurrent);
        }

        Assert.Equal(RevocationData.Type, MaxStaleness.Default.FindStale(DataTypeSet.All, cache.AgesAt(own.GetUtcNow())));
        Assert.Equal(NackReason.Expired, Assert.Single(_control.Send(applier, 7, _control.Policies(7))).Reason);
        own.Now += TimeSpan.FromHours(1);
        Assert.True(applier.Apply(_control.SignHeartbeat(7, (PolicyData.Type, 4), (EntityData.Type, 5))).IsCurrent);
        Assert.Null(MaxStaleness.Default.FindStale(DataTypeSet.All, cache.AgesAt(own.GetUtcNow())));
    }

    /// <summary>Policies that were refused, or lost on the way, do not make old what is current.</summary>
    [Fact]
    public void Heartbeat_SomeTypesAreNotCurrent_TheOthersAre()
    {
        Apply(5, _control.Policies(4), _control.Entities(5));
        _time.Advance(TimeSpan.FromMinutes(10));
        Assert.False(_applier.Apply(_control.SignHeartbeat(9, (PolicyData.Type, 6), (EntityData.Type, 5), (RevocationData.Type, 8))).IsCurrent);
        Assert.Equal(5UL, _cache.Current!.Revision.Number);
        var ages = _cache.AgesAt(_time.GetUtcNow());
        Assert.Equal(
            [PolicyData.Type, RevocationData.Type],
            DataTypes.All.Where(t => ages.Of(t) == TimeSpan.FromMinutes(10)));
        Assert.Equal(DataTypes.All.Count - 2, DataTypes.All.Count(t => ages.Of(t) == TimeSpan.Zero));
    }

    /// <summary>A control plane of an earlier version names no type that it does not know.</summary>
    [Fact]
    public void Heartbeat_WithoutATypeThatTheSidecarHasNothingOf_IsCurrent()
    {
        Apply(5, _control.Policies(4), _control.Entities(5));
        Assert.True(_applier.Apply(Heartbeat(without: [DataTypes.All[^1]])).IsCurrent);
        // What it knows, it names.
        Assert.False(_applier.Apply(Heartbeat(without: [RiskData.Type])).IsCurrent);
        Assert.False(_applier.Apply(Heartbeat(without: [PolicyData.Type])).IsCurrent);
        Assert.False(_applier.Apply(Heartbeat(without: [.. DataTypes.All])).IsCurrent);

        Signed Heartbeat(DataType[] without)
        {
            var heartbeat = _control.NewHeartbeat(6, (PolicyData.Type, 4), (EntityData.Type, 5));
            var wrong = heartbeat.Current.Where(c => without.Any(t => c.Type == BundleApplier.ToWire(t))).ToList();
            wrong.ForEach(w => heartbeat.Current.Remove(w));
            return TestControlPlane.Sign(TestControlPlane.HeartbeatPurpose, heartbeat.ToByteString(), _control.Key);
        }
    }

    [Fact]
    public void Apply_RevocationsAndTheirChanges_AllOfThemCount()
    {
        Apply(5, _control.NewBundle(RevocationData.Type, 5, ("revocations.json", """{"tokens": [{"issuer": "i", "jti": "1"}], "subjects": [{"issuer": "i", "sub": "alice", "notBefore": 100}]}""")));
        Assert.True(Assert.Single(Apply(6, _control.Change(RevocationData.Type, 6, 5, ("revocations.json", """{"tokens": [{"issuer": "i", "jti": "2"}], "subjects": [{"issuer": "i", "sub": "alice", "notBefore": 50}]}""")))).IsApplied);
        var revocations = _cache.Current!.Revocations.Value;
        Assert.True(revocations.Contains(Token("bob", "1", 0)));
        Assert.True(revocations.Contains(Token("bob", "2", 0)));
        Assert.False(revocations.Contains(Token("bob", "3", 0)));
        Assert.True(revocations.Contains(Token("alice", "3", 99)));
        Assert.True(revocations.Contains(Token("alice", "3", 100)));
        Assert.False(revocations.Contains(Token("alice", "3", 101)));

        // What has nothing left to revoke goes when others come.
        var soon = Now.ToUnixTimeSeconds() + 60;
        Apply(7, _control.Change(RevocationData.Type, 7, 6, ("revocations.json", $$"""{"tokens": [{"issuer": "i", "jti": "4", "expires": {{soon}}}]}""")));
        Assert.True(_cache.Current!.Revocations.Value.Contains(Token("bob", "4", 0)));
        Assert.Equal(4, _cache.Current!.Revocations.Value.Count);
        _time.Advance(TimeSpan.FromMinutes(1));
        Apply(8, _control.Change(RevocationData.Type, 8, 7, ("revocations.json", "{}")));
        Assert.Equal(3, _cache.Current!.Revocations.Value.Count);
    }

    [Fact]
    public void Apply_FactorsAndTheirChanges_EachSubjectHasTheNewestOfTheirs()
    {
        byte[] key = [.. Enumerable.Repeat((byte)9, 32)];
        var first = _control.NewBundle(FactorData.Type, 5, ("factors.json", Factors(("alice", "a1"), ("alice", "a2"), ("bob", "b1"), ("carol", "c1"))));
        first.Documents.Add(_control.NewDocument("factors.key", key));
        Assert.True(Assert.Single(Apply(5, first)).IsApplied);
        var change = _control.Change(FactorData.Type, 6, 5, ("factors.json", Factors(("alice", "a3"))));
        change.Documents.Add(_control.NewDocument("factors.key", key));
        change.Removed.Add("User::\"bob\"");
        Assert.True(Assert.Single(Apply(6, change)).IsApplied);
        Assert.Equal(
            [false, false, true, false, true],
            new[] { ("alice", "a1"), ("alice", "a2"), ("alice", "a3"), ("bob", "b1"), ("carol", "c1") }.Select(f => _cache.Current!.Factors.Value.Find(new FactorKey(new EntityUid("User", f.Item1), f.Item2)) is not null));

        // Under another key, what is there could no longer be opened.
        var rekeyed = _control.Change(FactorData.Type, 7, 6, ("factors.json", Factors(("alice", "a4"))));
        rekeyed.Documents.Add(_control.NewDocument("factors.key", [.. Enumerable.Repeat((byte)8, 32)]));
        Assert.Equal(NackReason.Content, Assert.Single(Apply(7, rekeyed)).Reason);
    }

    [Fact]
    public void Apply_RiskAndItsChanges_SettingsStayUnlessTheyCome()
    {
        Apply(5, _control.NewBundle(RiskData.Type, 5, ("risk.json", """{"maxFailures": 7}"""), ("profiles.json", """{"profiles": {"User::\"alice\"": {"countries": ["CH"]}, "User::\"bob\"": {}}}""")));
        var change = _control.Change(RiskData.Type, 6, 5, ("profiles.json", """{"profiles": {"User::\"alice\"": {"countries": ["FR"]}}}"""));
        change.Removed.Add("User::\"bob\"");
        Assert.True(Assert.Single(Apply(6, change)).IsApplied);
        var risk = _cache.Current!.Risk.Value;
        Assert.Equal((7, "FR", 1), (risk.MaxFailures, risk.Profiles[new EntityUid("User", "alice")].Countries.Single(), risk.Profiles.Count));
        Apply(7, _control.Change(RiskData.Type, 7, 6, ("risk.json", "{}")));
        risk = _cache.Current!.Risk.Value;
        Assert.Equal((5, 1), (risk.MaxFailures, risk.Profiles.Count));
    }

    [Fact]
    public void Apply_Keys_InFull()
    {
        using var issuer = new TestIssuer();
        var issuers = $$"""{"issuers": [{"issuer": "{{TestIssuer.Name}}", "jwks": "1.jwks.json", "audiences": ["{{TestIssuer.Audience}}"]}]}""";
        Assert.True(Assert.Single(Apply(5, _control.NewBundle(IssuerData.Type, 5, ("issuers.json", issuers), ("1.jwks.json", issuer.KeySetJson)))).IsApplied);
        Assert.NotNull(_cache.Current!.Issuers.Value.Find(TestIssuer.Name));
        Assert.Equal(NackReason.Content, Assert.Single(Apply(6, _control.NewBundle(IssuerData.Type, 6, ("issuers.json", issuers)))).Reason);
        Assert.NotNull(_cache.Current!.Issuers.Value.Find(TestIssuer.Name));
    }

    [Fact]
    public void Apply_EntitiesOfTypesThatTheSchemaDoesNotHave_SetAsideUntilOneHasThem()
    {
        const string Users = "entity Role, Document; entity User in [Role]; action read appliesTo { principal: User, resource: Document };";
        const string Both = """[{"uid": {"type": "User", "id": "alice"}, "attrs": {}, "parents": [{"type": "Role", "id": "reader"}]}, {"uid": {"type": "Robot", "id": "r2"}, "attrs": {}, "parents": []}]""";
        Assert.All(Apply(5, _control.Policies(4, Readers, Users), _control.Entities(5, Both)), o => Assert.True(o.IsApplied, string.Join('\n', o.Faults)));
        Assert.False(_cache.Current!.Entities.Value.Store.TryGetEntity(new("Robot", "r2"), out _));
        Assert.True(AliceMayRead);

        Assert.All(Apply(6, _control.Policies(6, Readers, $"entity Robot; {Users}")), o => Assert.True(o.IsApplied, string.Join('\n', o.Faults)));
        Assert.True(_cache.Current!.Entities.Value.Store.TryGetEntity(new("Robot", "r2"), out _));
        Assert.True(AliceMayRead);

        // And one that they do not conform to is refused, with what does not.
        var refused = Assert.Single(Apply(7, _control.Policies(7, Readers, $"entity Robot; {Users.Replace("entity User in [Role];", "entity User;", StringComparison.Ordinal)}")));
        Assert.Equal(NackReason.Content, refused.Reason);
        Assert.True(AliceMayRead);
    }

    /// <summary>A schema and entities that changed with it, in one update: neither fits what is there of the other.</summary>
    [Fact]
    public void Apply_SchemaAndTheEntitiesThatGoWithIt_AppliedTogether()
    {
        const string Old = "entity Role, Document; entity User in [Role] = { age: Long }; action read appliesTo { principal: User, resource: Document };";
        const string New = "entity Role, Document; entity User in [Role] = { name: String }; action read appliesTo { principal: User, resource: Document };";
        Assert.All(Apply(5, _control.Policies(4, Readers, Old), _control.Entities(5, AliceWith("\"age\": 1"))), o => Assert.True(o.IsApplied));
        var change = _control.Change(EntityData.Type, 6, 5, ("entities.json", AliceWith("\"name\": \"Alice\"")));
        Assert.All(Apply(7, _control.Policies(7, $"{Readers} forbid (principal, action, resource) when {{ principal.name == \"Alice\" }};", New), change), o => Assert.True(o.IsApplied, string.Join('\n', o.Faults)));
        Assert.Equal(7UL, _cache.Current!.Revision.Number);
        Assert.False(AliceMayRead);

        // Where they do not fit together either, each is what it would be by itself, and the reasons are told.
        var outcomes = Apply(9, _control.Policies(8, Readers, Old), _control.Change(EntityData.Type, 9, 6, ("entities.json", AliceWith("\"name\": \"Alicia\""))));
        Assert.Equal([(PolicyData.Type, false), (EntityData.Type, true)], outcomes.Select(o => (o.Type, o.IsApplied)));
        Assert.True(AliceMayRead);

        static string AliceWith(string attributes) => $$"""[{"uid": {"type": "User", "id": "alice"}, "attrs": { {{attributes}} }, "parents": [{"type": "Role", "id": "reader"}]}]""";
    }

    /// <summary>A heartbeat of before, sent again: it says nothing about what is held, and takes nothing away.</summary>
    [Fact]
    public void Heartbeat_WithLessThanIsHeld_ConfirmsNothingAndKeepsIt()
    {
        Apply(5, _control.Policies(4), _control.Entities(5));
        _time.Advance(TimeSpan.FromSeconds(30));
        Assert.False(_applier.Apply(_control.SignHeartbeat(3, (PolicyData.Type, 4), (EntityData.Type, 3))).IsCurrent);
        Assert.Equal([(BundleApplier.ToWire(PolicyData.Type), _control.At(4)), (BundleApplier.ToWire(EntityData.Type), _control.At(5))], _applier.Held.Select(h => (h.Type, h.Revision)));
        Assert.Equal((0, 30), (AgeOf(PolicyData.Type), AgeOf(EntityData.Type)));
    }

    /// <summary>The control plane was restored from a backup: it has less than it had, by smaller numbers, and that is what counts.</summary>
    [Fact]
    public void Apply_LaterHistory_TakesThePlaceOfWhateverIsThere()
    {
        Apply(26, _control.Policies(24), _control.Entities(26));
        var before = _control.At(26);
        BeginHistory();
        Assert.All(Apply(15, _control.Policies(4), _control.Entities(15, "[]")), o => Assert.True(o.IsApplied));
        Assert.Equal(_control.At(15), _cache.Current!.Revision.ToString());
        Assert.False(AliceMayRead);
        Assert.True(Revision.TryParse(before, out var lost) && lost < _cache.Current.Revision);
    }

    /// <summary>Whoever is on the way of the stream can send again what was signed once. It must not undo a restore.</summary>
    [Fact]
    public void Apply_EarlierHistory_Refused()
    {
        Apply(5, _control.Policies(4), _control.Entities(5));
        var again = _control.Sign(_control.Entities(100));
        var heartbeat = _control.SignHeartbeat(100, (PolicyData.Type, 4), (EntityData.Type, 100));
        BeginHistory();
        Apply(6, _control.Policies(1), _control.Entities(6, "[]"));
        var outcome = Assert.Single(_control.Send(_applier, new Update { Bundles = { again }, Heartbeat = heartbeat }));
        Assert.Equal(NackReason.Revision, outcome.Reason);
        Assert.Equal(_control.At(6), _cache.Current!.Revision.ToString());
        Assert.False(AliceMayRead);
    }

    /// <summary>What changes a revision of another history changes something else.</summary>
    [Fact]
    public void Apply_ChangeOfAnotherHistory_AsksForEverything()
    {
        Apply(5, _control.Policies(4), _control.Entities(5));
        BeginHistory();
        Assert.Equal(NackReason.Base, Assert.Single(Apply(6, _control.Change(EntityData.Type, 6, 5, ("entities.json", "[]")))).Reason);
        Assert.True(AliceMayRead);
    }

    /// <summary>Some of a new history was refused: what there is is of neither, and no revision of either is reached.</summary>
    [Fact]
    public void Apply_LaterHistoryOfWhichSomeIsRefused_ReachesNoRevision()
    {
        Apply(26, _control.Policies(24), _control.Entities(26));
        var before = _cache.Current!.Revision;
        BeginHistory();
        Assert.Equal([false, true], Apply(15, _control.Policies(4, "permit ("), _control.Entities(15, "[]")).Select(o => o.IsApplied));
        Assert.False(AliceMayRead);
        Assert.Equal(_control.At(0), _cache.Current.Revision.ToString());
        Assert.False(before.IsIn(_cache.Current.Revision));
    }

    [Fact]
    public void Add_PartsWithoutEnd_EndTheStream()
    {
        var part = new Part { Content = UnsafeByteOperations.UnsafeWrap(new byte[64 * 1024 * 1024]) };
        Assert.Throws<InvalidDataException>(() =>
        {
            for (var i = 0; i < 10; i++)
            {
                _applier.Add(part);
            }
        });
    }

    /// <summary>A connection that breaks off again and again must not fill up what a whole one needs.</summary>
    [Fact]
    public void Add_PartsOfManyStreamsThatBrokeOff_Forgotten()
    {
        var part = new Part { Content = UnsafeByteOperations.UnsafeWrap(new byte[100 * 1024 * 1024]) };
        for (var i = 0; i < 5; i++)
        {
            _applier.BeginStream(signingKeyId: null);
            _applier.Add(part);
            _applier.Add(part);
        }
    }

    /// <summary>Whoever sees a snapshot learns its age, from the first moment on.</summary>
    [Fact]
    public void Apply_First_IsFreshWhenItIsPublished()
    {
        var age = TimeSpan.MaxValue;
        _cache.Published += _ => age = _cache.AgesAt(_time.GetUtcNow()).Of(PolicyData.Type);
        Apply(7, _control.Policies(6), _control.Entities(5));
        Assert.Equal(TimeSpan.Zero, age);
    }

    public void Dispose()
    {
        _keys.Dispose();
        _control.Dispose();
        _otherKey.Dispose();
        _folder.Dispose();
    }

    private static VerifiedToken Token(string subject, string jti, long issuedAt) => new()
    {
        Issuer = new AuthSidecar.Tokens.Issuer { Name = "i", Keys = KeySet.Empty, Audiences = [] },
        Subject = subject,
        TokenId = jti,
        IssuedAt = issuedAt,
        ExpiresAt = long.MaxValue,
        Audiences = [],
        ClaimsUtf8 = [],
    };

    private static string Factors(params (string Subject, string Id)[] factors) =>
        $$"""{"factors": [{{string.Join(", ", factors.Select(f => $$"""{"subject": "User::\"{{f.Subject}}\"", "id": "{{f.Id}}", "backupCodeSha256": ["{{Convert.ToBase64String(new byte[32])}}"]}"""))}}]}""";

    private static readonly Dictionary<string, (NackReason Reason, Func<BundleApplierTests, Signed> Make)> Hostile = new()
    {
        ["nothing at all"] = (NackReason.Signature, _ => new Signed()),
        ["signed by another key under our key's name"] = (NackReason.Signature, t => TestControlPlane.Sign("authsidecar-bundle-v1", t._control.Policies(9).ToByteString(), t._otherKey, TestControlPlane.KeyIdOf(t._control.Key))),
        ["signed by a key of its own"] = (NackReason.Signature, t => TestControlPlane.Sign("authsidecar-bundle-v1", t._control.Policies(9).ToByteString(), t._otherKey)),
        ["signed as a heartbeat"] = (NackReason.Signature, t => TestControlPlane.Sign("authsidecar-heartbeat-v1", t._control.Policies(9).ToByteString(), t._control.Key)),
        ["signed without a purpose"] = (NackReason.Signature, t => TestControlPlane.Sign("", t._control.Policies(9).ToByteString(), t._control.Key)),
        ["altered by a bit"] = (NackReason.Signature, t => Altered(t._control.Sign(t._control.Policies(9)), s => s.Content = Flip(s.Content))),
        ["its signature altered by a bit"] = (NackReason.Signature, t => Altered(t._control.Sign(t._control.Policies(9)), s => s.Signature = Flip(s.Signature))),
        ["its signature in DER"] = (NackReason.Signature, t => Altered(t._control.Sign(t._control.Policies(9)), s => s.Signature = ByteString.CopyFrom(t._control.Key.SignData(s.Content.Span, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence)))),
        ["for another application"] = (NackReason.Placement, t => t._control.Sign(Altered(t._control.Policies(9), b => b.Placement.Application = "invoices"))),
        ["for a tenant"] = (NackReason.Placement, t => t._control.Sign(Altered(t._control.Policies(9), b => b.Placement.Tenant = "acme"))),
        ["for nobody"] = (NackReason.Placement, t => t._control.Sign(Altered(t._control.Policies(9), b => b.Placement = null))),
        ["an older revision"] = (NackReason.Revision, t => t._control.Sign(t._control.Policies(3))),
        ["the same revision"] = (NackReason.Revision, t => t._control.Sign(t._control.Policies(4, "forbid (principal, action, resource);"))),
        ["expired"] = (NackReason.Expired, t => t._control.Sign(Altered(t._control.Policies(9), b => b.ExpiresAt = Timestamp.FromDateTimeOffset(Now)))),
        ["without an end"] = (NackReason.Expired, t => t._control.Sign(Altered(t._control.Policies(9), b => b.ExpiresAt = null))),
        ["from the future"] = (NackReason.Expired, t => t._control.Sign(Altered(t._control.Policies(9), b => b.CreatedAt = Timestamp.FromDateTimeOffset(Now.AddMinutes(2))))),
        ["without a beginning"] = (NackReason.Expired, t => t._control.Sign(Altered(t._control.Policies(9), b => b.CreatedAt = null))),
        ["a change of what is not there"] = (NackReason.Base, t => t._control.Sign(Altered(t._control.Entities(9), b => b.BaseRevision = t._control.At(4)))),
        ["a part never sent"] = (NackReason.Content, t => t._control.Sign(Altered(t._control.Policies(9), b => b.Documents[0].Parts.Add(ByteString.CopyFrom(new byte[32]))))),
        ["a document twice"] = (NackReason.Content, t => t._control.Sign(Altered(t._control.Policies(9), b => b.Documents.Add(b.Documents[0].Clone())))),
        ["policies that are none"] = (NackReason.Content, t => t._control.Sign(t._control.Policies(9, "permit ("))),
        ["policies that do not validate"] = (NackReason.Content, t => t._control.Sign(t._control.Policies(9, Readers, "entity User;"))),
        ["a schema that is none"] = (NackReason.Content, t => t._control.Sign(t._control.Policies(9, Readers, "entity"))),
        ["entities that are none"] = (NackReason.Content, t => t._control.Sign(t._control.Entities(9, "{}"))),
        ["entities in a circle"] = (NackReason.Content, t => t._control.Sign(t._control.Entities(9, """[{"uid": {"type": "A", "id": "a"}, "attrs": {}, "parents": [{"type": "A", "id": "b"}]}, {"uid": {"type": "A", "id": "b"}, "attrs": {}, "parents": [{"type": "A", "id": "a"}]}]"""))),
        ["entities in no document"] = (NackReason.Content, t => t._control.Sign(Altered(t._control.Entities(9), b => b.Documents.Clear()))),
        ["a removed entity that is no uid"] = (NackReason.Content, t => t._control.Sign(Altered(t._control.Entities(9), b => b.Removed.Add("alice")))),
        ["a type that nobody knows"] = (NackReason.Content, t => t._control.Sign(Altered(t._control.Policies(9), b => b.Type = (ControlPlane.V1.DataType)77))),
    };

    private void BeginHistory() => _control.History = History.Begin(Now, _control.History);

    private int AgeOf(DataType type) => (int)_cache.AgesAt(_time.GetUtcNow()).Of(type).TotalSeconds;

    private IReadOnlyList<BundleOutcome> Apply(ulong revision, params Bundle[] bundles) => _control.Send(_applier, revision, bundles);

    private static T Altered<T>(T message, Action<T> alter)
    {
        alter(message);
        return message;
    }

    private static ByteString Flip(ByteString bytes)
    {
        var flipped = bytes.ToByteArray();
        flipped[^1] ^= 1;
        return ByteString.CopyFrom(flipped);
    }
}
