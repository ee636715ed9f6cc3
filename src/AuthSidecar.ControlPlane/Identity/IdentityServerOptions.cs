namespace AuthSidecar.ControlPlane.Identity;

/// <summary>How people and clients sign in.</summary>
internal sealed record IdentityServerOptions
{
    /// <summary>The address by which they reach us, which is the issuer of our tokens; null without `--listen-https`.</summary>
    public Uri? Url { get; init; }

    /// <summary>The address by which they reach us; null without `--listen-certificates`.</summary>
    public Uri? CertificatesUrl { get; init; }

    /// <summary>Whether <see cref="Url"/> takes the place of the one that other nodes, or this one before, issued tokens by.</summary>
    public bool ReplaceIssuer { get; init; }

    /// <summary>Hosts of back-channel logout URIs that may resolve to private addresses.</summary>
    public IReadOnlyList<string> LogoutPrivateHosts { get; init; } = [];
}
