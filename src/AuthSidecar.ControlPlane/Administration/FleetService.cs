using AuthSidecar.ControlPlane.Sync;
using AuthSidecar.ControlPlane.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;

namespace AuthSidecar.ControlPlane.Administration;

/// <summary>The sidecars' side of the administration API.</summary>
internal sealed class FleetService(Fleet fleet) : V1.FleetService.FleetServiceBase
{
    public override Task<ListSidecarsResponse> ListSidecars(ListSidecarsRequest request, ServerCallContext context) => Task.FromResult(new ListSidecarsResponse
    {
        Sidecars = { fleet.Connected.Select(ToMessage).OrderBy(s => s.Application, StringComparer.Ordinal).ThenBy(s => s.Name, StringComparer.Ordinal) },
    });

    private static Sidecar ToMessage(ConnectedSidecar sidecar)
    {
        var (heardAt, decisionsPerSecond, resources) = sidecar.Status;
        return new Sidecar
        {
            Name = sidecar.Identity.Name,
            Application = sidecar.Identity.Scope.Application,
            Tenant = sidecar.Identity.Scope.Tenant,
            Version = sidecar.Version,
            ConnectedAt = Timestamp.FromDateTimeOffset(sidecar.ConnectedAt),
            HeardAt = Timestamp.FromDateTimeOffset(heardAt),
            Resources = { resources },
            DecisionsPerSecond = decisionsPerSecond,
        };
    }
}
