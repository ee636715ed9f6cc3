using System.Text.Json;
using AuthSidecar.Cedar;

namespace AuthSidecar.Cli.Policies;

/// <summary>
/// <c>policy partial --batch</c>: <c>{"policies", "schema", "entities": […] or null, "request": {"principal", "action", "resource", "context"}}</c> is
/// answered by <c>{"decision": "allow", "deny" or null, "policies": {id: "true", "false", "error" or "residual"}}</c>. What is null in the
/// request is unknown; of a principal or resource, <c>{"type"}</c> tells at least the type.
/// </summary>
internal static class PartialBatch
{
    public static void Answer(JsonElement question, Utf8JsonWriter answer)
    {
        var policies = Batch.GetPolicies(question);
        var schema = Batch.GetRequiredSchema(question);
        var entities = Batch.Has(question, "entities") ? Batch.GetEntities(question, schema) : null;
        var responses = GetRequests(Batch.Get(question, "request"), schema).Select(request =>
            new PartialAuthorizer(schema).TryAuthorize(policies, entities, request, out var response, out var mismatch)
                ? response
                : throw new UsageException($"the request does not conform to the schema: {mismatch}")).ToList();

        // With several types possible, what is known is what is so for all of them.
        answer.WriteString("decision", responses.Select(r => r.Decision).Distinct().ToList() is [{ } decision] ? decision == Decision.Allow ? "allow" : "deny" : null);
        answer.WriteStartObject("policies");
        for (var i = 0; i < policies.Policies.Length; i++)
        {
            var classes = responses.Select(r => r.Policies[i].Class).Distinct().ToList();
            answer.WriteString(policies.Policies[i].Id, (classes is [var one] ? one : PartialClass.Residual) switch
            {
                PartialClass.True => "true",
                PartialClass.False => "false",
                PartialClass.Error => "error",
                _ => "residual",
            });
        }

        answer.WriteEndObject();
    }

    /// <summary>The request, once for every type that a principal or resource of unknown type may have.</summary>
    private static IEnumerable<PartialRequest> GetRequests(JsonElement request, Schema schema)
    {
        var action = Batch.GetUid(request, "action");
        var declared = schema.Actions.GetValueOrDefault(action) ?? throw new UsageException($"the schema has no action `{action}`");
        var context = request.TryGetProperty("context", out var member) && member.ValueKind == JsonValueKind.Null ? null : Batch.GetContext(request, declared);
        return from principal in GetPartial(request, "principal", declared.Principals)
               from resource in GetPartial(request, "resource", declared.Resources)
               select new PartialRequest(principal, action, resource, context);
    }

    private static IEnumerable<PartialUid> GetPartial(JsonElement request, string name, IEnumerable<string> types)
    {
        if (!Batch.Has(request, name))
        {
            return types.Order(StringComparer.Ordinal).Select(type => new PartialUid(type, null));
        }

        var member = Batch.Get(request, name);
        return member.ValueKind == JsonValueKind.Object && !Batch.Has(member, "id")
            ? [new PartialUid(Batch.GetText(member, "type"), null)]
            : [PartialUid.Of(Batch.GetUid(request, name))];
    }
}
