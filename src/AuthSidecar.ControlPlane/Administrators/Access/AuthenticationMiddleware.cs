using AuthSidecar.ControlPlane.Telemetry;
using Microsoft.AspNetCore.Authorization;

namespace AuthSidecar.ControlPlane.Administrators.Access;

/// <summary>Finds out who administers before anything of a request's body is read: nobody fills memory with a request who is not
/// known.</summary>
internal static class AuthenticationMiddleware
{
    /// <summary>Lets those in who are somebody, and everybody to endpoints that allow the anonymous. What they may do is asked later, of
    /// the request.</summary>
    public static void UseAccess(this WebApplication app) => app.Use(async (context, next) =>
    {
        try
        {
            if (await IdentifyAsync(context) is { } caller)
            {
                if (caller is AdministratorCaller)
                    context.RequestServices.GetRequiredService<AuthenticationLog>().AdministratorAccepted();

                context.Features.Set(caller);
            }
        }
        catch (RpcException e)
        {
            if (e.StatusCode == StatusCode.Unauthenticated)
            {
                context.RequestServices.GetRequiredService<AuthenticationLog>().AdministratorRefused(
                    e.Status.Detail, ClientAddress.Of(context));
            }

            await ErrorResponse.WriteAsync(context, e);
            return;
        }

        await next(context);
    });

    /// <returns>Null: it is a sidecar, which has its certificate.</returns>
    private static async Task<Caller?> IdentifyAsync(HttpContext context) => context.Listener switch
    {
        Listener.Sidecars => null,
        Listener.Administration => LocalCaller.OfSocket(context),
        Listener.Network when context.GetEndpoint()?.Metadata.GetMetadata<IAllowAnonymous>() is not null => new AnonymousCaller(),
        Listener.Network => await context.RequestServices.GetRequiredService<ErrorInterceptor>().GuardAsync(
            context.Request.Path, () => context.RequestServices.GetRequiredService<BearerAuthentication>().AuthenticateAsync(context),
            context.RequestAborted),
        _ => throw ApiErrors.Internal(),
    };
}
