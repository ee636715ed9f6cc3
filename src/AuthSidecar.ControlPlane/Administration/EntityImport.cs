using System.Runtime.CompilerServices;
using AuthSidecar.ControlPlane.Directory;
using AuthSidecar.ControlPlane.Store;
using AuthSidecar.ControlPlane.V1;
using Grpc.Core;

namespace AuthSidecar.ControlPlane.Administration;

/// <summary>Takes in any number of changes, message by message, and puts them into force at once at the end.</summary>
internal sealed class EntityImport(DirectoryWriter writer)
{
    private const int MaxChanges = 2_000_000;
    private const long MaxBytes = 1L << 30;

    /// <returns>How far it is, after each message; last, with the revision.</returns>
    /// <exception cref="RpcException">It was refused, and nothing of it was done.</exception>
    public async IAsyncEnumerable<ImportEntitiesResponse> RunAsync(Caller caller, IAsyncEnumerable<ImportEntitiesRequest> messages, [EnumeratorCancellation] CancellationToken cancellation)
    {
        var (change, bytes) = (new DirectoryChangeReader(), 0L);
        await foreach (var message in messages.WithCancellation(cancellation))
        {
            // Asked again where it is written, for where entities come from as well; here, so that nobody fills memory with what they may not write.
            if (message.Entities.Select(e => new Placement(e.Application, e.Tenant)).Distinct().FirstOrDefault(p => !caller.May(DirectoryWriter.Write, p)) is { Application: not null } forbidden)
            {
                throw Failures.PermissionDenied(DirectoryWriter.Write, forbidden);
            }

            bytes += message.CalculateSize();
            if (bytes > MaxBytes)
            {
                throw Failures.InvalidField("entities", $"an import has at most {MaxBytes >> 20} MiB");
            }

            change.Add(message.Entities, message.Removed);
            if (change.Count > MaxChanges)
            {
                throw Failures.InvalidField("entities", $"an import has at most {MaxChanges} changes");
            }

            yield return new ImportEntitiesResponse { Received = (ulong)change.Count };
        }

        if (change.Count == 0)
        {
            throw Failures.InvalidField("entities", "must not be empty");
        }

        // An import takes its time, and its sender may have been removed meanwhile.
        caller = await caller.AgainAsync();
        var result = await writer.WriteAsync(caller.Name, caller.May, change.ToChange, expectedRevision: null, cancellation);
        yield return new ImportEntitiesResponse { Received = (ulong)change.Count, Revision = Failures.Committed(result) };
    }
}
