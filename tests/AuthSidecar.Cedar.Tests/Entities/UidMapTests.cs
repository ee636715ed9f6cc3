using CsCheck;

namespace AuthSidecar.Cedar.Tests.Entities;

public sealed class UidMapTests
{
    private static readonly Gen<EntityUid> Uid = Gen.Int[0, 2_000].Select(i => new EntityUid("T", $"{i}"));

    /// <summary>Adds, replaces and removes, against a dictionary; and what was a map before stays as it was.</summary>
    [Fact]
    public void Editor_AnyChanges_LeavesWhatADictionaryLeavesAndTheOldMapAlone()
    {
        var change = Gen.Select(Uid, Gen.Bool, Gen.String, (uid, isRemoved, value) => (Uid: uid, Value: isRemoved ? null : value));
        change.Array[0, 1_500].Array[1, 4].Sample(
            rounds =>
            {
                var map = SharedUidMap<string>.Empty;
                var expected = new Dictionary<EntityUid, string>();
                foreach (var changes in rounds)
                {
                    var before = (Map: map, Items: new Dictionary<EntityUid, string>(expected));
                    var editor = new SharedUidMap<string>.Editor(map, changes.Length);
                    foreach (var (uid, value) in changes)
                    {
                        if (value is null)
                        {
                            editor.Remove(uid);
                            expected.Remove(uid);
                        }
                        else
                        {
                            editor.Set(uid, value);
                            expected[uid] = value;
                        }
                    }

                    map = editor.ToMap();
                    AssertSame(before.Items, before.Map);
                    AssertSame(expected, map);
                }
            },
            iter: 300);
    }

    [Fact]
    public void Find_ByNames_IsTheObjectInTheMap()
    {
        var editor = new SharedUidMap<string>.Editor(SharedUidMap<string>.Empty, 3);
        EntityUid[] uids = [new("T", ""), new("N::T", "x"), new("T", "a rather long id, of more than one block")];
        foreach (var uid in uids)
        {
            editor.Set(uid, uid.Id);
        }

        var map = editor.ToMap();
        Assert.All(uids, u => Assert.Same(u, map.Find(u.Type, u.Id)));
        Assert.Null(map.Find("T", "x"));
        Assert.Null(map.Find("N::T", ""));
    }

    private static void AssertSame(Dictionary<EntityUid, string> expected, SharedUidMap<string> map)
    {
        Assert.Equal(expected.Count, map.Count);
        Assert.Equal(expected.Values.Order(StringComparer.Ordinal), map.Values.Order(StringComparer.Ordinal));
        for (var i = 0; i <= 2_000; i++)
        {
            var uid = new EntityUid("T", $"{i}");
            Assert.Equal(expected.GetValueOrDefault(uid), map.TryGet(uid, out var value) ? value : null);
        }
    }
}
