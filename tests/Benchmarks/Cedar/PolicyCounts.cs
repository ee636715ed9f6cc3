using System.Text;
using AuthSidecar.Cedar;
using BenchmarkDotNet.Attributes;

namespace Benchmarks.Cedar;

/// <summary>A decision among ever more policies, of which as many apply as before: three permits and a forbid.</summary>
[MemoryDiagnoser]
[ProcessCount(3)]
public class PolicyCounts
{
    private PolicySet _policies = PolicySet.Empty;
    private EntityStore _entities = EntityStore.Empty;
    private Request _request;

    [Params(10, 100, 1_000, 10_000)]
    public int Policies { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        var text = new StringBuilder("""
            permit (principal in Team::"team_0", action == Action::"read", resource in Folder::"folder_0");
            permit (principal == User::"user_0", action in [Action::"read", Action::"write"], resource) when { resource.isPublic };
            permit (principal, action == Action::"read", resource is Document) when { resource.owner == principal };
            forbid (principal, action, resource in Folder::"folder_0") unless { context.isInternal };

            """);
        for (var i = 4; i < Policies; i++)
        {
            text.AppendLine($$"""permit (principal in Team::"team_{{i}}", action in [Action::"read", Action::"write"], resource in Folder::"folder_{{i}}") when { !resource.isPublic };""");
        }

        PolicySet.TryParse(SourceText.Of(text.ToString()), out var policies, out _);
        EntityStore.TryParse(SourceText.Of("""
            [{ "uid": { "type": "User", "id": "user_0" }, "attrs": {}, "parents": [{ "type": "Team", "id": "team_0" }] },
             { "uid": { "type": "Document", "id": "document_0" }, "parents": [{ "type": "Folder", "id": "folder_0" }],
               "attrs": { "isPublic": true, "owner": { "__entity": { "type": "User", "id": "user_0" } } } }]
            """), out var entities, out _);
        (_policies, _entities) = (policies!, entities!);
        _entities.TryGetUid("User", "user_0", out var principal);
        _entities.TryGetUid("Document", "document_0", out var resource);
        _request = new Request(principal!, new EntityUid("Action", "read"), resource!, ValueRecord.Create([new("isInternal", Value.True)]));
        if (Authorizer.IsAuthorized(_policies, _entities, _request).Reasons.Length != 3)
        {
            throw new InvalidOperationException("three permits apply");
        }
    }

    [Benchmark]
    public Decision Decide() => Authorizer.IsAuthorized(_policies, _entities, _request).Decision;
}
