using System.CommandLine;
using System.Text.Json;
using AuthSidecar.Cedar;
using AuthSidecar.Decisions;

namespace AuthSidecar.Cli.Policies;

/// <summary>
/// <c>policy authorize</c>: decides one request, of files and options; or with <c>--batch</c> many, of which each <c>{"policies", "schema"?, "entities", "request": {"principal", "action", "resource", "context"}}</c> is answered
/// by <c>{"decision", "reasons", "errors"}</c>.
/// </summary>
internal static class AuthorizeCommand
{
    public static Command Create()
    {
        var options = new RequestOptions();
        var command = Batch.Command("authorize", "Decides requests as a sidecar does. Exit code: 0 allow, 1 deny, 3 step_up, 2 error.", Answer, parsed => Print(options.Read(parsed), Console.Out));
        options.AddTo(command);
        return command;
    }

    private static int Print(Question question, TextWriter output)
    {
        var response = Authorizer.IsAuthorized(question.Policies, question.Entities, question.Request);
        var (outcome, _) = DecisionPoint.Judge(response, question.Rules);
        output.WriteLine(Outcomes.WordOf(outcome));
        foreach (var method in outcome == Outcome.StepUp ? Outcomes.StepUpsOf(response, question.Rules) : [])
        {
            output.WriteLine($"  step up with: {method}");
        }

        foreach (var policy in response.Reasons)
        {
            output.WriteLine($"  policy: {policy.Id}");
        }

        foreach (var error in response.Errors)
        {
            output.WriteLine($"  error: {error.Policy.Id}: {error.ToError().Message}");
        }

        return Outcomes.ExitCodeOf(outcome);
    }

    public static void Answer(JsonElement question, Utf8JsonWriter answer)
    {
        var policies = Batch.GetPolicies(question);
        var schema = Batch.GetSchema(question);
        var entities = Batch.GetEntities(question, schema);
        var request = GetRequest(Batch.Get(question, "request"), schema);
        if (schema?.Check(request) is { } mismatch)
        {
            throw new UsageException($"the request does not conform to the schema: {mismatch}");
        }

        var response = Authorizer.IsAuthorized(policies, entities, request);
        answer.WriteString("decision", response.Decision == Decision.Allow ? "allow" : "deny");
        Batch.WriteStrings(answer, "reasons", response.Reasons.Select(p => p.Id));
        Batch.WriteStrings(answer, "errors", response.Errors.Select(e => e.Policy.Id));
    }

    public static Request GetRequest(JsonElement request, Schema? schema)
    {
        var action = Batch.GetUid(request, "action");
        var context = Batch.Has(request, "context") ? Batch.GetContext(request, schema?.Actions.GetValueOrDefault(action)) : ValueRecord.Empty;
        return new Request(Batch.GetUid(request, "principal"), action, Batch.GetUid(request, "resource"), context);
    }
}
