using AuthSidecar.Cedar;
using BenchmarkDotNet.Attributes;

namespace Benchmarks.Cedar;

/// <summary>One decision, with everything it tells: decision, determining policies, errors.</summary>
[MemoryDiagnoser]
[ProcessCount(3)]
public class Decisions
{
    private Model _model = null!;
    private Request[] _requests = null!;

    [ParamsSource(nameof(Models))]
    public string Of { get; set; } = "drive";

    public static string[] Models => Model.Names;

    [Params(5, 20, 50)]
    public int N { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _model = Model.Create(Of, N);
        _requests = [.. _model.Questions.Select(ToRequest)];
    }

    [Benchmark(OperationsPerInvoke = Model.QuestionCount)]
    public int FromStrings()
    {
        var allowed = 0;
        foreach (var question in _model.Questions)
        {
            allowed += (int)Authorizer.IsAuthorized(_model.Policies, _model.Entities, ToRequest(question)).Decision;
        }

        return allowed;
    }

    [Benchmark(OperationsPerInvoke = Model.QuestionCount)]
    public int FromUids()
    {
        var allowed = 0;
        foreach (var request in _requests)
        {
            allowed += (int)Authorizer.IsAuthorized(_model.Policies, _model.Entities, request).Decision;
        }

        return allowed;
    }

    private Request ToRequest(Question question)
    {
        _model.Entities.TryGetUid(question.PrincipalType, question.Principal, out var principal);
        _model.Entities.TryGetUid("Action", question.Action, out var action);
        _model.Entities.TryGetUid(question.ResourceType, question.Resource, out var resource);
        return new Request(principal!, action!, resource!, ValueRecord.Empty);
    }
}
