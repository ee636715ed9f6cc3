namespace AuthSidecar.Bundles;

/// <summary>How risk is scored. Immutable; the defaults are those of a bundle without risk settings.</summary>
internal sealed record RiskSettings
{
    public static readonly RiskSettings Default = new();

    public RiskThresholds Thresholds { get; init; } = new();
    public RiskWeights Weights { get; init; } = new();

    /// <summary>The proxies whose word on <c>X-Forwarded-For</c> counts. Empty: nobody's.</summary>
    public NetworkList TrustedProxies { get; init; } = NetworkList.Empty;

    /// <summary>Networks that count as trusted. A private address is not, unless it is listed here.</summary>
    public NetworkList TrustedNetworks { get; init; } = NetworkList.Empty;

    public NetworkList DeniedNetworks { get; init; } = NetworkList.Empty;
    public NetworkList HostingNetworks { get; init; } = NetworkList.Empty;
    public NetworkList TorNetworks { get; init; } = NetworkList.Empty;

    /// <summary>How sensitive actions are, from 0 (the default) to 1.</summary>
    public FrozenDictionary<EntityUid, double> ActionSensitivity { get; init; } = FrozenDictionary<EntityUid, double>.Empty;

    public FrozenDictionary<EntityUid, RiskProfile> Profiles { get; init; } = FrozenDictionary<EntityUid, RiskProfile>.Empty;
    public GeoDatabase? Geo { get; init; }
    public double MaxTravelKmPerHour { get; init; } = 900;

    /// <summary>Distances below this (km) say nothing: address databases are no better.</summary>
    public double TravelToleranceKm { get; init; } = 100;

    /// <summary>Requests in a minute that are certainly too many.</summary>
    public int MaxRequestsPerMinute { get; init; } = 600;

    /// <summary>Wrong second factors in a row that weigh fully.</summary>
    public int MaxFailures { get; init; } = 5;
}
