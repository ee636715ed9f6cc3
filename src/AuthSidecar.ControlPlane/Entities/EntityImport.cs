using AuthSidecar.ControlPlane.V1;

namespace AuthSidecar.ControlPlane.Entities;

/// <summary>Takes in any number of changes, message by message, and puts them into force at once at the end.</summary>
internal sealed class EntityImport(EntityWriter writer)
{
    private const int MaxChanges = 2_000_000;
    private const long MaxBytes = 1L << 30;

    /// <returns>How far it is, after each message; last, with the revision.</returns>
    /// <exception cref="RpcException">It was refused, and nothing of it was done.</exception>
    public async IAsyncEnumerable<ImportEntitiesResponse> RunAsync(
        Caller caller, IAsyncEnumerable<ImportEntitiesRequest> messages, [EnumeratorCancellation] CancellationToken cancellation)
    {
        var (change, bytes) = (new EntityChangeReader(), 0L);
        await foreach (var message in messages.WithCancellation(cancellation))
        {
            // Asked again where it is written, for where entities come from as well; here, so that nobody fills memory with what they may
            // not write.
            if (message.Entities.Select(e => new Placement(e.Application, e.Tenant)).Distinct().FirstOrDefault(
                p => !caller.IsAllowed(EntityWriter.Write, p)) is { Application: not null } forbidden)
            {
                throw ApiErrors.PermissionDenied(EntityWriter.Write, forbidden);
            }

            bytes += message.CalculateSize();
            if (bytes > MaxBytes)
                throw ApiErrors.InvalidField("entities", $"import too large: limit {MaxBytes >> 20} MiB");

            change.Add(message.Entities, message.Removed);
            if (change.Count > MaxChanges)
                throw ApiErrors.InvalidField("entities", $"too many changes: limit {MaxChanges} per import");

            yield return new ImportEntitiesResponse { Received = (ulong)change.Count };
        }

        if (change.Count == 0)
            throw ApiErrors.InvalidField("entities", "must not be empty");

        // An import takes its time, and its sender may have been removed meanwhile.
        caller = await caller.AgainAsync();
        var result = await writer.WriteAsync(caller.Name, caller.IsAllowed, change.ToChange, expectedRevision: null, cancellation);
        yield return new ImportEntitiesResponse { Received = (ulong)change.Count, Revision = ApiErrors.Committed(result) };
    }
}
