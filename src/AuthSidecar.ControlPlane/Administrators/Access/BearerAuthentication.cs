using AuthSidecar.ControlPlane.Identity.Keys;
using AuthSidecar.ControlPlane.Publications;
using AuthSidecar.Tokens;

namespace AuthSidecar.ControlPlane.Administrators.Access;

/// <summary>Finds out by their access token who calls.</summary>
internal sealed class BearerAuthentication(TokenValidator validator, KeyRing keys, AccessPolicies policies, TimeProvider time)
{
    private const string Scheme = "Bearer ";

    /// <exception cref="RpcException">UNAUTHENTICATED, and why.</exception>
    public async Task<Caller> AuthenticateAsync(HttpContext context)
    {
        var headers = context.Request.Headers.Authorization;
        if (headers.Count != 1 || headers[0] is not { } header || !header.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase))
            throw Unauthenticated(context, TokenRejection.Missing, null);

        var access = await policies.CurrentAsync(context.RequestAborted);
        var result = validator.Validate(
            new PresentedToken { Token = new Secret(header[Scheme.Length..]) }, keys.Issuers, access.Revocations, time.GetUtcNow());
        if (!result.IsValid)
            throw Unauthenticated(context, result.Error, result.Detail);

        // One that was removed is not known any more, whatever its token says.
        var principal = new EntityUid(BuiltInPolicies.AdministratorType, result.Token.Subject);
        return access.Knows(principal) ? new AdministratorCaller(principal, access, () => AuthenticateAsync(context))
            : throw Unauthenticated(context, TokenRejection.SubjectMismatch, null);
    }

    private static RpcException Unauthenticated(HttpContext context, TokenRejection error, string? detail)
    {
        // RFC 6750, section 3: a request without a token is told nothing of an error. One whose answer has begun is told by its status
        // alone.
        if (!context.Response.HasStarted)
            context.Response.Headers.WWWAuthenticate = error == TokenRejection.Missing ? "Bearer" : "Bearer error=\"invalid_token\"";

        return ApiErrors.Unauthenticated(error, detail);
    }
}
