using System.CommandLine;

namespace AuthSidecar.Cli.Policies;

/// <summary><c>authsidecar policy</c>: works on policies, without a sidecar.</summary>
internal static class PolicyCommand
{
    public static Command Create() => new("policy", "Works on policies, schemas and entities.")
    {
        Batch.Command("parse", "Reads policies, schemas and entities, and tells whether they are well-formed.", ParseBatch.Answer),
        ValidateCommand.Create(),
        TranslateCommand.Create(),
        Batch.Command("authorize", "Decides requests.", AuthorizeBatch.Answer),
        Batch.Command("partial", "Decides requests of which not all is known, as far as that goes.", PartialBatch.Answer),
    };
}
