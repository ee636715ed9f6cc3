using AuthSidecar.ControlPlane.Telemetry;
using Microsoft.AspNetCore;

namespace AuthSidecar.ControlPlane.Identity.Server;

/// <summary>Tells of what the OAuth 2.0 endpoints answer, and takes the framework's own addresses out of it.</summary>
internal sealed class EndpointResponses(AuthenticationLog log) :
    IOpenIddictServerHandler<ApplyAuthorizationResponseContext>,
    IOpenIddictServerHandler<ApplyConfigurationResponseContext>,
    IOpenIddictServerHandler<ApplyDeviceAuthorizationResponseContext>,
    IOpenIddictServerHandler<ApplyEndSessionResponseContext>,
    IOpenIddictServerHandler<ApplyEndUserVerificationResponseContext>,
    IOpenIddictServerHandler<ApplyIntrospectionResponseContext>,
    IOpenIddictServerHandler<ApplyJsonWebKeySetResponseContext>,
    IOpenIddictServerHandler<ApplyRevocationResponseContext>,
    IOpenIddictServerHandler<ApplyTokenResponseContext>,
    IOpenIddictServerHandler<ApplyUserInfoResponseContext>
{
    private const int MaxLength = 100;

    public ValueTask HandleAsync(ApplyAuthorizationResponseContext context) => Tell("authorization", context);
    public ValueTask HandleAsync(ApplyConfigurationResponseContext context) => Strip(context);
    public ValueTask HandleAsync(ApplyEndUserVerificationResponseContext context) => Strip(context);
    public ValueTask HandleAsync(ApplyJsonWebKeySetResponseContext context) => Strip(context);
    public ValueTask HandleAsync(ApplyDeviceAuthorizationResponseContext context) => Tell("device authorization", context);
    public ValueTask HandleAsync(ApplyEndSessionResponseContext context) => Tell("end session", context);
    public ValueTask HandleAsync(ApplyIntrospectionResponseContext context) => Tell("introspection", context);
    public ValueTask HandleAsync(ApplyRevocationResponseContext context) => Tell("revocation", context);
    public ValueTask HandleAsync(ApplyTokenResponseContext context) => Tell(AuthenticationLog.TokenEndpoint, context);
    public ValueTask HandleAsync(ApplyUserInfoResponseContext context) => Tell("userinfo", context);

    private ValueTask Tell(string endpoint, BaseRequestContext context)
    {
        var (request, response) = (context.Transaction.Request, context.Transaction.Response);
        Strip(context);
        // A device that asks whether its user has decided is none that failed.
        if (response?.Error is not (Errors.AuthorizationPending or Errors.SlowDown)
            && context.Transaction.GetHttpRequest()?.HttpContext is { } http)
        {
            log.TokenRequest(endpoint, Short(request?.ClientId), Short(request?.GrantType), response?.Error, response?.ErrorDescription,
                ClientAddress.Of(http));
        }

        return ValueTask.CompletedTask;
    }

    /// <summary>Removes the address that explains the framework to whoever writes a client of it.</summary>
    private static ValueTask Strip(BaseRequestContext context)
    {
        context.Transaction.Response?.RemoveParameter(Parameters.ErrorUri);
        return ValueTask.CompletedTask;
    }

    private static string? Short(string? text) => text is { Length: > MaxLength } ? text[..MaxLength] : text;
}
