using System.Text;
using AuthSidecar.Cedar;
using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Engines;

namespace Benchmarks.Cedar;

/// <summary>A million users, each in three of ten thousand teams, which lie in departments, and these in divisions.</summary>
[SimpleJob(RunStrategy.Monitoring, launchCount: 1, warmupCount: 1, iterationCount: 5)]
public class ManyEntities
{
    public const int Users = 1_000_000;
    private const int Teams = 10_000;

    private byte[] _json = [];
    private SourceText _changes = SourceText.Of("[]");
    private EntityStore _store = EntityStore.Empty;

    [GlobalSetup]
    public void Setup()
    {
        _json = ToJson();
        _store = Load();
        var random = new Random(1);
        _changes = SourceText.Of($"[{string.Join(',', Enumerable.Range(0, 10).Select(_ => User(random.Next(Users), random)))}]");
    }

    [Benchmark]
    public EntityStore Load() =>
        EntityStore.TryParse(new SourceText("entities", _json), out var store, out var faults) ? store : throw new InvalidOperationException(faults[0].ToString());

    /// <summary>Ten users change their teams: a new store, read from JSON.</summary>
    [Benchmark]
    public EntityStore UpdateTen() =>
        _store.TryUpdate(_changes, [], null, out var updated, out var faults) ? updated : throw new InvalidOperationException(faults[0].ToString());

    /// <summary>Bytes of memory that a loaded store takes for each entity.</summary>
    public static double Weigh()
    {
        var json = ToJson();
        var before = GC.GetTotalMemory(forceFullCollection: true);
        EntityStore.TryParse(new SourceText("entities", json), out var store, out _);
        var after = GC.GetTotalMemory(forceFullCollection: true);
        GC.KeepAlive(json);
        return (double)(after - before) / store!.Count;
    }

    private static byte[] ToJson()
    {
        var random = new Random(20241020);
        var json = new StringBuilder("[");
        for (var i = 0; i < Users; i++)
        {
            json.Append(User(i, random)).Append(',');
        }

        for (var i = 0; i < Teams; i++)
        {
            json.Append($$"""{"uid":{"type":"Team","id":"team_{{i}}"},"attrs":{},"parents":[{"type":"Team","id":"department_{{i % 100}}"}]},""");
        }

        for (var i = 0; i < 100; i++)
        {
            json.Append($$"""{"uid":{"type":"Team","id":"department_{{i}}"},"attrs":{},"parents":[{"type":"Team","id":"division_{{i % 10}}"}]}{{(i == 99 ? "]" : ",")}}""");
        }

        return Encoding.UTF8.GetBytes(json.ToString());
    }

    private static string User(int i, Random random)
    {
        var teams = Enumerable.Range(0, 3).Select(_ => $$"""{"type":"Team","id":"team_{{random.Next(Teams)}}"}""");
        return $$"""{"uid":{"type":"User","id":"user_{{i}}"},"attrs":{},"parents":[{{string.Join(',', teams)}}]}""";
    }
}

/// <summary>Membership of a thousand users in the group at the top, 1 or 20 levels up, and in one that they are not in.</summary>
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
