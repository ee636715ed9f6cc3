using System.CommandLine;
using AuthSidecar.Common;
using AuthSidecar.ControlPlane.Cli;

var command = new RootCommand("The control plane of AuthSidecar.")
{
    ServeCommand.Create(),
    BackupCommand.Create(),
    ImportCommand.Create(),
    PolicyCommand.Create(),
    DirectoryCommands.Members(),
    DirectoryCommands.Factors(),
    DirectoryCommands.Revoke(),
    DirectoryCommands.Revocations(),
    FleetCommands.Fleet(),
    FleetCommands.Ca(),
    FleetCommands.JoinToken(),
    FleetCommands.JoinTokens(),
    FleetCommands.RemoveSidecar(),
    FleetCommands.Restore(),
    FleetCommands.Keys(),
    IdentityCommands.Accounts(),
    IdentityCommands.Clients(),
    IdentityCommands.Upstreams(),
    AdministratorCommands.Claim(),
    AdministratorCommands.Credentials(),
    AdministratorCommands.Administrators(),
    AdministratorCommands.Token(),
    AdministratorCommands.Audit(),
};
return await command.Parse(args).InvokeAsync(ServeCommand.Failed);
