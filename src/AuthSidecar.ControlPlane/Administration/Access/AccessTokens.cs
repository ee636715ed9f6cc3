using AuthSidecar.Cedar;
using AuthSidecar.ControlPlane.Identity;
using AuthSidecar.Tokens;
using Grpc.Core;

namespace AuthSidecar.ControlPlane.Administration.Access;

/// <summary>Finds out by their access token who calls.</summary>
internal sealed class AccessTokens(TokenValidator validator, KeyRing keys, AccessPolicies policies, TimeProvider time)
{
    private const string Scheme = "Bearer ";

    /// <exception cref="RpcException">UNAUTHENTICATED, and why.</exception>
    public async Task<Caller> AuthenticateAsync(HttpContext context)
    {
        var headers = context.Request.Headers.Authorization;
        if (headers.Count != 1 || headers[0] is not { } header || !header.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase))
        {
            throw Unauthenticated(context, TokenError.Missing, null);
        }

        var access = await policies.CurrentAsync(context.RequestAborted);
        var result = validator.Validate(new TokenRequest { Token = new Secret(header[Scheme.Length..]) }, keys.Issuers, access.Revocations, time.GetUtcNow());
        if (!result.IsValid)
        {
            throw Unauthenticated(context, result.Error, result.Detail);
        }

        // One that was removed is not known any more, whatever its token says.
        var principal = new EntityUid(AccessSnapshot.AdministratorType, result.Token.Subject);
        return access.Knows(principal) ? new AdministratorCaller(principal, access, () => AuthenticateAsync(context)) : throw Unauthenticated(context, TokenError.SubjectMismatch, null);
    }

    private static RpcException Unauthenticated(HttpContext context, TokenError error, string? detail)
    {
        // RFC 6750, section 3: a request without a token is told nothing of an error. One whose answer has begun is told by its status alone.
        if (!context.Response.HasStarted)
        {
            context.Response.Headers.WWWAuthenticate = error == TokenError.Missing ? "Bearer" : "Bearer error=\"invalid_token\"";
        }

        return Failures.Unauthenticated(error, detail);
    }
}
