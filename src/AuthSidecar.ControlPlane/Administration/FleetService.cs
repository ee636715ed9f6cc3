using AuthSidecar.ControlPlane.Enrolment;
using AuthSidecar.ControlPlane.Store;
using AuthSidecar.ControlPlane.Sync;
using AuthSidecar.ControlPlane.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;

namespace AuthSidecar.ControlPlane.Administration;

/// <summary>The sidecars' side of the administration API.</summary>
internal sealed class FleetService(Fleet fleet, SidecarRegistry registry, Feed feed, TimeProvider time) : V1.FleetService.FleetServiceBase
{
    private const int MaxUses = 10_000;
    private static readonly TimeSpan DefaultLifetime = TimeSpan.FromHours(1);
    private static readonly TimeSpan MaxLifetime = TimeSpan.FromDays(30);

    public override Task<ListSidecarsResponse> ListSidecars(ListSidecarsRequest request, ServerCallContext context)
    {
        var caller = Caller.Of(context);
        var visible = fleet.Connected.Where(s => caller.May("fleet.read", new Placement(s.Identity.Scope.Application, s.Identity.Scope.Tenant)));
        return Task.FromResult(new ListSidecarsResponse
        {
            LostRevision = feed.Lost?.ToString() ?? "",
            Sidecars = { visible.Select(ToMessage).OrderBy(s => s.Application, StringComparer.Ordinal).ThenBy(s => s.Name, StringComparer.Ordinal) },
        });
    }

    public override async Task<CreateJoinTokenResponse> CreateJoinToken(CreateJoinTokenRequest request, ServerCallContext context)
    {
        if (request.Uses is < 0 or > MaxUses)
        {
            throw Failures.InvalidField("uses", $"a token is good for 1 to {MaxUses} sidecars");
        }

        var lifetime = request.LifetimeSeconds == 0 ? DefaultLifetime : TimeSpan.FromSeconds(request.LifetimeSeconds);
        if (lifetime <= TimeSpan.Zero || lifetime > MaxLifetime)
        {
            throw Failures.InvalidField("lifetime_seconds", $"a token is good for 1 to {MaxLifetime.TotalSeconds} seconds");
        }

        return new CreateJoinTokenResponse
        {
            Token = await registry.CreateTokenAsync(
                Caller.Of(context).Name,
                ScopeOf(request.Application, request.Tenant),
                new JoinTokenTerms(request.Uses == 0 ? 1 : request.Uses, lifetime, RequestChecks.NameOrEmpty(request.Name, "name"), request.Replace),
                context.CancellationToken),
        };
    }

    public override async Task<ListJoinTokensResponse> ListJoinTokens(ListJoinTokensRequest request, ServerCallContext context)
    {
        var caller = Caller.Of(context);
        var rows = await registry.ListTokensAsync(context.CancellationToken);
        return new ListJoinTokensResponse { Tokens = { rows.Where(r => caller.May("fleet.read", new Placement(r.Application, r.Tenant))).Select(ToMessage) } };
    }

    public override async Task<RemoveJoinTokenResponse> RemoveJoinToken(RemoveJoinTokenRequest request, ServerCallContext context)
    {
        var caller = Caller.Of(context);
        var result = await registry.RemoveTokenAsync(caller.Name, RequestChecks.Text(request.Id, "id"), placement => caller.May("join-tokens.remove", placement), context.CancellationToken);
        return result.Refusal is { } refusal ? throw Failures.Of(refusal) : new RemoveJoinTokenResponse();
    }

    public override async Task<RemoveSidecarResponse> RemoveSidecar(RemoveSidecarRequest request, ServerCallContext context)
    {
        var identity = new SidecarIdentity(ScopeOf(request.Application, request.Tenant), RequestChecks.Name(request.Name, "name"));
        return new RemoveSidecarResponse { Revision = Failures.Committed(await registry.RemoveAsync(Caller.Of(context).Name, identity, context.CancellationToken)) };
    }

    private static SyncScope ScopeOf(string application, string tenant) => new(RequestChecks.Name(application, "application"), RequestChecks.NameOrEmpty(tenant, "tenant"));

    private static V1.JoinToken ToMessage(JoinTokenRow row) => new()
    {
        Id = row.Id,
        Application = row.Application,
        Tenant = row.Tenant,
        Uses = row.Uses,
        UsesLeft = row.UsesLeft,
        CreatedAt = Timestamp.FromDateTimeOffset(DateTimeOffset.FromUnixTimeMilliseconds(row.CreatedAtMs)),
        ExpiresAt = Timestamp.FromDateTimeOffset(DateTimeOffset.FromUnixTimeMilliseconds(row.ExpiresAtMs)),
        Name = row.Name,
        Replace = row.IsReplacing,
    };

    private Sidecar ToMessage(ConnectedSidecar sidecar)
    {
        var (heardAt, staleSince, decisionsPerSecond, reported, resources) = sidecar.Status;
        var message = new Sidecar
        {
            Name = sidecar.Identity.Name,
            Application = sidecar.Identity.Scope.Application,
            Tenant = sidecar.Identity.Scope.Tenant,
            Version = sidecar.Version,
            ConnectedAt = Timestamp.FromDateTimeOffset(sidecar.ConnectedAt),
            HeardAt = Timestamp.FromDateTimeOffset(heardAt),
            Resources = { resources },
            DecisionsPerSecond = decisionsPerSecond,
            IsCurrent = staleSince is null,
            StaleSeconds = staleSince is { } since ? (ulong)Math.Max(0, (time.GetUtcNow() - since).TotalSeconds) : 0,
            Revision = reported.Revision,
            Problems = { reported.Problems },
            RefusedHeartbeats = reported.RefusedHeartbeats,
            RefusedBundles = reported.RefusedBundles,
        };
        if (sidecar.ClonedAt is { } cloned)
        {
            message.Problems.Add($"duplicate identity: a second process was refused, last at {cloned:u}");
        }

        if (reported.HasClockAheadMs)
        {
            message.ClockAheadMs = reported.ClockAheadMs;
        }

        return message;
    }
}
