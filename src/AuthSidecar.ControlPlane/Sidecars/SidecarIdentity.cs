using AuthSidecar.Tokens;

namespace AuthSidecar.ControlPlane.Sidecars;

/// <summary>Who a sidecar is, by the one URI in its certificate:
/// <c>spiffe://DOMAIN/application/APP[/tenant/TENANT]/sidecar/NAME</c>.</summary>
internal sealed record SidecarIdentity(Placement Placement, string Name)
{
    /// <summary>The trust domain of what this control plane certifies itself.</summary>
    private const string TrustDomain = "authsidecar";

    /// <summary>Reads it; null when not a sidecar certificate.</summary>
    public static SidecarIdentity? Of(X509Certificate2 certificate) =>
        CertificateUris.Of(certificate) is [var uri] ? Parse(uri) : null;

    public string ToUri() => Placement.Tenant.Length == 0
        ? $"spiffe://{TrustDomain}/application/{Placement.Application}/sidecar/{Name}"
        : $"spiffe://{TrustDomain}/application/{Placement.Application}/tenant/{Placement.Tenant}/sidecar/{Name}";

    internal static SidecarIdentity? Parse(string uri)
    {
        const string Scheme = "spiffe://";
        if (!uri.StartsWith(Scheme, StringComparison.Ordinal) || uri.AsSpan().ContainsAny('%', '?', '#') || uri.Any(char.IsControl))
            return null;

        return uri[Scheme.Length..].Split('/') switch
        {
            [{ Length: > 0 }, "application", { Length: > 0 } application, "sidecar", { Length: > 0 } name] =>
                new(new Placement(application, ""), name),
            [{ Length: > 0 }, "application", { Length: > 0 } application, "tenant", { Length: > 0 } tenant, "sidecar",
            { Length: > 0 } name] => new(new Placement(application, tenant), name),
            _ => null,
        };
    }
}
