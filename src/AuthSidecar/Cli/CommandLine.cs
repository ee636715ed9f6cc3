using AuthSidecar.Cli.Issuers;
using AuthSidecar.Cli.Policies;
using AuthSidecar.Cli.Quickstart;

namespace AuthSidecar.Cli;

/// <summary>The commands of <c>authsidecar</c>: <c>NOUN VERB</c> for what is worked on without a sidecar; a verb alone runs a sidecar, or
/// calls one.</summary>
internal static class CommandLine
{
    public static RootCommand Create() => new RootCommand("The authorization sidecar, and a client for it.")
    {
        ServeCommand.Create(),
        CallCommands.ValidateToken(),
        CallCommands.Check(),
        CallCommands.EvaluateRisk(),
        CallCommands.VerifyMfa(),
        CallCommands.Health(),
        PolicyCommand.Create(),
        PackCommand.Create(),
        BundleCommand.Create(),
        JwsCommand.Create(),
        IssuerCommand.Create(),
        QuickstartCommand.Create(),
    }.Complete();
}
