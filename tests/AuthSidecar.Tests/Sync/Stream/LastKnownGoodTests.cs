using AuthSidecar.ControlPlane.V1;
using AuthSidecar.Snapshots;
using AuthSidecar.Sync.Stream;
using AuthSidecar.Tests.Testing;
using Microsoft.Extensions.Logging.Testing;
using Microsoft.Extensions.Time.Testing;

namespace AuthSidecar.Tests.Sync.Stream;

/// <summary>A sidecar begins with what it had, says how old that is, and believes none of it that is not to be believed.</summary>
public sealed class LastKnownGoodTests : IDisposable
{
    private static readonly DateTimeOffset Now = new(2026, 11, 24, 12, 0, 0, TimeSpan.Zero);

    private readonly TemporaryFolder _folder = new();
    private readonly FakeTimeProvider _time = new(Now);
    private readonly TestControlPlane _control;
    private readonly PinnedKeys _keys;

    public LastKnownGoodTests()
    {
        _control = new TestControlPlane(_time);
        _keys = _control.ReadKeys();
    }

    [Fact]
    public void Restore_WhatWasSaved_ServesItAtItsAge()
    {
        var before = new Sidecar(this);
        _control.Send(before.Applier, 5, _control.Policies(4), _control.Entities(5));
        _control.Send(before.Applier, 7, _control.Change(EntityData.Type, 7, 5, ("entities.json", Bob)));
        before.Kept.Save();
        _time.Advance(TimeSpan.FromMinutes(10));

        var after = new Sidecar(this);
        Assert.Null(after.Applier.Restore());
        Assert.Equal((4UL, 7UL), (after.Cache.Current!.Policies.Revision.Number, after.Cache.Current!.Entities.Revision.Number));
        Assert.True(after.Cache.Current!.Entities.Value.Store.TryGetEntity(new("User", "alice"), out _));
        Assert.True(after.Cache.Current!.Entities.Value.Store.TryGetEntity(new("User", "bob"), out _));
        Assert.Equal(_control.At(7), after.Cache.Current!.Revision.ToString());
        Assert.Equal(TimeSpan.FromMinutes(10), after.AgeOf(PolicyData.Type));
        Assert.Equal(TimeSpan.FromMinutes(10), after.AgeOf(RevocationData.Type));

        // And goes on from there: a change of what was restored is applied.
        Assert.True(Assert.Single(_control.Send(after.Applier, 8, _control.Change(EntityData.Type, 8, 7, ("entities.json", "[]")))).IsApplied);
        Assert.Equal(8UL, after.Cache.Current!.Revision.Number);
        Assert.Equal(TimeSpan.Zero, after.AgeOf(PolicyData.Type));
    }

    /// <summary>What others wrote counts as well: a caller may have seen its revision, and a restart must not go back behind it.</summary>
    [Fact]
    public void Restore_RevisionThatAHeartbeatReached_IsKept()
    {
        var before = new Sidecar(this);
        _control.Send(before.Applier, 5, _control.Policies(4), _control.Entities(5));
        before.Kept.Save();
        Assert.True(before.Applier.Apply(_control.SignHeartbeat(514, (PolicyData.Type, 4), (EntityData.Type, 5))).IsCurrent);
        before.Kept.Save();
        var after = new Sidecar(this);
        Assert.Null(after.Applier.Restore());
        Assert.Equal(_control.At(514), after.Cache.Current!.Revision.ToString());
    }

    /// <summary>A sidecar that was away while its control plane was restored knows from what is on its disk in which history that is.</summary>
    [Fact]
    public void Restore_AndThenALaterHistory_TakesThePlaceOfWhatWasKept()
    {
        var before = new Sidecar(this);
        _control.Send(before.Applier, 26, _control.Policies(4), _control.Entities(26));
        before.Kept.Save();
        var after = new Sidecar(this);
        Assert.Null(after.Applier.Restore());
        Assert.Equal(_control.At(26), after.Applier.Held.Single(h => h.Type == BundleApplier.ToWire(EntityData.Type)).Revision);
        _control.History = History.Begin(Now, _control.History);
        Assert.All(_control.Send(after.Applier, 15, _control.Policies(4), _control.Entities(15, "[]")), o => Assert.True(o.IsApplied));
        after.Kept.Save();

        var later = new Sidecar(this);
        Assert.Null(later.Applier.Restore());
        Assert.Equal(_control.At(15), later.Cache.Current!.Revision.ToString());
        Assert.False(later.Cache.Current!.Entities.Value.Store.TryGetEntity(new("User", "alice"), out _));
    }

