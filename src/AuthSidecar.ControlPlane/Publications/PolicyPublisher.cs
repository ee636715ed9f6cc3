using AuthSidecar.Cedar;
using AuthSidecar.ControlPlane.Directory;
using AuthSidecar.ControlPlane.Store;
using AuthSidecar.ControlPlane.V1;
using Google.Protobuf;
using Microsoft.EntityFrameworkCore;

namespace AuthSidecar.ControlPlane.Publications;

/// <summary>Publishes policies. History is append-only: the newest publication is in force, and an old one comes back as a new one.</summary>
internal sealed class PolicyPublisher(ControlStore store, DirectoryState directory)
{
    public async Task<(WriteResult Result, IReadOnlyList<Fault> Warnings)> PublishAsync(
        string actor, string application, IReadOnlyList<Document> documents, long expectedRevision, string message, CancellationToken cancellation)
    {
        var (faults, warnings) = PolicyDocuments.Validate(documents);
        if (faults.Count > 0)
        {
            return (new WriteResult(0, new Refusal.Invalid(faults)), warnings);
        }

        var body = new DocumentSet { Documents = { documents } };
        var result = await store.WriteAsync(actor, transaction => AddAsync(transaction, application, body.ToByteArray(), expectedRevision, message, restoredFrom: null, cancellation), cancellation);
        return (result, warnings);
    }

    public Task<WriteResult> RollBackAsync(string actor, string application, long toRevision, long expectedRevision, string message, CancellationToken cancellation) =>
        store.WriteAsync(
            actor,
            async transaction => await Of(transaction.Context, application).Where(p => p.Revision == toRevision).SingleOrDefaultAsync(cancellation) is { } old
                ? await AddAsync(transaction, application, old.Documents, expectedRevision, message, toRevision, cancellation)
                : new Refusal.NotFound($"policies of revision {toRevision}"),
            cancellation);

    /// <param name="application">The application.</param>
    /// <param name="revision">The revision; 0: the one in force.</param>
    /// <param name="cancellation">Ends it.</param>
    public Task<PublicationRow?> FindAsync(string application, long revision, CancellationToken cancellation) => store.ReadAsync(
        (context, _) => Of(context, application).Where(p => revision == 0 || p.Revision == revision).OrderByDescending(p => p.Revision).FirstOrDefaultAsync(cancellation),
        cancellation);

    /// <summary>The publications before a revision, the newest first.</summary>
    public Task<List<PublicationRow>> ListAsync(string application, long beforeRevision, int count, CancellationToken cancellation) => store.ReadAsync(
        (context, _) => Of(context, application).Where(p => beforeRevision == 0 || p.Revision < beforeRevision).OrderByDescending(p => p.Revision).Take(count).ToListAsync(cancellation),
        cancellation);

    private async Task<Refusal?> AddAsync(
        StoreTransaction transaction, string application, byte[] documents, long expectedRevision, string message, long? restoredFrom, CancellationToken cancellation)
    {
        var current = await Of(transaction.Context, application).MaxAsync(p => (long?)p.Revision, cancellation) ?? 0;
        if (current != expectedRevision)
        {
            return new Refusal.Stale(current);
        }

        // What conforms to the schema before need not conform to this one.
        if (BuiltInPolicies.SchemaOf(application, DocumentSet.Parser.ParseFrom(documents).Documents) is { } schema)
        {
            await directory.CatchUpAsync(transaction.Context, cancellation);
            if (SchemaSource.Check(directory.EntitiesOf(application), schema) is { Count: > 0 } faults)
            {
                return new Refusal.Invalid(faults);
            }
        }

        transaction.Context.Publications.Add(new PublicationRow
        {
            Application = application,
            Type = ResourceType.Policies,
            Revision = transaction.Revision,
            AtMs = transaction.NowMs,
            Author = transaction.Actor,
            Message = message,
            RestoredFrom = restoredFrom,
            Documents = documents,
        });
        // The documents themselves are in the history, under these revisions.
        transaction.Audit(restoredFrom is null ? "policies.publish" : "policies.rollback", application, new Placement(application, ""), $"revision {current}", $"revision {transaction.Revision}");
        return null;
    }

    private static IQueryable<PublicationRow> Of(StoreContext context, string application) =>
        context.Publications.Where(p => p.Application == application && p.Type == ResourceType.Policies);
}
