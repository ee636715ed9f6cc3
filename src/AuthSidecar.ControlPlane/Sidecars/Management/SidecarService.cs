using AuthSidecar.ControlPlane.Sidecars.Enrolment;
using AuthSidecar.ControlPlane.Sidecars.Fleet;
using AuthSidecar.ControlPlane.V1;
using Google.Protobuf.WellKnownTypes;

namespace AuthSidecar.ControlPlane.Sidecars.Management;

/// <summary>The sidecars' side of the administration API.</summary>
internal sealed class SidecarService(
    SidecarRoll roll, SidecarRegistry registry, JoinTokens joinTokens, ControlStore store, StoreWatcher watcher)
    : V1.SidecarService.SidecarServiceBase
{
    private const int MaxUses = 10_000;
    private const int MaxPageSize = 1_000;

    private static readonly TimeSpan DefaultLifetime = TimeSpan.FromHours(1);
    private static readonly TimeSpan MaxLifetime = TimeSpan.FromDays(30);

    public override async Task<ListSidecarsResponse> ListSidecars(ListSidecarsRequest request, ServerCallContext context)
    {
        var (caller, size) = (Caller.Of(context), request.PageSize == 0 ? MaxPageSize : RequestChecks.PageSize(request.PageSize));
        RequestChecks.Number(request.WithoutRevision, "without_revision", store);
        var without = RequestChecks.Revision(request.WithoutRevision, "without_revision");
        var found = (await roll.ListAsync(context.CancellationToken))
            .Where(s => caller.IsAllowed("sidecars.read", new Placement(s.Application, s.Tenant)))
            .Where(s => (request.Application.Length == 0 || s.Application == request.Application)
                && (request.Tenant.Length == 0 || s.Tenant == request.Tenant) && (request.Name.Length == 0 || s.Name == request.Name))
            .Where(s => request.State == SidecarState.Unspecified || s.State == request.State)
            .Where(s => without == default || !(Revision.TryParse(s.Revision, out var at) && at >= without))
            .ToList();
        var page = found.Where(s => request.PageToken.Length == 0 || string.CompareOrdinal(SidecarRoll.KeyOf(s), request.PageToken) > 0)
            .Take(size + 1).ToList();
        return new ListSidecarsResponse
        {
            LostRevision = watcher.Lost?.ToString() ?? "",
            Sidecars = { page.Take(size) },
            NextPageToken = page.Count > size ? SidecarRoll.KeyOf(page[size - 1]) : "",
            Current = found.Count(s => s.State == SidecarState.Current),
            Stale = found.Count(s => s.State == SidecarState.Stale),
            Away = found.Count(s => s.State == SidecarState.Away),
        };
    }

    public override async Task<CreateJoinTokenResponse> CreateJoinToken(CreateJoinTokenRequest request, ServerCallContext context)
    {
        if (request.Uses is < 0 or > MaxUses)
            throw ApiErrors.InvalidField("uses", $"must be 1 to {MaxUses}");

        var lifetime = request.LifetimeSeconds == 0 ? DefaultLifetime : TimeSpan.FromSeconds(request.LifetimeSeconds);
        if (lifetime <= TimeSpan.Zero || lifetime > MaxLifetime)
            throw ApiErrors.InvalidField("lifetime_seconds", $"must be 1 to {MaxLifetime.TotalSeconds}");

        return new CreateJoinTokenResponse
        {
            Token = await joinTokens.CreateAsync(
                Caller.Of(context).Name,
                PlacementOf(request.Application, request.Tenant),
                new JoinTokenTerms(request.Uses == 0 ? 1 : request.Uses, lifetime, RequestChecks.NameOrEmpty(request.Name, "name"),
                    request.Replace),
                context.CancellationToken),
        };
    }

    public override async Task<ListJoinTokensResponse> ListJoinTokens(ListJoinTokensRequest request, ServerCallContext context)
    {
        var caller = Caller.Of(context);
        var rows = await joinTokens.ListAsync(context.CancellationToken);
        return new ListJoinTokensResponse
        {
            Tokens = { rows.Where(r => caller.IsAllowed("sidecars.read", new Placement(r.Application, r.Tenant))).Select(ToMessage) },
        };
    }

    public override async Task<RemoveJoinTokenResponse> RemoveJoinToken(RemoveJoinTokenRequest request, ServerCallContext context)
    {
        var caller = Caller.Of(context);
        var result = await joinTokens.RemoveAsync(caller.Name, RequestChecks.Text(request.Id, "id"),
            placement => caller.IsAllowed("join-tokens.remove", placement), context.CancellationToken);
        return result.Refusal is { } refusal ? throw ApiErrors.Of(refusal) : new RemoveJoinTokenResponse();
    }

    public override async Task<RemoveSidecarResponse> RemoveSidecar(RemoveSidecarRequest request, ServerCallContext context)
    {
        var identity = new SidecarIdentity(PlacementOf(request.Application, request.Tenant), RequestChecks.Name(request.Name, "name"));
        var (result, wasEnrolled) = await registry.RemoveAsync(Caller.Of(context).Name, identity, context.CancellationToken);
        return new RemoveSidecarResponse { Revision = ApiErrors.Committed(result), WasEnrolled = wasEnrolled };
    }

    private static Placement PlacementOf(string application, string tenant) => new(
        RequestChecks.Name(application, "application"), RequestChecks.NameOrEmpty(tenant, "tenant"));

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
}