    /// <summary>What has long expired may have been current all the while: its heartbeats say.</summary>
    [Fact]
    public void Restore_BundleThatExpiredSince_AsOldAsItsLastHeartbeat()
    {
        var before = new Sidecar(this);
        _control.Send(before.Applier, 5, _control.Policies(4), _control.Entities(5));
        _time.Advance(TimeSpan.FromDays(3));
        before.Applier.Apply(_control.SignHeartbeat(6, (PolicyData.Type, 4), (EntityData.Type, 5)));
        before.Kept.Save();
        _time.Advance(TimeSpan.FromSeconds(20));
        var after = new Sidecar(this);
        Assert.Null(after.Applier.Restore());
        Assert.Equal(TimeSpan.FromSeconds(20), after.AgeOf(PolicyData.Type));
    }

    /// <summary>One type's confirmation does not count for another, not across a restart either.</summary>
    [Fact]
    public void Restore_TypesConfirmedAtDifferentTimes_EachHasItsAge()
    {
        var before = new Sidecar(this);
        _control.Send(before.Applier, 5, _control.Policies(4), _control.Entities(5));
        _time.Advance(TimeSpan.FromHours(1));
        before.Applier.Apply(_control.SignHeartbeat(6, (PolicyData.Type, 6), (EntityData.Type, 5)));
        before.Kept.Save();
        _time.Advance(TimeSpan.FromHours(1));
        var after = new Sidecar(this);
        Assert.Null(after.Applier.Restore());
        Assert.Equal((TimeSpan.FromHours(2), TimeSpan.FromHours(1)), (after.AgeOf(PolicyData.Type), after.AgeOf(EntityData.Type)));
    }

    [Fact]
    public void Restore_Nothing_ServesNothing()
    {
        var sidecar = new Sidecar(this);
        Assert.Null(sidecar.Applier.Restore());
        Assert.Null(sidecar.Cache.Current);
    }

    public static TheoryData<string> Files => ["index", "policies-000100000000.4", "entities-000100000000.5", "entities-000100000000.7-change"];

    [Theory]
    [MemberData(nameof(Files))]
    public void Restore_FileTruncatedFlippedMissingOrSwapped_NothingOfItIsUsed(string name)
    {
        Save();
        var path = Path.Combine(_folder["kept"], name);
        var bytes = File.ReadAllBytes(path);
        for (var length = 0; length < bytes.Length; length += 7)
        {
            AssertNotRestored(bytes[..length]);
        }

        for (var i = 0; i < bytes.Length; i += 5)
        {
            var flipped = bytes.ToArray();
            flipped[i] ^= 0x10;
            AssertNotRestored(flipped);
        }

        AssertNotRestored([.. bytes, 0]);
        AssertNotRestored(File.ReadAllBytes(Path.Combine(_folder["kept"], name == "index" ? "policies-000100000000.4" : "index")));
        if (name != "index")
        {
            File.Delete(path);
            AssertNotRestored(null);
        }

        File.WriteAllBytes(path, bytes);
        Assert.Null(new Sidecar(this).Applier.Restore());

        void AssertNotRestored(byte[]? content)
        {
            if (content is not null)
            {
                File.WriteAllBytes(path, content);
            }

            var sidecar = new Sidecar(this);
            Assert.NotNull(sidecar.Applier.Restore());
            Assert.Null(sidecar.Cache.Current);
            Assert.Empty(sidecar.Applier.Held);
        }
    }

    [Fact]
    public void Restore_EncryptedWithAnotherKey_NothingOfItIsUsed()
    {
        Save();
        var sidecar = new Sidecar(this, key: 2);
        Assert.Equal("the file was altered, or encrypted with another key", sidecar.Applier.Restore());
        Assert.Null(sidecar.Cache.Current);
    }

    [Fact]
    public void Restore_SignedByAnotherControlPlane_NothingOfItIsUsed()
    {
        Save();
        using var other = new TestControlPlane(_time);
        using var keys = other.ReadKeys();
        var sidecar = new Sidecar(this, keys: keys);
        Assert.NotNull(sidecar.Applier.Restore());
        Assert.Null(sidecar.Cache.Current);
        // And the stream of that other control plane begins from nothing.
        Assert.All(other.Send(sidecar.Applier, 2, other.Policies(1), other.Entities(2)), o => Assert.True(o.IsApplied));
    }

    [Fact]
    public void Restore_OfAnotherApplication_NothingOfItIsUsed()
    {
        Save();
        var sidecar = new Sidecar(this, placement: new global::AuthSidecar.Sync.Stream.Placement("invoices", ""));
        Assert.NotNull(sidecar.Applier.Restore());
        Assert.Null(sidecar.Cache.Current);
    }

