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
        var action = GetUid(request, "action");
        var context = ValueRecord.Empty;
        if (Batch.Has(request, "context"))
        {
            var type = schema?.Actions.GetValueOrDefault(action)?.Context;
            context = ValueRecord.TryParse(Batch.Raw(Batch.Get(request, "context"), "context"), type, out var read, out var faults) ? read : throw Batch.Refused(faults);
        }

        return new Request(GetUid(request, "principal"), action, GetUid(request, "resource"), context);
    }

    /// <summary><c>"T::\"id\""</c>, or <c>{"type", "id"}</c>.</summary>
    private static EntityUid GetUid(JsonElement request, string name)
    {
        var member = Batch.Get(request, name);
        if (member.ValueKind == JsonValueKind.Object)
        {
            return EntityUid.TryCreate(Batch.GetText(member, "type"), Batch.GetText(member, "id"), out var made) ? made : throw new UsageException($"`{name}` has no valid type");
        }

        return EntityUid.TryParse(Batch.GetText(request, name), out var uid, out var fault) ? uid : throw new UsageException($"`{name}`: {fault}");
    }
}
