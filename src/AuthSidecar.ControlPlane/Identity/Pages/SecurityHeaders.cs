namespace AuthSidecar.ControlPlane.Identity.Pages;

/// <summary>What browsers are told never to do with our pages: run a script, show them in a frame, keep them, tell others where they come
/// from.</summary>
internal static class SecurityHeaders
{
    private static readonly object FormTargets = new();

    public static void UseSecurityHeaders(this WebApplication app) => app.UseWhen(context => context.Listener == Listener.Network,
        network => network.Use((context, next) =>
    {
        context.Response.OnStarting(() =>
        {
            var headers = context.Response.Headers;
            var formTargets = context.Items[FormTargets] is string origin ? $" {origin}" : "";
            headers.ContentSecurityPolicy = "default-src 'none'; style-src 'self'; img-src data:; "
                + $"form-action 'self'{formTargets}; base-uri 'none'; frame-ancestors 'none'";
            headers.XContentTypeOptions = "nosniff";
            headers.XFrameOptions = "DENY";
            headers["Referrer-Policy"] = "no-referrer";
            headers["Cross-Origin-Opener-Policy"] = "same-origin";
            headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=()";
            headers.StrictTransportSecurity = "max-age=31536000";
            if (headers.CacheControl.Count == 0)
                headers.CacheControl = "no-store";

            return Task.CompletedTask;
        });
        return next(context);
    }));

    /// <summary>Lets forms of this page end there: browsers hold all redirects that follow a form against the policy.</summary>
    public static void AllowFormsToEndAt(this HttpContext context, string origin) => context.Items[FormTargets] = origin;
}