    [Fact]
    public void Restore_FromTheFuture_NothingOfItIsUsed()
    {
        _time.SetUtcNow(Now.AddHours(2));
        Save();
        var past = new FakeTimeProvider(Now);
        var sidecar = new Sidecar(this, time: past);
        Assert.NotNull(sidecar.Applier.Restore());
        Assert.Null(sidecar.Cache.Current);
    }

    [Fact]
    public void Save_ChangesThatOutgrowWhatTheyChange_EverythingIsAskedForAndReplacesThem()
    {
        var sidecar = new Sidecar(this);
        _control.Send(sidecar.Applier, 2, _control.Policies(1), _control.Entities(2));
        var revision = 2UL;
        var long_ = $$$"""[{"uid": {"type": "User", "id": "bob"}, "attrs": {"note": "{{{new string('x', 200_000)}}}"}, "parents": []}]""";
        BundleOutcome outcome;
        do
        {
            outcome = Assert.Single(_control.Send(sidecar.Applier, revision + 1, _control.Change(EntityData.Type, revision + 1, revision, ("entities.json", long_))));
            Assert.True(outcome.IsApplied);
            revision++;
        }
        while (!outcome.RequestsFullState);
        Assert.InRange(revision, 7UL, 9UL);

        // Asked once; and what comes may be of the same revision, but only because it was asked for.
        outcome = Assert.Single(_control.Send(sidecar.Applier, revision, _control.Entities(revision)));
        Assert.Equal((true, false), (outcome.IsApplied, outcome.RequestsFullState));
        Assert.Equal(NackReason.Revision, Assert.Single(_control.Send(sidecar.Applier, revision, _control.Entities(revision, "[]"))).Reason);
        sidecar.Kept.Save();
        Assert.Equal([$"entities-{_control.At(revision)}", "index", $"policies-{_control.At(1)}"], Directory.EnumerateFiles(_folder["kept"]).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        Assert.Null(new Sidecar(this).Applier.Restore());
    }

    /// <summary>Entities before the last schema need not have conformed to it, and the ones that there are do.</summary>
    [Fact]
    public void Restore_AcrossAChangeOfTheSchema_ServesIt()
    {
        const string Old = "entity Role, Document; entity User in [Role] = { age: Long }; action read appliesTo { principal: User, resource: Document };";
        const string New = "entity Role, Document; entity User in [Role]; action read appliesTo { principal: User, resource: Document };";
        const string Aged = """[{"uid": {"type": "User", "id": "alice"}, "attrs": {"age": 1}, "parents": []}]""";
        var before = new Sidecar(this);
        _control.Send(before.Applier, 5, _control.Policies(4, TestControlPlane.Readers, Old), _control.Entities(5, Aged));
        var outcomes = _control.Send(
            before.Applier, 7, _control.Policies(7, TestControlPlane.Readers, New), _control.Change(EntityData.Type, 6, 5, ("entities.json", TestControlPlane.Alice)));
        Assert.All(outcomes, o => Assert.True(o.IsApplied, string.Join('\n', o.Faults)));
        before.Kept.Save();
        var after = new Sidecar(this);
        Assert.Null(after.Applier.Restore());
        Assert.Equal((7UL, 6UL), (after.Cache.Current!.Policies.Revision.Number, after.Cache.Current!.Entities.Revision.Number));
    }

    /// <summary>However much there is: it is kept, and not asked for again and again.</summary>
    [Fact]
    public void Save_MoreThanMayWait_InFull_IsKeptAndNotAskedForAgain()
    {
        var sidecar = new Sidecar(this);
        var large = _control.NewBundle(RevocationData.Type, 5, ("revocations.json", "{}" + new string(' ', 70 * 1024 * 1024)));
        var outcome = Assert.Single(_control.Send(sidecar.Applier, 5, large));
        Assert.Equal((true, false), (outcome.IsApplied, outcome.RequestsFullState));
        sidecar.Kept.Save();
        var after = new Sidecar(this);
        Assert.Null(after.Applier.Restore());
        Assert.Equal(5UL, after.Cache.Current!.Revocations.Revision.Number);
    }

    /// <summary>What was asked for on a stream that broke off never comes: it is asked for again on the next.</summary>
    [Fact]
    public void BeginStream_AfterOneThatBrokeOff_AsksAgain()
    {
        var sidecar = new Sidecar(this);
        _control.Send(sidecar.Applier, 2, _control.Policies(1), _control.Entities(2));
        var long_ = $$$"""[{"uid": {"type": "User", "id": "bob"}, "attrs": {"note": "{{{new string('x', 1_200_000)}}}"}, "parents": []}]""";
        Assert.True(Assert.Single(_control.Send(sidecar.Applier, 3, _control.Change(EntityData.Type, 3, 2, ("entities.json", long_)))).RequestsFullState);
        Assert.False(Assert.Single(_control.Send(sidecar.Applier, 4, _control.Change(EntityData.Type, 4, 3, ("entities.json", long_)))).RequestsFullState);
        sidecar.Applier.BeginStream(signingKeyId: null);
        Assert.True(Assert.Single(_control.Send(sidecar.Applier, 5, _control.Change(EntityData.Type, 5, 4, ("entities.json", long_)))).RequestsFullState);
    }

    /// <summary>A disk that is full, say: what is there stays, the sidecar goes on, and it is tried again.</summary>
    [Fact]
    public void Save_ThatFails_KeepsWhatIsThereAndIsTriedAgain()
    {
        Save();
        var sidecar = new Sidecar(this);
        Assert.Null(sidecar.Applier.Restore());
        // Not even root can write a file where a folder is.
        Directory.CreateDirectory(Path.Combine(_folder["kept"], $"policies-{_control.At(9)}.new"));
        Assert.All(_control.Send(sidecar.Applier, 9, _control.Policies(9, "forbid (principal, action, resource);")), o => Assert.True(o.IsApplied));
        sidecar.Kept.Save();
        sidecar.Kept.Save();
        Assert.Single(sidecar.Logger.Collector.GetSnapshot(), r => r.Id.Name == "LastKnownGoodSaveFailed");
        Assert.Equal(9UL, sidecar.Cache.Current!.Policies.Revision.Number);
        var between = new Sidecar(this);
        Assert.Null(between.Applier.Restore());
        Assert.Equal(4UL, between.Cache.Current!.Policies.Revision.Number);

        Directory.Delete(Path.Combine(_folder["kept"], $"policies-{_control.At(9)}.new"));
        sidecar.Kept.Save();
        var after = new Sidecar(this);
        Assert.Null(after.Applier.Restore());
        Assert.Equal(9UL, after.Cache.Current!.Policies.Revision.Number);
    }

    [Fact]
    public void Save_WithNothingNew_TellsOfItNowAndThen()
    {
        Save();
        var path = Path.Combine(_folder["kept"], "index");
        var sidecar = new Sidecar(this);
        sidecar.Applier.Restore();
        _time.Advance(LastKnownGood.HeartbeatsEvery);
        sidecar.Applier.Apply(_control.SignHeartbeat(7, (PolicyData.Type, 4), (EntityData.Type, 7)));
        sidecar.Kept.Save();
        var written = File.ReadAllBytes(path);
        sidecar.Kept.Save();
        Assert.Equal(written, File.ReadAllBytes(path));
        var after = new Sidecar(this);
        Assert.Null(after.Applier.Restore());
        Assert.Equal(TimeSpan.Zero, after.AgeOf(PolicyData.Type));
    }

    [Fact]
    public void Files_AreTheirOwnersAlone()
    {
        Save();
        Assert.All(Directory.EnumerateFiles(_folder["kept"]), f => Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(f)));
        Assert.All(Directory.EnumerateFiles(_folder["kept"]), f => Assert.DoesNotContain("reader", File.ReadAllText(f), StringComparison.Ordinal));
    }

