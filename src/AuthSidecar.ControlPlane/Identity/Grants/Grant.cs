using AuthSidecar.ControlPlane.Identity.Sessions;

namespace AuthSidecar.ControlPlane.Identity.Grants;

/// <summary>A grant as it is now.</summary>
/// <param name="Row">The grant, with the generation that is good.</param>
/// <param name="Session">Its session.</param>
internal sealed record Grant(GrantRow Row, SessionRow Session);

/// <summary>Why a refresh token buys nothing.</summary>
internal enum RefreshFailure
{
    None,

    /// <summary>It is none, or of another client, or of another key.</summary>
    Unknown,

    /// <summary>It has expired, or its grant, its session or its account has ended.</summary>
    Ended,

    /// <summary>Somebody has used it already: there are two who have it, and now neither has anything.</summary>
    Reused,
}
