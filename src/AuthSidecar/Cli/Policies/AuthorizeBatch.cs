using System.Text.Json;
using AuthSidecar.Cedar;

namespace AuthSidecar.Cli.Policies;

/// <summary>
/// <c>policy authorize --batch</c>: <c>{"policies", "schema"?, "entities", "request": {"principal", "action", "resource", "context"}}</c> is answered
/// by <c>{"decision", "reasons", "errors"}</c>.
/// </summary>
internal static class AuthorizeBatch
{
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

    private static Request GetRequest(JsonElement request, Schema? schema)
    {
        var action = Batch.GetUid(request, "action");
        var context = Batch.Has(request, "context") ? Batch.GetContext(request, schema?.Actions.GetValueOrDefault(action)) : ValueRecord.Empty;
        return new Request(Batch.GetUid(request, "principal"), action, Batch.GetUid(request, "resource"), context);
    }
}
