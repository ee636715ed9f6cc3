using AuthSidecar.Cli.Policies.Testing;

namespace AuthSidecar.Cli.Policies;

/// <summary><c>authsidecar policies</c>: works on policies, without a sidecar.</summary>
internal static class PolicyCommand
{
    public static Command Create() => new("policies", "Test, validate, format and evaluate policies, without a sidecar.")
    {
        Batch.Command("parse", "Parse policies, schemas and entities, and report whether they are well-formed.",
            "authsidecar policies parse --batch questions.jsonl", ParseBatch.Answer),
        ValidateCommand.Create(),
        FormatCommand.Create(),
        TranslateCommand.Create(),
        LinkSchemasCommand.Create(),
        AuthorizeCommand.Create(),
        ExplainCommand.Create(),
        TestCommand.Create(),
        PartialCommand.Create(),
    };
}
