using Microsoft.AspNetCore.Http.Features;

namespace AuthSidecar.ControlPlane.Hosting;

/// <summary>Answers what escapes from pages and OAuth 2.0 endpoints: what a client can cause is not logged as a fault of ours.</summary>
internal static partial class PageFailures
{
    /// <summary>Tokens and client assertions are some kilobytes.</summary>
    private const long MaxFormBytes = 64 * 1024;

    public static void UsePageFailures(this WebApplication app)
    {
        var (logger, outage) = (app.Logger, new Outage(app.Services.GetRequiredService<TimeProvider>()));
        app.UseWhen(
            context => context.Listener is Listener.Network or Listener.Certificates, network => network.Use(async (context, next) =>
        {
            try
            {
                await next(context);
            }
            catch (Exception e) when (!context.Response.HasStarted && NullCharacterException.IsIn(e))
            {
                await AnswerAsync(context, StatusCodes.Status400BadRequest, "Invalid request: text must not contain U+0000.");
            }
            catch (Exception e) when (!context.Response.HasStarted && Database.IsAway(e))
            {
                lock (outage)
                {
                    if (outage.Fail())
                        Log.StoreAway(logger, context.Request.Path, ConnectionFailure.Describe(e));
                }

                context.Response.Headers.RetryAfter = "1";
                await AnswerAsync(context, StatusCodes.Status503ServiceUnavailable, "The service is temporarily unavailable. Try again.");
            }
        }));
    }

    /// <summary>Reads the forms of sign-in and OAuth 2.0 endpoints before anything else does: one that cannot be read is the client's
    /// mistake.</summary>
    public static void UseForms(this WebApplication app) => app.UseWhen(
        context => HttpMethods.IsPost(context.Request.Method) && context.Request.HasFormContentType && AddressRateLimiter.Concerns(context),
        forms => forms.Use(async (context, next) =>
        {
            if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size)
                size.MaxRequestBodySize = MaxFormBytes;

            try
            {
                await context.Request.ReadFormAsync(context.RequestAborted);
            }
            catch (Exception e) when (e is InvalidDataException or IOException and not BadHttpRequestException
                && !context.RequestAborted.IsCancellationRequested)
            {
                await AnswerAsync(context, StatusCodes.Status400BadRequest, $"Invalid request: {e.Message}");
                return;
            }

            await next(context);
        }));

    private static Task AnswerAsync(HttpContext context, int status, string text)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "text/plain; charset=utf-8";
        return context.Response.WriteAsync(text, context.RequestAborted);
    }

    private static partial class Log
    {
        [LoggerMessage(61, LogLevel.Warning, "{Path}: the database does not answer: {Error}", EventName = "PageDatabaseUnavailable")]
        public static partial void StoreAway(ILogger logger, string path, string error);
    }
}
