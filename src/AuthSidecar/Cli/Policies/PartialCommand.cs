namespace AuthSidecar.Cli.Policies;

/// <summary><c>policies partially-authorize</c>: decides a request of which not all is known, of files and options; or with <c>--batch</c>
/// many, of which each <c>{"policies", "schema", "entities": […] or null, "request": {"principal", "action", "resource", "context"}}</c> is
/// answered by <c>{"decision": "allow", "deny" or null, "policies": {id: "true", "false", "error" or "residual"}}</c>. What is null in the
/// request is unknown; of a principal or resource, <c>{"type"}</c> tells at least the type.</summary>
internal static class PartialCommand
{
    public static Command Create()
    {
        var options = new RequestOptions(isPartial: true);
        var command = Batch.Command("partially-authorize", "Partially evaluate requests with unknowns.",
            "authsidecar policies partially-authorize --bundle app --principal 'User::\"alice\"' --action read --resource Document", Answer,
            parsed => Print(options.ReadPartial(parsed), Console.Out));
        options.AddTo(command);
        return command.WithExitCodes((0, "allow"), (1, "deny"), (2, "error"), (3, "unknown: it depends on what is not known"));
    }

    public static void Answer(JsonElement question, Utf8JsonWriter answer)
    {
        var schema = Batch.GetRequiredSchema(question);
        var entities = Batch.Has(question, "entities") ? Batch.GetEntities(question, schema) : null;
        var partial = new PartialQuestion(
            Batch.GetPolicies(question), schema, entities, [.. GetRequests(Batch.Get(question, "request"), schema)]);
        var (decision, policies) = Evaluate(partial);
        answer.WriteString("decision", decision is null ? null : WordOf(decision));
        answer.WriteStartObject("policies");
        foreach (var (policy, known, _) in policies)
            answer.WriteString(policy.Id, WordOf(known));

        answer.WriteEndObject();
    }

    private static int Print(PartialQuestion question, TextWriter output)
    {
        var (decision, policies) = Evaluate(question);
        output.WriteLine(WordOf(decision));
        foreach (var (policy, known, residuals) in policies)
        {
            output.WriteLine($"  {WordOf(known),-8}  {policy.Id}");
            foreach (var (request, residual) in residuals)
            {
                output.WriteLine(
                    $"            {(residuals.Count > 1 ? $"{request.Principal.Type}, {request.Resource.Type}: " : "")}{residual}");
            }
        }

        return decision switch
        {
            Cedar.Decision.Allow => ExitCode.Allow,
            Cedar.Decision.Deny => ExitCode.Deny,
            _ => ExitCode.StepUp,
        };
    }

    /// <summary>With several types possible, what is known is what is so for all of them.</summary>
    private static (Cedar.Decision? Decision, List<PartialResult> Policies) Evaluate(PartialQuestion question)
    {
        var authorizer = new PartialAuthorizer(question.Schema);
        var responses = question.Requests.ConvertAll(request => (Request: request, Response:
            authorizer.TryAuthorize(question.Policies, question.Entities, request, out var response, out var mismatch)
                ? response
                : throw new UsageException($"the request does not conform to the schema: {mismatch}")));
        var policies = question.Policies.Policies.Select((policy, i) =>
        {
            var classes = responses.Select(r => r.Response.Policies[i].Class).Distinct().ToList();
            var residuals = responses.Where(
                r => r.Response.Policies[i].Class == PartialClass.Residual).Select(r => (r.Request, r.Response.Policies[i].Residual));
            return new PartialResult(policy, classes is [var one] ? one : PartialClass.Residual, [.. residuals]);
        });
        return (responses.Select(r => r.Response.Decision).Distinct().ToList() is [var decision] ? decision : null, [.. policies]);
    }

    private static string WordOf(Cedar.Decision? decision) => decision switch
    {
        Cedar.Decision.Allow => "allow",
        Cedar.Decision.Deny => "deny",
        _ => "unknown",
    };

    private static string WordOf(PartialClass known) => known switch
    {
        PartialClass.True => "true",
        PartialClass.False => "false",
        PartialClass.Error => "error",
        _ => "residual",
    };

    /// <summary>The request, once for every type that a principal or resource of unknown type may have.</summary>
    private static IEnumerable<PartialRequest> GetRequests(JsonElement request, Schema schema)
    {
        var action = Batch.GetUid(request, "action");
        var declared = schema.Actions.GetValueOrDefault(action) ?? throw new UsageException($"unrecognized action `{action}`");
        var context = request.TryGetProperty("context", out var member) && member.ValueKind == JsonValueKind.Null ? null
            : Batch.GetContext(request, declared);
        return from principal in GetPartial(request, "principal", declared.Principals)
               from resource in GetPartial(request, "resource", declared.Resources)
               select new PartialRequest(principal, action, resource, context);
    }

    private static IEnumerable<PartialUid> GetPartial(JsonElement request, string name, IEnumerable<string> types)
    {
        if (!Batch.Has(request, name))
            return types.Order(StringComparer.Ordinal).Select(type => new PartialUid(type, null));

        var member = Batch.Get(request, name);
        return member.ValueKind == JsonValueKind.Object && !Batch.Has(member, "id")
            ? [new PartialUid(Batch.GetText(member, "type"), null)]
            : [PartialUid.Of(Batch.GetUid(request, name))];
    }
}

/// <summary>What is known of a policy.</summary>
/// <param name="Class">What it comes to, for all types that are possible.</param>
/// <param name="Residuals">What it hangs on, for each request.</param>
internal sealed record PartialResult(Policy Policy, PartialClass Class, List<(PartialRequest Request, string Residual)> Residuals);

/// <summary>A question of which not all is known.</summary>
/// <param name="Entities">The entities; null: none is known.</param>
/// <param name="Requests">The request, once for every type that a principal or resource of unknown type may have.</param>
internal sealed record PartialQuestion(PolicySet Policies, Schema Schema, EntityStore? Entities, List<PartialRequest> Requests);
