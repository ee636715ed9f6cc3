namespace AuthSidecar.ControlPlane.Identity.Server;

/// <summary>What the server says of itself beside what the framework does, and in place of what it says that is not so (RFC 8414, section
/// 2).</summary>
internal sealed class Metadata(IdentityServerOptions options) : IOpenIddictServerHandler<HandleConfigurationRequestContext>
{
    private static readonly JsonElement Algorithms = ToJson("ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "RS256", "RS384",
        "RS512");

    public ValueTask HandleAsync(HandleConfigurationRequestContext context)
    {
        // There are no client secrets. Who has no key names itself, where it asks for tokens or a device code.
        foreach (var (methods, isPublicToo) in new[]
        {
            (context.TokenEndpointAuthenticationMethods, true),
            (context.DeviceAuthorizationEndpointAuthenticationMethods, true),
            (context.RevocationEndpointAuthenticationMethods, true),
            (context.IntrospectionEndpointAuthenticationMethods, false),
        })
        {
            methods.Clear();
            methods.Add(ClientAuthenticationMethods.PrivateKeyJwt);
            if (isPublicToo)
                methods.Add(ClientAuthenticationMethods.None);
        }

        foreach (var endpoint in new[] { "token", "revocation", "introspection" })
            context.Metadata[$"{endpoint}_endpoint_auth_signing_alg_values_supported"] = Algorithms;

        // RFC 9449, section 5.1.
        context.Metadata["dpop_signing_alg_values_supported"] = Algorithms;
        context.Metadata["acr_values_supported"] = ToJson(ServerConstants.MultiFactor);
        // OpenID Connect Back-Channel Logout 1.0, section 2.1.
        (context.Metadata["backchannel_logout_supported"], context.Metadata["backchannel_logout_session_supported"]) = (true, true);
        context.Claims.UnionWith(
            [Claims.Audience, Claims.AuthenticationContextReference, Claims.AuthenticationMethodReference, Claims.AuthenticationTime,
                Claims.Email, Claims.EmailVerified, Claims.ExpiresAt, Claims.IssuedAt, Claims.Issuer, Claims.Name, Claims.Nonce,
                Claims.PreferredUsername, Claims.Subject, ServerConstants.SessionIdClaim]);
        if (options.CertificatesUrl is { } url)
        {
            // RFC 8705, sections 3.3 and 5.
            context.TlsClientCertificateBoundAccessTokens = true;
            (context.MtlsTokenEndpointAlias, context.MtlsUserInfoEndpointAlias) = (new Uri(url, ServerConstants.TokenPath),
                new Uri(url, ServerConstants.UserInfoPath));
        }

        return ValueTask.CompletedTask;
    }

    private static JsonElement ToJson(params string[] values) => JsonSerializer.SerializeToElement(values);
}
