namespace AuthSidecar.Cli.Policies;

/// <summary><c>policies validate --batch</c>: <c>{"policies", "schema", "mode"?: "strict" or "permissive", "level"?, "compat"?}</c> is
/// answered by <c>{"valid", "errors", "warnings"}</c>, the kinds of what was found.</summary>
internal static class ValidateBatch
{
    public static void Answer(JsonElement question, Utf8JsonWriter answer)
    {
        var policies = Batch.GetPolicies(question);
        var schema = Batch.GetRequiredSchema(question);
        var result = new Validator(schema, GetOptions(question)).Validate(policies);
        answer.WriteBoolean("valid", result.IsValid);
        Batch.WriteStrings(answer, "errors", result.Errors.Select(e => e.Kind.ToString()));
        Batch.WriteStrings(answer, "warnings", result.Warnings.Select(w => w.Kind.ToString()));
    }

    private static ValidationOptions GetOptions(JsonElement question) => new()
    {
        Mode = (Batch.Has(question, "mode") ? Batch.GetText(question, "mode") : "strict") switch
        {
            "strict" => ValidationMode.Strict,
            "permissive" => ValidationMode.Permissive,
            var other => throw new UsageException($"`mode` must be `strict` or `permissive`, not `{other}`"),
        },
        Level = !Batch.Has(question, "level") ? null
            : Batch.Get(question, "level") is { ValueKind: JsonValueKind.Number } number && number.TryGetInt32(out var level) && level >= 0
            ? level
            : throw new UsageException("`level` must be a number, 0 or more"),
    };
}
