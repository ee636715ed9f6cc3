using System.Collections.Frozen;
using AuthSidecar.Cedar;

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

/// <summary>Where levels begin, and what is recommended from where on. Scores from 0 to 100.</summary>
/// <param name="Medium">Where medium begins.</param>
/// <param name="High">Where high begins.</param>
/// <param name="Critical">Where critical begins.</param>
/// <param name="StepUpAt">From where on a step-up is recommended.</param>
/// <param name="DenyAt">From where on a denial is recommended.</param>
/// <param name="RequireAllTrusted">Whether a single factor that is not trusted is enough to ask for a step-up.</param>
internal sealed record RiskThresholds(
    int Medium = 25,
    int High = 50,
    int Critical = 80,
    int StepUpAt = 50,
    int DenyAt = 80,
    bool RequireAllTrusted = true);

/// <summary>The most that each factor can contribute, from 0 to 100.</summary>
/// <param name="Device">How far the device is not a known one.</param>
/// <param name="Network">What the client's address is listed as.</param>
/// <param name="DeniedNetwork">For an address of a denied network, in place of the network's weight.</param>
/// <param name="Location">How far the place is not a usual one.</param>
/// <param name="Travel">Travel faster than anybody travels.</param>
/// <param name="Velocity">Requests in a minute.</param>
/// <param name="Failures">Wrong second factors in a row.</param>
/// <param name="Time">How unusual the hour is.</param>
/// <param name="Action">How sensitive the action is.</param>
internal sealed record RiskWeights(
    int Device = 25,
    int Network = 25,
    int DeniedNetwork = 100,
    int Location = 15,
    int Travel = 40,
    int Velocity = 15,
    int Failures = 20,
    int Time = 10,
    int Action = 15);

/// <summary>What is known of a subject's habits. Immutable.</summary>
internal sealed record RiskProfile
{
    public IReadOnlyList<KnownDevice> Devices { get; init; } = [];

    /// <summary>Places the subject is usually at; the accuracy is the radius that counts as there.</summary>
    public IReadOnlyList<Place> Places { get; init; } = [];

    /// <summary>Countries the subject is usually in: ISO 3166-1, two letters.</summary>
    public IReadOnlyList<string> Countries { get; init; } = [];

    public LastSeen? LastSeen { get; init; }

    /// <summary>How often the subject was seen in each of the 24 hours of its own day; null: not learned yet.</summary>
    public IReadOnlyList<int>? Hours { get; init; }

    public TimeZoneInfo TimeZone { get; init; } = TimeZoneInfo.Utc;
}

/// <param name="DeviceId">The id it was registered under.</param>
/// <param name="KeyThumbprint">The thumbprint of the key it is bound to; null: it is bound to none.</param>
internal sealed record KnownDevice(string DeviceId, string? KeyThumbprint);

internal sealed record LastSeen(Place Place, DateTimeOffset At);

/// <summary>Networks in CIDR notation.</summary>
internal sealed class NetworkList(IReadOnlyList<IpRange> ranges)
{
    public static readonly NetworkList Empty = new([]);

    public bool Contains(IpRange address)
    {
        foreach (var range in ranges)
        {
            if (address.IsInRange(range))
            {
                return true;
            }
        }

        return false;
    }
}
