using System.Text;
using AuthSidecar.Cedar;
using BenchmarkDotNet.Attributes;

namespace Benchmarks.Cedar;

/// <summary>A million users, each in three of ten thousand teams, which lie in departments, and these in divisions.</summary>
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
