namespace AuthSidecar.Risk;

/// <summary>What is known of an access. A signal that is missing is null, and a risk of its own.</summary>
internal sealed record RiskSignals
{
    public static readonly RiskSignals None = new();

    public DeviceSignal? Device { get; init; }
    public NetworkSignal? Network { get; init; }
    public Place? Location { get; init; }

    /// <summary>When it happens; null: now.</summary>
    public DateTimeOffset? Time { get; init; }
}

/// <param name="DeviceId">The id it was registered under.</param>
/// <param name="KeyThumbprint">The thumbprint of the key it has proved to hold; empty: none.</param>
internal sealed record DeviceSignal(string DeviceId, string KeyThumbprint);

/// <param name="PeerAddress">As the caller's own socket saw it.</param>
/// <param name="ForwardedFor">As the header has it, left to right.</param>
internal sealed record NetworkSignal(string PeerAddress, IReadOnlyList<string> ForwardedFor);

/// <summary>What this sidecar itself has seen of a subject lately; null where it cannot tell.</summary>
/// <param name="RequestsPerMinute">Requests within the last minute.</param>
/// <param name="Failures">Wrong second factors since the last right one.</param>
internal readonly record struct RecentActivity(int? RequestsPerMinute, int? Failures);

/// <summary>All that a factor may look at.</summary>
internal sealed record RiskInput(
    RiskSignals Signals,
    RiskProfile? Profile,
    RiskSettings Settings,
    RecentActivity Activity,
    EntityUid? Action,
    DateTimeOffset Now)
{
    public DateTimeOffset Time => Signals.Time ?? Now;

    /// <summary>The client's address, if there is one that can be believed.</summary>
    public IpRange? ClientAddress { get; } = Signals.Network is { } network ? ClientAddressOf(network, Settings) : null;

    /// <summary>Where the access comes from: what the device says, else what the address tells; null where neither is exact enough to say
    /// anything.</summary>
    public Place? Location => DevicePlace ?? AddressPlace;

    /// <summary>How far (km) what the device says is from what the address tells, beyond what both leave open; null: they do not contradict
    /// each other.</summary>
    public double? ContradictionKm => DevicePlace is { } said && AddressPlace is { } seen && said.GapKmTo(seen) is var km
        && km > Settings.TravelToleranceKm ? km : null;

    public string? Country => Geo?.Country;
    private GeoRecord? Geo { get; init; }

    // Whoever could be anywhere is not near: what is not exact must not lower a risk. A device knows where it is; an address tells a
    // country's middle at worst.
    private Place? DevicePlace => Signals.Location is { AccuracyKm: <= Place.MaxDeviceAccuracyKm } place ? place : null;

    private Place? AddressPlace => Geo?.Place is { AccuracyKm: <= Place.MaxAddressAccuracyKm } place ? place : null;

    public static RiskInput Create(
        RiskSignals signals, RiskProfile? profile, RiskSettings settings, RecentActivity activity, EntityUid? action, DateTimeOffset now)
    {
        var input = new RiskInput(signals, profile, settings, activity, action, now);
        return input.ClientAddress is { } address && settings.Geo is { } geo ? input with { Geo = geo.Find(address) } : input;
    }

    /// <summary>The right-most address that is not one of our proxies, and none at all once a hop is unreadable: what stands left of that
    /// was written by whoever stands behind it.</summary>
    private static IpRange? ClientAddressOf(NetworkSignal network, RiskSettings settings)
    {
        var hops = network.ForwardedFor.Append(network.PeerAddress).Reverse();
        IpRange? last = null;
        foreach (var hop in hops)
        {
            if (!StrictIpAddress.TryParse(hop, out var address))
                return null;

            last = address;
            if (!settings.TrustedProxies.Contains(address))
                return address;
        }

        return last;
    }
}
