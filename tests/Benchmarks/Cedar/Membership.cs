using AuthSidecar.Cedar;
using BenchmarkDotNet.Attributes;

namespace Benchmarks.Cedar;

/// <summary>Membership of a thousand users in the group at the top, 1 or 20 levels up, and in one that they are not in.</summary>
[ProcessCount(3)]
public class Membership
{
    private const int Users = 1000;

    private EntityStore _store = EntityStore.Empty;
    private EntityUid[] _users = [];
    private readonly EntityUid _other = new("Group", "other");
    private EntityUid _top = new("Group", "top");

    [Params(1, 20)]
    public int Levels { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        // Three chains to the top, side by side.
        var groups = Enumerable.Range(0, 3 * Levels).Select(i => Entity("Group", Name(i % 3, i / 3), Name(i % 3, (i / 3) + 1)));
        var users = Enumerable.Range(0, Users).Select(i => Entity("User", $"user_{i}", Name(0, 1), Name(1, 1), Name(2, 1)));
        EntityStore.TryParse(SourceText.Of($"[{string.Join(',', groups.Concat(users))}]"), out var store, out _);
        _store = store!;
        _users = [.. _store.Entities.Select(e => e.Uid).Where(u => u.Type == "User")];
        _top = new EntityUid("Group", Name(0, Levels));
        if (!_users.All(u => _store.IsIn(u, _top)) || _users.Any(u => _store.IsIn(u, _other)))
        {
            throw new InvalidOperationException("all are in the top group, and none is in the other");
        }
    }

    [Benchmark(OperationsPerInvoke = 2 * Users)]
    public int IsIn()
    {
        var members = 0;
        foreach (var user in _users)
        {
            members += _store.IsIn(user, _top) ? 1 : 0;
            members += _store.IsIn(user, _other) ? 1 : 0;
        }

        return members;
    }

    private string Name(int chain, int level) => level == Levels ? "top" : $"{chain}_{level}";

    private static string Entity(string type, string id, params string[] parents) => $$"""
        {"uid": {"type": "{{type}}", "id": "{{id}}"}, "attrs": {}, "parents": [{{string.Join(',', parents.Distinct().Select(p => $$"""{"type":"Group","id":"{{p}}"}"""))}}]}
        """;
}
