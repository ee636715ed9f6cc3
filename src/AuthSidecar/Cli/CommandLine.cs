using System.CommandLine;
using AuthSidecar.Cli.Policies;
using AuthSidecar.Cli.Quickstart;

namespace AuthSidecar.Cli;

/// <summary>The commands of <c>authsidecar</c>.</summary>
internal static class CommandLine
{
    public static RootCommand Create() => new("The authorization sidecar, and a client for it.")
    {
        ServeCommand.Create(),
        CallCommands.ValidateToken(),
        CallCommands.Check(),
        CallCommands.EvaluateRisk(),
        CallCommands.VerifyMfa(),
        CallCommands.Health(),
        PolicyCommand.Create(),
        BundleCommand.Create(),
        JwsCommand.Create(),
        QuickstartCommand.Create(),
    };
}
