using AuthSidecar.ControlPlane.V1;

namespace AuthSidecar.ControlPlane.Entities;

/// <summary>The entities' side of the administration API.</summary>
internal sealed class EntityService(EntityWriter writer, EntityImport import, ControlStore store) : V1.EntityService.EntityServiceBase
{
    private const int MaxChanges = 10_000;

    public override async Task<WriteEntitiesResponse> WriteEntities(WriteEntitiesRequest request, ServerCallContext context)
    {
        if (request.Entities.Count > MaxChanges || request.Removed.Count > MaxChanges)
            throw ApiErrors.InvalidField("entities", $"too many changes: limit {MaxChanges} per write; use ImportEntities");

        var (caller, change) = (Caller.Of(context), new EntityChangeReader());
        change.Add(request.Entities, request.Removed);
        if (change.Count == 0)
            throw ApiErrors.InvalidField("entities", "must not be empty");

        var expected = RequestChecks.Expected(request.HasExpectedRevision, request.ExpectedRevision);
        return new WriteEntitiesResponse
        {
            Revision = ApiErrors.Committed(
                await writer.WriteAsync(caller.Name, caller.IsAllowed, change.ToChange, expected, context.CancellationToken)),
        };
    }

    public override async Task ImportEntities(
        IAsyncStreamReader<ImportEntitiesRequest> requestStream, IServerStreamWriter<ImportEntitiesResponse> responseStream,
        ServerCallContext context)
    {
        var caller = Caller.Of(context);
        await foreach (var progress in import.RunAsync(
            caller, requestStream.ReadAllAsync(context.CancellationToken), context.CancellationToken))
        {
            await responseStream.WriteAsync(progress, context.CancellationToken);
        }
    }

    public override async Task<ChangeMembershipsResponse> ChangeMemberships(ChangeMembershipsRequest request, ServerCallContext context)
    {
        var caller = Caller.Of(context);
        var unchanged = new List<EntityUid>();
        var result = await writer.ChangeMembershipsAsync(
            caller.Name,
            caller.IsAllowed,
            EntityChangeReader.NoAdministrator(RequestChecks.Uid(request.Entity, "entity"), "entity"),
            RequestChecks.Uids(request.Added, "added"),
            RequestChecks.Uids(request.Removed, "removed"),
            RequestChecks.Expected(request.HasExpectedRevision, request.ExpectedRevision),
            context.CancellationToken,
            unchanged);
        return new ChangeMembershipsResponse
        {
            Revision = ApiErrors.Committed(result),
            Unchanged = { unchanged.Select(u => u.ToString()) },
        };
    }

    public override async Task<GetEntityResponse> GetEntity(GetEntityRequest request, ServerCallContext context)
    {
        var uid = RequestChecks.Uid(request.Entity, "entity");
        var row = await store.ReadAsync(
            (read, _) => read.Entities.SingleOrDefaultAsync(
                e => e.Type == uid.Type && e.Id == uid.Id && !e.IsRemoved, context.CancellationToken),
            context.CancellationToken);
        // Who may not read it is not told that it is there.
        if (row is null || !Caller.Of(context).IsAllowed("entities.read", new Placement(row.Application, row.Tenant)))
            throw ApiErrors.NotFound($"entity {uid}");

        return new GetEntityResponse
        {
            Entity = new StoredEntity
            {
                Json = row.Json,
                Application = row.Application,
                Tenant = row.Tenant,
                Revision = store.At(row.Revision).ToString(),
            },
        };
    }
}
