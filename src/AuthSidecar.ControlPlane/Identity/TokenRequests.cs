using System.Security.Claims;
using AuthSidecar.ControlPlane.Publications;
using OpenIddict.Abstractions;
using OpenIddict.Server;
using static OpenIddict.Abstractions.OpenIddictConstants;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace AuthSidecar.ControlPlane.Identity;

/// <summary>Says what is in the tokens of a client that has authenticated and may have them.</summary>
internal sealed class TokenRequests : IOpenIddictServerHandler<HandleTokenRequestContext>
{
    public ValueTask HandleAsync(HandleTokenRequestContext context)
    {
        if (!context.Request.IsClientCredentialsGrantType())
        {
            context.Reject(Errors.UnsupportedGrantType, "the grant type is not supported");
            return ValueTask.CompletedTask;
        }

        // RFC 9068, section 2.2: where there is no resource owner, the subject is the client.
        var identity = new ClaimsIdentity("authsidecar", Claims.Name, Claims.Role);
        identity.SetClaim(Claims.Subject, context.ClientId);
        identity.SetResources(BuiltInPolicies.Application);
        identity.SetDestinations(static _ => [Destinations.AccessToken]);
        context.SignIn(new ClaimsPrincipal(identity));
        return ValueTask.CompletedTask;
    }
}
