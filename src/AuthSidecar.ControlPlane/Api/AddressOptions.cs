namespace AuthSidecar.ControlPlane.Api;

/// <summary>Who is behind an address, and how often it may try.</summary>
internal sealed record AddressOptions
{
    /// <summary>The proxies whose word on who is behind them (`X-Forwarded-For`) is taken.</summary>
    public IReadOnlyList<IPNetwork> TrustedProxies { get; init; } = [];

    /// <summary>How often an address may try to sign in within a minute; 0: as often as it likes.</summary>
    public int AttemptsPerMinute { get; init; } = 30;
}
