using AuthSidecar.Cedar;
using AuthSidecar.ControlPlane.Directory;
using AuthSidecar.ControlPlane.Store;
using AuthSidecar.ControlPlane.V1;
using Grpc.Core;
using Microsoft.EntityFrameworkCore;

namespace AuthSidecar.ControlPlane.Administration;

/// <summary>The entities' side of the administration API.</summary>
internal sealed class DirectoryService(DirectoryWriter writer, ControlStore store) : V1.DirectoryService.DirectoryServiceBase
{
    private const string Write = "entities.write";
    private const int MaxChanges = 10_000;
    private const int MaxImported = 2_000_000;

    public override async Task<WriteEntitiesResponse> WriteEntities(WriteEntitiesRequest request, ServerCallContext context)
    {
        if (request.Entities.Count > MaxChanges || request.Removed.Count > MaxChanges)
        {
            throw Failures.InvalidField("entities", $"a write has at most {MaxChanges} changes; an import has any number");
        }

        var change = new ChangeReader();
        change.Add(request.Entities, request.Removed);
        var expected = RequestChecks.Expected(request.HasExpectedRevision, request.ExpectedRevision);
        return new WriteEntitiesResponse { Revision = Failures.Committed(await WriteAsync(context, change, expected)) };
    }

    public override async Task ImportEntities(
        IAsyncStreamReader<ImportEntitiesRequest> requestStream, IServerStreamWriter<ImportEntitiesResponse> responseStream, ServerCallContext context)
    {
        var change = new ChangeReader();
        while (await requestStream.MoveNext(context.CancellationToken))
        {
            change.Add(requestStream.Current.Entities, requestStream.Current.Removed);
            if (change.Count > MaxImported)
            {
                throw Failures.InvalidField("entities", $"an import has at most {MaxImported} changes");
            }

            await responseStream.WriteAsync(new ImportEntitiesResponse { Received = (ulong)change.Count }, context.CancellationToken);
        }

        var revision = Failures.Committed(await WriteAsync(context, change, expectedRevision: null));
        await responseStream.WriteAsync(new ImportEntitiesResponse { Received = (ulong)change.Count, Revision = revision }, context.CancellationToken);
    }

    public override async Task<ChangeMembershipsResponse> ChangeMemberships(ChangeMembershipsRequest request, ServerCallContext context)
    {
        var caller = Caller.Of(context);
        var result = await writer.ChangeMembershipsAsync(
            caller.Name,
            placement => caller.May(Write, placement),
            RequestChecks.Uid(request.Entity, "entity"),
            RequestChecks.Uids(request.Added, "added"),
            RequestChecks.Uids(request.Removed, "removed"),
            RequestChecks.Expected(request.HasExpectedRevision, request.ExpectedRevision),
            context.CancellationToken);
        return new ChangeMembershipsResponse { Revision = Failures.Committed(result) };
    }

    public override async Task<GetEntityResponse> GetEntity(GetEntityRequest request, ServerCallContext context)
    {
        var uid = RequestChecks.Uid(request.Entity, "entity");
        var row = await store.ReadAsync(
            (read, _) => read.Entities.SingleOrDefaultAsync(e => e.Type == uid.Type && e.Id == uid.Id && !e.IsRemoved, context.CancellationToken),
            context.CancellationToken);
        // Who may not read it is not told that it is there.
        if (row is null || !Caller.Of(context).May("entities.read", new Placement(row.Application, row.Tenant)))
        {
            throw Failures.NotFound($"entity {uid}");
        }

        return new GetEntityResponse
        {
            Entity = new DirectoryEntity { Json = row.Json, Application = row.Application, Tenant = row.Tenant, Revision = (ulong)row.Revision },
        };
    }

    private Task<WriteResult> WriteAsync(ServerCallContext context, ChangeReader change, long? expectedRevision)
    {
        var caller = Caller.Of(context);
        return writer.WriteAsync(caller.Name, placement => caller.May(Write, placement), change.ToChange(), expectedRevision, context.CancellationToken);
    }

    /// <summary>Reads changes. Where two speak of the same entity, the later one counts.</summary>
    private sealed class ChangeReader
    {
        private readonly Dictionary<EntityUid, (Entity Entity, Placement Placement)?> _changes = [];

        public int Count => _changes.Count;

        /// <exception cref="RpcException">INVALID_ARGUMENT with every fault.</exception>
        public void Add(IReadOnlyList<DirectoryEntity> written, IReadOnlyList<string> removed)
        {
            var faults = new List<Fault>();
            for (var i = 0; i < written.Count; i++)
            {
                var given = written[i];
                var source = SourceText.Of(given.Json, $"entities[{i}]");
                var placement = new Placement(RequestChecks.NameOrEmpty(given.Application, $"entities[{i}].application"), RequestChecks.NameOrEmpty(given.Tenant, $"entities[{i}].tenant"));
                if (Entity.TryParse(source, out var entity, out var found))
                {
                    _changes[entity.Uid] = (entity, placement);
                }

                faults.AddRange(found);
            }

            if (faults.Count > 0)
            {
                throw Failures.Invalid(faults);
            }

            foreach (var uid in RequestChecks.Uids(removed, "removed"))
            {
                _changes[uid] = null;
            }
        }

        public DirectoryChange ToChange() => new(
            [.. _changes.Values.Where(c => c is not null).Select(c => c!.Value)],
            [.. _changes.Where(c => c.Value is null).Select(c => c.Key)]);
    }
}
