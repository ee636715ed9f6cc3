using AuthSidecar.ControlPlane.Sidecars.Trust;
using AuthSidecar.ControlPlane.V1;
using Google.Protobuf.WellKnownTypes;

namespace AuthSidecar.ControlPlane.Sidecars.Fleet;

/// <summary>Every sidecar there is, at whatever node: as this one sees those that are connected to it, and as others have told of the
/// rest.</summary>
internal sealed class SidecarRoll(SidecarFleet fleet, ControlStore store, TrustRing trust, TimeProvider time)
{
    /// <summary>In the order of their keys.</summary>
    public async Task<List<Sidecar>> ListAsync(CancellationToken cancellation)
    {
        var now = time.GetUtcNow();
        var here = fleet.Connected.Select(s => s.ToMessage(now)).ToDictionary(KeyOf, StringComparer.Ordinal);
        foreach (var row in await store.ReadAsync((context, _) => context.Sidecars.Where(s => !s.IsRemoved).ToListAsync(cancellation),
            cancellation))
        {
            var message = row.Report is null ? new Sidecar() : Sidecar.Parser.ParseFrom(row.Report);
            (message.Application, message.Tenant, message.Name) = (row.Application, row.Tenant, row.Name);
            if (here.TryGetValue(KeyOf(message), out var live))
            {
                message = live;
            }
            else
            {
                message.HeardAt = row.HeardAtMs > 0 ? TimeOf(row.HeardAtMs) : null;
                message.DecisionsPerSecond = 0;
                message.State = !Presence.IsConnected(row, now) ? SidecarState.Away
                    : message.IsCurrent ? SidecarState.Current : SidecarState.Stale;
                message.IsCurrent = message.State == SidecarState.Current;
            }

            (message.EnrolledAt, message.CertificateExpiresAt) = (TimeOf(row.EnrolledAtMs), TimeOf(row.ExpiresAtMs));
            here[KeyOf(message)] = message;
        }

        foreach (var sidecar in here.Values.Where(s => s.State != SidecarState.Away && s.PinnedKeys.Count > 0))
        {
            sidecar.Problems.AddRange(trust.Current.DescribeUnknown(sidecar.PinnedKeys) is { } unknown
                ? [unknown]
                : trust.Current.BundleKeysExcept(sidecar.PinnedKeys).Select(row =>
                    $"does not trust the bundle-signing key {row.KeyId}, active from {TimeOf(row.SignsFromMs).ToDateTimeOffset():u}: "
                        + "replace its `--pinned-keys` file with `bundle-keys.json` of the control plane (without such a file it is sent "
                        + "the key within seconds)"));
        }

        return [.. here.OrderBy(h => h.Key, StringComparer.Ordinal).Select(h => h.Value)];
    }

    /// <summary>No two have the same; names have no slash.</summary>
    public static string KeyOf(Sidecar sidecar) => $"{sidecar.Application}/{sidecar.Tenant}/{sidecar.Name}";

    private static Timestamp TimeOf(long ms) => Timestamp.FromDateTimeOffset(DateTimeOffset.FromUnixTimeMilliseconds(ms));
}
