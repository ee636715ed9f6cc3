using System.Text.Json;
using AuthSidecar.Cedar;

namespace AuthSidecar.Cli.Policies;

/// <summary>
/// <c>policy parse --batch</c>: <c>{"policies"}</c> is answered by <c>{"accepted", "json", "message"?}</c>, <c>{"policy"}</c> in JSON by
/// <c>{"accepted", "text"}</c>, and <c>{"schema"}</c> and <c>{"entities", "schema"?}</c> by <c>{"accepted", "message"?}</c>.
/// </summary>
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
        {
            var json = Batch.GetPolicies(question).ToJson();
            return answer =>
            {
                answer.WritePropertyName("json");
                answer.WriteRawValue(json, skipInputValidation: true);
            };
        }

        if (Batch.Has(question, "policy"))
        {
            var text = ReadPolicy(Batch.Get(question, "policy"));
            return answer => answer.WriteString("text", text);
        }

        if (Batch.Has(question, "entities"))
        {
            Batch.GetEntities(question, Batch.GetSchema(question));
        }
        else if (Batch.GetSchema(question) is null)
        {
            throw new UsageException("a question has `policies`, `policy`, `schema` or `entities`");
        }

        return _ => { };
    }

    private static string ReadPolicy(JsonElement policy)
    {
        var builder = new PolicySetBuilder();
        builder.AddJsonPolicy("policy0", Batch.Raw(policy, "policy"));
        return builder.TryBuild(out var policies, out var faults)
            ? policies.Policies.FirstOrDefault()?.ToString() ?? policies.Templates[0].ToString()
            : throw Batch.Refused(faults);
    }
}
