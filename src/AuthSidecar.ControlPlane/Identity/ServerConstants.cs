namespace AuthSidecar.ControlPlane.Identity;

/// <summary>The addresses of the server's endpoints, and what its tokens say beside the claims that OpenIddict names.</summary>
internal static class ServerConstants
{
    public const string AuthorizePath = "oauth2/authorize";
    public const string TokenPath = "oauth2/token";
    public const string UserInfoPath = "oauth2/userinfo";
    public const string LogoutPath = "oauth2/logout";
    public const string DevicePath = "device";

    /// <summary>The value of `amr` (RFC 8176, section 2) and of `acr` of a session with more than one factor.</summary>
    public const string MultiFactor = "mfa";

    /// <summary>The claim of a session's id (OpenID Connect Front-Channel Logout 1.0, section 3).</summary>
    public const string SessionIdClaim = "sid";

    public static readonly TimeSpan AccessTokenLifetime = TimeSpan.FromMinutes(15);
}
