namespace AuthSidecar.Issuers;

/// <summary>Registers what verifies tokens, and what asks their issuers.</summary>
internal static class IssuerSetup
{
    /// <param name="hosts">The hosts that may be asked.</param>
    /// <param name="introspectionClients">The file with what issuers are asked about opaque tokens with; null: none is asked.</param>
    /// <param name="tokenCacheSize">How many verified tokens to remember.</param>
    /// <param name="limits">How large tokens may be.</param>
    public static IServiceCollection AddIssuers(this IServiceCollection services, IssuerHosts hosts, string? introspectionClients,
        int tokenCacheSize, TokenLimits limits) => services
        .AddSingleton(hosts)
        .AddSingleton(_ => new VerifiedTokenCache(tokenCacheSize))
        .AddSingleton<IssuerHttp>()
        .AddSingleton(new RemoteKeySetOptions())
        .AddSingleton<KeySetClient>()
        .AddSingleton<RemoteKeySets>()
        .AddHostedService(s => s.GetRequiredService<RemoteKeySets>())
        .AddSingleton(s => IntrospectionClients.Watch(introspectionClients, s.GetRequiredService<ILogger<IntrospectionClients>>()))
        .AddSingleton<IntrospectionClient>()
        .AddSingleton<OpaqueTokens>()
        .AddSingleton<DpopVerifier>()
        .AddSingleton(s => new TokenValidator(s.GetRequiredService<VerifiedTokenCache>(), s.GetRequiredService<DpopVerifier>(),
            s.GetRequiredService<OpaqueTokens>().Find, limits));
}
