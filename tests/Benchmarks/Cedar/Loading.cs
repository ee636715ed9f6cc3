using System.Text;
using AuthSidecar.Cedar;
using BenchmarkDotNet.Attributes;

namespace Benchmarks.Cedar;

/// <summary>What it takes to bring policies into force.</summary>
[MemoryDiagnoser]
public class Loading
{
    private const int Count = 10_000;

    private byte[] _policy = [];
    private byte[] _policies = [];
    private byte[] _schema = [];

    [GlobalSetup]
    public void Setup()
    {
        _policy = Encoding.UTF8.GetBytes(PolicyOf(1234));
        _policies = Encoding.UTF8.GetBytes(string.Join('\n', Enumerable.Range(0, Count).Select(PolicyOf)));
        _schema = """
            entity Team, Folder;
            entity User in [Team] = { tenant: String };
            entity Document in [Folder] = { tenant: String, isPublic: Bool, editors: Set<Team> };
            action read, write appliesTo { principal: User, resource: Document, context: { ip?: ipaddr } };
            """u8.ToArray();
        if (!ParseValidateCompile())
        {
            throw new InvalidOperationException("the policies are valid");
        }
    }

    /// <summary>A text of one policy, of 380 bytes: parsed, compiled and indexed.</summary>
    [Benchmark]
    public bool ParsePolicy() => PolicySet.TryParse(new SourceText("policy", _policy), out _, out _);

    /// <summary>The same of ten thousand in one text, for each: most of it is the collector's, since all of it stays.</summary>
    [Benchmark(OperationsPerInvoke = Count)]
    public bool ParseManyPolicies() => PolicySet.TryParse(new SourceText("policies", _policies), out _, out _);

    /// <summary>Ten thousand policies and their schema: parsed, strictly validated, compiled and indexed.</summary>
    [Benchmark]
    public bool ParseValidateCompile()
    {
        Schema.TryParse(new SourceText("schema", _schema), out var schema, out _);
        return PolicySet.TryParse(new SourceText("policies", _policies), out var policies, out _)
            && new Validator(schema!).Validate(policies).IsValid;
    }

    private static string PolicyOf(int i) => $$"""
        // What members of team {{i}} may do in their folder.
        @id("team-{{i}}")
        {{(i % 10 == 0 ? "forbid" : "permit")}} (
          principal in Team::"team_{{i}}",
          action in [Action::"read", Action::"write"],
          resource is Document in Folder::"folder_{{i}}"
        )
        when { resource.tenant == principal.tenant && (resource.isPublic || principal in resource.editors) }
        unless { context has ip && context.ip.isInRange(ip("10.{{i % 256}}.0.0/16")) };
        """;
}
