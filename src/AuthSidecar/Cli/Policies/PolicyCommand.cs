using System.CommandLine;
using AuthSidecar.Cli.Policies.Testing;

namespace AuthSidecar.Cli.Policies;

/// <summary><c>authsidecar policy</c>: works on policies, without a sidecar.</summary>
internal static class PolicyCommand
{
    public static Command Create() => new("policy", "Works on policies, schemas and entities.")
    {
        Batch.Command("parse", "Reads policies, schemas and entities, and tells whether they are well-formed.", ParseBatch.Answer),
        ValidateCommand.Create(),
        FormatCommand.Create(),
        TranslateCommand.Create(),
        LinkSchemasCommand.Create(),
        AuthorizeCommand.Create(),
        ExplainCommand.Create(),
        TestCommand.Create(),
        PartialCommand.Create(),
        PackCommand.Create(),
    };
}
