namespace AuthSidecar.ControlPlane.Identity.Clients;

/// <summary>Takes clients' assertions also without the `typ` that draft-ietf-oauth-rfc7523bis wants and hardly any client sends yet. They
/// are verified with the keys of their client, which signs nothing else for us: no other token can be taken for one.</summary>
internal static class ClientAssertions
{
    private const string AnyJwt = "JWT";

    private static readonly TimeSpan LongestLifetime = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan ClockSkew = TimeSpan.FromSeconds(60);

    private static bool IsExpected(ValidateTokenContext context) => context.ValidTokenTypes.Count == 1
        && context.ValidTokenTypes.Contains(TokenTypeIdentifiers.Private.ClientAssertion);

    internal sealed class Types : IOpenIddictServerHandler<ValidateTokenContext>
    {
        public ValueTask HandleAsync(ValidateTokenContext context)
        {
            if (IsExpected(context))
                context.TokenValidationParameters.ValidTypes = [.. context.TokenValidationParameters.ValidTypes ?? [], AnyJwt];

            return ValueTask.CompletedTask;
        }
    }

    internal sealed class Meaning : IOpenIddictServerHandler<ValidateTokenContext>
    {
        public ValueTask HandleAsync(ValidateTokenContext context)
        {
            if (IsExpected(context))
                context.Principal?.SetTokenType(TokenTypeIdentifiers.Private.ClientAssertion);

            return ValueTask.CompletedTask;
        }
    }

    /// <summary>Takes each once, and for some minutes (OpenID Connect Core, section 9; RFC 7523, section 3): one from a proxy's log is
    /// worth nothing.</summary>
    internal sealed class Use(SpentTokens spent, TimeProvider time) : IOpenIddictServerHandler<ValidateTokenContext>
    {
        public async ValueTask HandleAsync(ValidateTokenContext context)
        {
            if (!IsExpected(context) || context.Principal is not { } principal)
                return;

            var now = time.GetUtcNow();
            if (principal.GetExpirationDate() is not { } expires || expires > now + LongestLifetime + ClockSkew)
            {
                context.Reject(Errors.InvalidClient,
                    $"the client assertion has no `exp`, or its lifetime exceeds {LongestLifetime.TotalMinutes} minutes");
            }
            else if (principal.GetCreationDate() > now + ClockSkew)
            {
                context.Reject(Errors.InvalidClient, "`iat` of the client assertion is in the future");
            }
            else if (principal.GetClaim(Claims.JwtId) is not { Length: > 0 } id)
            {
                context.Reject(Errors.InvalidClient, "the client assertion has no `jti`");
            }
            else if (!await spent.TrySpendAsync("assertion", $"{principal.GetClaim(Claims.Subject)} {id}", expires + ClockSkew,
                context.CancellationToken))
            {
                context.Reject(Errors.InvalidClient, "the client assertion was already used (`jti`)");
            }
        }
    }
}
