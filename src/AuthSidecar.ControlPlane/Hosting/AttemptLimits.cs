using System.Globalization;
using System.Threading.RateLimiting;
using AuthSidecar.ControlPlane.Accounts;

namespace AuthSidecar.ControlPlane.Hosting;

/// <summary>Limits how often an address may try what somebody could guess at: signing in, and, twenty times as often, tokens. Accounts have limits of their own.</summary>
internal static class AttemptLimits
{
    private const int TokensPerAttempt = 20;

    private static readonly TimeSpan Window = TimeSpan.FromMinutes(1);

    public static IServiceCollection AddAttemptLimits(this IServiceCollection services, ServeOptions options) => services.AddRateLimiter(limiter =>
    {
        limiter.RejectionStatusCode = StatusCodes.Status429TooManyRequests;
        limiter.OnRejected = (context, _) =>
        {
            var seconds = context.Lease.TryGetMetadata(MetadataName.RetryAfter, out var after) ? after.TotalSeconds : Window.TotalSeconds;
            context.HttpContext.Response.Headers.RetryAfter = Math.Ceiling(seconds).ToString(CultureInfo.InvariantCulture);
            return ValueTask.CompletedTask;
        };
        limiter.GlobalLimiter = PartitionedRateLimiter.Create<HttpContext, string>(context => (options.AttemptsPerMinute, KindOf(context)) switch
        {
            ( > 0 and var most, Kind.SignIn) => Limit($"sign-in {ClientAddress.NetworkOf(context)}", most),
            ( > 0 and var most, Kind.Tokens) => Limit($"tokens {ClientAddress.NetworkOf(context)}", most * TokensPerAttempt),
            _ => RateLimitPartition.GetNoLimiter(""),
        });
    });

    private enum Kind
    {
        None,
        SignIn,
        Tokens,
    }

    private static RateLimitPartition<string> Limit(string key, int perMinute) => RateLimitPartition.GetSlidingWindowLimiter(
        key, _ => new SlidingWindowRateLimiterOptions { PermitLimit = perMinute, Window = Window, SegmentsPerWindow = 6, AutoReplenishment = true });

    private static Kind KindOf(HttpContext context)
    {
        if (Listeners.Of(context) is not (Listener.Network or Listener.Certificates))
        {
            return Kind.None;
        }

        // As routing reads it: in any case, with or without a slash at its end.
        var path = (context.Request.Path.Value ?? "").TrimEnd('/').ToLowerInvariant();
        // To a provider elsewhere and back again, by whatever method: it is written down.
        return path.StartsWith("/login/", StringComparison.Ordinal) ? Kind.Tokens
            : HttpMethods.IsGet(context.Request.Method) ? Kind.None
            : path is "/login" or "/account" or ResetLinks.Path or "/v1/administrators:claim" || path.EndsWith("/claimcontrolplane", StringComparison.Ordinal) ? Kind.SignIn
            : path is "/device" || path.StartsWith("/oauth2/", StringComparison.Ordinal) ? Kind.Tokens
            : Kind.None;
    }
}
