namespace AuthSidecar.ControlPlane.Identity.Grants;

/// <summary>What goes from one request of a grant to the next in codes and refresh tokens, and into no other token.</summary>
internal static class GrantClaims
{
    public const string Session = "as_session";
    public const string Grant = "as_grant";
    public const string Generation = "as_generation";

    /// <summary>What an access token is bound to, while we look at it.</summary>
    public const string Confirmation = "as_cnf";

    public const string IssuedAt = "as_issued_at";

    /// <summary>Whether the client has authenticated, and not only named itself.</summary>
    public static bool IsClientAuthenticated(this OpenIddictServerTransaction transaction) =>
        transaction.GetProperty<ProcessAuthenticationContext>(
            typeof(ProcessAuthenticationContext).FullName!)?.ClientAssertionPrincipal is not null;
}
