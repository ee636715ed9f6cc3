namespace AuthSidecar.Cli.Policies;

/// <summary><c>policies parse --batch</c>: <c>{"policies"}</c> and <c>{"schema"}</c> are answered by <c>{"accepted", "json",
/// "message"?}</c>, <c>{"policy"}</c> in JSON by <c>{"accepted", "text"}</c>, and <c>{"entities", "schema"?}</c> by <c>{"accepted",
/// "message"?}</c>.</summary>
internal static class ParseBatch
{
    public static void Answer(JsonElement question, Utf8JsonWriter answer)
    {
        try
        {
            var write = Read(question);
            answer.WriteBoolean("accepted", true);
            write(answer);
        }
        catch (UsageException e)
        {
            answer.WriteBoolean("accepted", false);
            answer.WriteString("message", e.Message);
        }
    }

    /// <summary>Reads what the question is about.</summary>
    /// <returns>What is to be said of it beyond that it was accepted.</returns>
    private static Action<Utf8JsonWriter> Read(JsonElement question)
    {
        if (Batch.Has(question, "policies"))
            return Json(Batch.GetPolicies(question).ToJson());

        if (Batch.Has(question, "policy"))
        {
            var text = ReadPolicy(question);
            return answer => answer.WriteString("text", text);
        }

        if (Batch.Has(question, "compat"))
            throw new UsageException("`compat` is for policies: schemas and entities are the same in all releases");

        var schema = Batch.GetSchema(question);
        if (Batch.Has(question, "entities"))
        {
            Batch.GetEntities(question, schema);
            return _ => { };
        }

        return Json(schema?.ToJson() ?? throw new UsageException("one of `policies`, `policy`, `schema` and `entities` is required"));
    }

    private static Action<Utf8JsonWriter> Json(string json) => answer =>
    {
        answer.WritePropertyName("json");
        answer.WriteRawValue(json, skipInputValidation: true);
    };

    private static string ReadPolicy(JsonElement question)
    {
        var builder = new PolicySetBuilder(Batch.GetRelease(question));
        builder.AddJsonPolicy("policy0", Batch.Raw(Batch.Get(question, "policy"), "policy"));
        return builder.TryBuild(out var policies, out var faults)
            ? policies.Policies.FirstOrDefault()?.ToString() ?? policies.Templates[0].ToString()
            : throw Sources.Refused(faults);
    }
}
