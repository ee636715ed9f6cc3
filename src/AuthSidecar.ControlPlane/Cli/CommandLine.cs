namespace AuthSidecar.ControlPlane.Cli;

/// <summary>The commands of <c>authsidecar-control</c>: <c>NOUN VERB</c> for objects of a kind, and a verb alone for the control plane as a
/// whole. The verbs are those of the API.</summary>
internal static class CommandLine
{
    public static RootCommand Create() => new RootCommand("The control plane of AuthSidecar.")
    {
        ServeCommand.Create(),
        BackupCommand.Create(),
        RestoreCommand.Create(),
        ImportCommand.Create(),
        BootstrapCommand.Create(),
        CredentialsCommands.Credentials(),
        AdministratorCommands.Administrators(),
        AuditCommand.Create(),
        PolicyCommand.Create(),
        MembershipCommands.Memberships(),
        FactorCommands.Factors(),
        RevocationCommands.Revocations(),
        SidecarCommands.Sidecars(),
        JoinTokenCommands.JoinTokens(),
        CaCommand.Create(),
        KeyCommands.Keys(),
        AccountCommands.Accounts(),
        ClientCommands.Clients(),
        IdentityProviderCommands.IdentityProviders(),
    }.Complete();
}
