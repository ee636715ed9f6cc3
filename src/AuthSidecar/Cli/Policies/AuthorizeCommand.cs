using AuthSidecar.Decisions;

namespace AuthSidecar.Cli.Policies;

/// <summary><c>policies authorize</c>: decides one request, of files and options; or with <c>--batch</c> many, of which each
/// <c>{"policies", "schema"?, "entities", "request": {"principal", "action", "resource", "context"}}</c> is answered by <c>{"decision",
/// "reasons", "errors"}</c>.</summary>
internal static class AuthorizeCommand
{
    public static Command Create()
    {
        var options = new RequestOptions();
        var command = Batch.Command("authorize", "Decide requests as a sidecar does.",
            "authsidecar policies authorize --bundle app --principal 'User::\"alice\"' --action read --resource 'Document::\"plan\"'",
            Answer, parsed => Print(options.Read(parsed), Console.Out));
        options.AddTo(command);
        return command.WithExitCodes((0, "allow"), (1, "deny"), (2, "error"), (3, "step-up"));
    }

    private static int Print(Question question, TextWriter output)
    {
        var response = Authorizer.IsAuthorized(question.Policies, question.Entities, question.Request);
        var (decision, _) = DecisionPoint.ToDecision(response, question.Rules);
        output.WriteLine(DecisionWords.WordOf(decision));
        foreach (var method in decision == Decision.StepUp ? DecisionWords.StepUpsOf(response, question.Rules) : [])
            output.WriteLine($"  step up with: {method}");

        foreach (var policy in response.Reasons)
            output.WriteLine($"  policy: {policy.Id}");

        foreach (var error in response.Errors)
            output.WriteLine($"  error: {error.Policy.Id}: {error.ToError().Message}");

        return DecisionWords.ExitCodeOf(decision);
    }

    public static void Answer(JsonElement question, Utf8JsonWriter answer)
    {
        var policies = Batch.GetPolicies(question);
        var schema = Batch.GetSchema(question);
        var entities = Batch.GetEntities(question, schema);
        var request = GetRequest(Batch.Get(question, "request"), schema);
        if (schema?.Check(request) is { } mismatch)
            throw new UsageException($"the request does not conform to the schema: {mismatch}");

        var response = Authorizer.IsAuthorized(policies, entities, request);
        answer.WriteString("decision", response.Decision == Cedar.Decision.Allow ? "allow" : "deny");
        Batch.WriteStrings(answer, "reasons", response.Reasons.Select(p => p.Id));
        Batch.WriteStrings(answer, "errors", response.Errors.Select(e => e.Policy.Id));
    }

    public static Request GetRequest(JsonElement request, Schema? schema)
    {
        var action = Batch.GetUid(request, "action");
        var context = Batch.Has(request, "context") ? Batch.GetContext(request, schema?.Actions.GetValueOrDefault(action))
            : ValueRecord.Empty;
        return new Request(Batch.GetUid(request, "principal"), action, Batch.GetUid(request, "resource"), context);
    }
}
