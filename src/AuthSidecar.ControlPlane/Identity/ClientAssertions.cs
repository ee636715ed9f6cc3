using OpenIddict.Abstractions;
using OpenIddict.Server;
using static OpenIddict.Abstractions.OpenIddictConstants;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace AuthSidecar.ControlPlane.Identity;

/// <summary>
/// Takes clients' assertions also without the `typ` that draft-ietf-oauth-rfc7523bis wants and hardly any client sends yet. They are verified with the
/// keys of their client, which signs nothing else for us: no other token can be taken for one.
/// </summary>
internal static class ClientAssertions
{
    private const string AnyJwt = "JWT";

    private static bool IsExpected(ValidateTokenContext context) => context.ValidTokenTypes.Count == 1 && context.ValidTokenTypes.Contains(TokenTypeIdentifiers.Private.ClientAssertion);

    internal sealed class Types : IOpenIddictServerHandler<ValidateTokenContext>
    {
        public ValueTask HandleAsync(ValidateTokenContext context)
        {
            if (IsExpected(context))
            {
                context.TokenValidationParameters.ValidTypes = [.. context.TokenValidationParameters.ValidTypes ?? [], AnyJwt];
            }

            return ValueTask.CompletedTask;
        }
    }

    internal sealed class Meaning : IOpenIddictServerHandler<ValidateTokenContext>
    {
        public ValueTask HandleAsync(ValidateTokenContext context)
        {
            if (IsExpected(context))
            {
                context.Principal?.SetTokenType(TokenTypeIdentifiers.Private.ClientAssertion);
            }

            return ValueTask.CompletedTask;
        }
    }
}
