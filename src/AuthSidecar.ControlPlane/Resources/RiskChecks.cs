using AuthSidecar.Cedar;
using AuthSidecar.ControlPlane.V1;

namespace AuthSidecar.ControlPlane.Resources;

/// <summary>Holds risk settings and profiles against the ranges in docs/bundle.md.</summary>
internal static class RiskChecks
{
    private const int HoursInDay = 24;

    // The defaults, against which the thresholds that are given have to rise.
    private const int Medium = 25;
    private const int High = 50;
    private const int Critical = 80;

    public static IReadOnlyList<Fault> Check(RiskSettings settings)
    {
        var faults = new List<Fault>();
        if (settings.Weights is { } w)
        {
            int[] weights = [w.Device, w.Network, w.DeniedNetwork, w.Location, w.Travel, w.Velocity, w.Failures, w.Time, w.Action];
            Demand(weights.All(i => i is >= 0 and <= 100), "weights", "a weight is 0 to 100");
        }

        if (settings.Thresholds is { } t)
        {
            var (medium, high, critical) = (t.HasMedium ? t.Medium : Medium, t.HasHigh ? t.High : High, t.HasCritical ? t.Critical : Critical);
            var (stepUp, deny) = (t.HasStepUpAt ? t.StepUpAt : High, t.HasDenyAt ? t.DenyAt : Critical);
            Demand(0 < medium && medium <= high && high <= critical && critical <= 100, "thresholds", "they rise from above 0: `medium`, `high`, `critical`, at most 100");
            Demand(0 < stepUp && stepUp <= deny && deny <= 100, "thresholds", "they rise from above 0: `step_up_at`, `deny_at`, at most 100");
        }

        foreach (var (name, networks) in new[]
        {
            ("trusted_proxies", settings.TrustedProxies),
            ("trusted_networks", settings.TrustedNetworks),
            ("denied_networks", settings.DeniedNetworks),
            ("hosting_networks", settings.HostingNetworks),
            ("tor_networks", settings.TorNetworks),
        })
        {
            foreach (var network in networks)
            {
                Demand(IpRange.TryParse(network, out _), name, $"`{network}` is not an IP address or CIDR range");
            }
        }

        foreach (var (action, sensitivity) in settings.Actions)
        {
            Demand(EntityUid.TryParse(action, out _, out _), "actions", $"`{action}` is not an action such as `Action::\"delete\"`");
            Demand(sensitivity is >= 0 and <= 1, "actions", $"the sensitivity of {action} is 0 to 1");
        }

        Demand(!settings.HasMaxTravelKmPerHour || settings.MaxTravelKmPerHour is >= 1 and <= 100_000, "max_travel_km_per_hour", "it is 1 to 100000");
        Demand(!settings.HasTravelToleranceKm || settings.TravelToleranceKm is >= 0 and <= 20_000, "travel_tolerance_km", "it is 0 to 20000");
        Demand(!settings.HasMaxRequestsPerMinute || settings.MaxRequestsPerMinute is >= 1 and <= 1_000_000, "max_requests_per_minute", "it is 1 to 1000000");
        Demand(!settings.HasMaxFailures || settings.MaxFailures is >= 1 and <= 1_000, "max_failures", "it is 1 to 1000");
        return faults;

        void Demand(bool isSo, string field, string what) => AddUnless(isSo, $"settings.{field}", what, faults);
    }

    public static IReadOnlyList<Fault> Check(RiskProfile profile)
    {
        var faults = new List<Fault>();
        foreach (var place in profile.LastSeen?.Place is { } seen ? profile.Places.Append(seen) : profile.Places)
        {
            Demand(place.Latitude is >= -90 and <= 90 && place.Longitude is >= -180 and <= 180, "places", "a place has a latitude of -90 to 90 and a longitude of -180 to 180");
            Demand(place.AccuracyKm is >= 0 and <= 20_000, "places", "`accuracy_km` is 0 to 20000");
        }

        Demand(profile.Devices.All(d => d.Id.Length > 0), "devices", "a device has an id");
        Demand(profile.LastSeen is null or { Place: not null, At: not null }, "last_seen", "it has a place and a time");
        Demand(profile.Hours.Count is 0 or HoursInDay && profile.Hours.All(h => h >= 0), "hours", "there are 24 counts, or none");
        Demand(!profile.HasTimeZone || TimeZoneInfo.TryFindSystemTimeZoneById(profile.TimeZone, out _), "time_zone", $"there is no time zone `{profile.TimeZone}`");
        return faults;

        void Demand(bool isSo, string field, string what) => AddUnless(isSo, $"profile.{field}", what, faults);
    }

    private static void AddUnless(bool isSo, string field, string what, List<Fault> faults)
    {
        if (!isSo)
        {
            faults.Add(new Fault(field, 0, 0, what));
        }
    }
}