    public void Dispose()
    {
        _keys.Dispose();
        _control.Dispose();
        _folder.Dispose();
    }

    private const string Bob = """[{"uid": {"type": "User", "id": "bob"}, "attrs": {}, "parents": []}]""";

    private void Save()
    {
        var sidecar = new Sidecar(this);
        _control.Send(sidecar.Applier, 5, _control.Policies(4), _control.Entities(5));
        _control.Send(sidecar.Applier, 7, _control.Change(EntityData.Type, 7, 5, ("entities.json", Bob)));
        sidecar.Kept.Save();
    }

    /// <summary>A sidecar that begins with what is in the folder.</summary>
    private sealed class Sidecar
    {
        private readonly TimeProvider _time;

        public Sidecar(LastKnownGoodTests test, byte key = 1, PinnedKeys? keys = null, global::AuthSidecar.Sync.Stream.Placement? placement = null, TimeProvider? time = null)
        {
            _time = time ?? test._time;
            Kept = new LastKnownGood(test._folder["kept"], [.. Enumerable.Repeat(key, 32)], _time, Logger);
            Cache = new SnapshotCache(_time);
            Applier = new BundleApplier(keys ?? test._keys, placement ?? TestControlPlane.Placement, Cache, Kept, _time);
        }

        public FakeLogger<LastKnownGood> Logger { get; } = new();

        public LastKnownGood Kept { get; }

        public SnapshotCache Cache { get; }

        public BundleApplier Applier { get; }

        public TimeSpan AgeOf(DataType type) => Cache.AgesAt(_time.GetUtcNow()).Of(type);
    }
}
