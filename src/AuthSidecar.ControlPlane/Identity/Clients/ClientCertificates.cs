using Microsoft.AspNetCore.Http.Features;

namespace AuthSidecar.ControlPlane.Identity.Clients;

/// <summary>Certificates that connections are made with, on the listener for that alone: browsers would ask people for one anywhere else
/// (RFC 8705, section 5). Whoever made one is as good as any (section 4): it is the key that counts, whose possession the handshake has
/// proved.</summary>
internal static class ClientCertificates
{
    /// <summary>What is asked for there.</summary>
    private static readonly string[] Paths = ["/" + ServerConstants.TokenPath, "/" + ServerConstants.UserInfoPath];

    private static readonly object Bound = new();

    /// <summary>Answers nothing else there, and notes the certificate; the framework would take it for a way to authenticate a client,
    /// which it is not here.</summary>
    public static void UseClientCertificates(this IApplicationBuilder app) => app.Use((context, next) =>
    {
        if (context.Listener != Listener.Certificates)
            return next(context);

        if (context.Connection.ClientCertificate is not { } certificate
            || !Paths.Contains(context.Request.Path.Value, StringComparer.OrdinalIgnoreCase))
        {
            context.Response.StatusCode = StatusCodes.Status404NotFound;
            return Task.CompletedTask;
        }

        context.Items[Bound] = new BoundKey(
            BoundKey.Certificate, Base64Url.EncodeToString(SHA256.HashData(certificate.RawDataMemory.Span)));
        context.Features.Set<ITlsConnectionFeature>(new Noted());
        return next(context);
    });

    /// <summary>That of the connection; the default: it was made without.</summary>
    public static BoundKey Of(HttpContext context) => context.Items.TryGetValue(Bound, out var key) ? (BoundKey)key! : default;

    private sealed class Noted : ITlsConnectionFeature
    {
        public X509Certificate2? ClientCertificate { get; set; }

        public Task<X509Certificate2?> GetClientCertificateAsync(CancellationToken cancellationToken) =>
            Task.FromResult<X509Certificate2?>(null);
    }
}
