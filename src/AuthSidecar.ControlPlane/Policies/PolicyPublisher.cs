using AuthSidecar.ControlPlane.Entities;
using AuthSidecar.ControlPlane.Issuers;
using AuthSidecar.ControlPlane.Publications;
using AuthSidecar.ControlPlane.V1;

namespace AuthSidecar.ControlPlane.Policies;

/// <summary>Publishes policies. History is append-only: the newest publication is in force, and an old one comes back as a new
/// one.</summary>
internal sealed class PolicyPublisher(ControlStore store, EntityCache directory)
{
    private const int EntitiesAtOnce = 2_000;
    private const int MaxFaults = 100;

    public async Task<(WriteResult Result, IReadOnlyList<Fault> Warnings)> PublishAsync(
        string actor, string application, IReadOnlyList<Document> documents, Revision expectedRevision, string message,
        CancellationToken cancellation)
    {
        var (faults, warnings) = PolicyDocuments.Validate(application, documents);
        if (faults.Count > 0)
            return (new WriteResult(default, new Refusal.Invalid(faults)), warnings);

        var result = await store.WriteAsync(
            actor, transaction => AddAsync(transaction, application, ToBytes(documents), expectedRevision, message, restoredFrom: null,
                entities: null, cancellation), cancellation);
        return (result, warnings);
    }

    /// <summary>Everything that keeps documents from being published now, and what is only warned of. Nothing is written.</summary>
    public async Task<(IReadOnlyList<Fault> Faults, IReadOnlyList<Fault> Warnings)> CheckAsync(
        string application, IReadOnlyList<Document> documents, CancellationToken cancellation)
    {
        var (faults, warnings) = PolicyDocuments.Validate(application, documents);
        if (faults.Count > 0)
            return (faults, warnings);

        if (BuiltInPolicies.SchemaOf(application, documents) is not { } schema)
            return ([], warnings);

        // Not those in memory: they belong to the writers, which a read must not block.
        IReadOnlyList<Fault> ofPrincipals = [];
        var found = await store.ReadAsync(
            async (context, _) =>
            {
                ofPrincipals = PrincipalTypes.Check(await IssuerRecords.ReadAsync(context, application, cancellation), schema);
                var found = new List<Fault>();
                var some = new List<EntityRow>();
                await foreach (var row in context.Entities.AsNoTracking()
                    .Where(e => !e.IsRemoved && (e.Application == application || e.Application == "")).AsAsyncEnumerable()
                    .WithCancellation(cancellation))
                {
                    some.Add(row);
                    if (some.Count == EntitiesAtOnce)
                    {
                        found.AddRange(SchemaSource.Check(EntityRows.Read(some), schema));
                        some.Clear();
                        if (found.Count >= MaxFaults)
                            return found;
                    }
                }

                found.AddRange(SchemaSource.Check(EntityRows.Read(some), schema));
                return found;
            },
            cancellation);
        return (found, [.. warnings, .. ofPrincipals]);
    }

    public Task<WriteResult> RollBackAsync(
        string actor, string application, long toRevision, Revision expectedRevision, string message, CancellationToken cancellation) =>
        store.WriteAsync(
            actor,
            async transaction => await Of(
                transaction.Context, application).Where(p => p.Revision == toRevision).SingleOrDefaultAsync(cancellation) is { } old
                ? await AddAsync(transaction, application, old.Documents, expectedRevision, message, toRevision, entities: null,
                    cancellation)
                : new Refusal.NotFound($"policy revision {transaction.At(toRevision)}"),
            cancellation);

    /// <param name="revision">The revision; 0: the one in force.</param>
    public Task<PublicationRow?> FindAsync(string application, long revision, CancellationToken cancellation) => store.ReadAsync(
        (context, _) => Of(context, application).Where(p => revision == 0 || p.Revision == revision).OrderByDescending(p => p.Revision)
            .FirstOrDefaultAsync(cancellation),
        cancellation);

    /// <summary>The publications before a revision, the newest first.</summary>
    public Task<List<PublicationRow>> ListAsync(string application, long beforeRevision, int count, CancellationToken cancellation) =>
        store.ReadAsync(
            (context, _) => Of(context, application)
                .Where(p => beforeRevision == 0 || p.Revision < beforeRevision)
                .OrderByDescending(p => p.Revision)
                .Take(count)
                .ToListAsync(cancellation),
            cancellation);

    /// <summary>The publication in force; null: there is none.</summary>
    public static Task<PublicationRow?> FindCurrentAsync(StoreContext context, string application, CancellationToken cancellation) =>
        Of(context, application).OrderByDescending(p => p.Revision).FirstOrDefaultAsync(cancellation);

    public static byte[] ToBytes(IReadOnlyList<Document> documents) => new DocumentSet { Documents = { documents } }.ToByteArray();

    /// <summary>Makes a publication a part of a write that may have others as well.</summary>
    /// <param name="documents">The documents, which are valid.</param>
    /// <param name="expectedRevision">That of the publication in force; the default: there is none.</param>
    /// <param name="message">Why.</param>
    /// <param name="restoredFrom">The publication it is again; null: it is new.</param>
    /// <param name="entities">The application's entities after the write; null: as they are.</param>
    public async Task<Refusal?> AddAsync(
        StoreTransaction transaction, string application, byte[] documents, Revision expectedRevision, string message, long? restoredFrom,
        IEnumerable<Entity>? entities, CancellationToken cancellation)
    {
        var current = await Of(transaction.Context, application).MaxAsync(p => (long?)p.Revision, cancellation) ?? 0;
        if (transaction.Expect(expectedRevision, current) is { } stale)
            return stale;

        if (await FaultsOfEntitiesAsync(transaction, application, documents, entities, cancellation) is { Count: > 0 } faults)
            return new Refusal.Invalid(faults);

        transaction.Touch(new Placement(application, ""));
        transaction.Context.Publications.Add(new PublicationRow
        {
            Application = application,
            Type = DataType.Policies,
            Revision = transaction.Revision,
            AtMs = transaction.NowMs,
            Author = transaction.Actor,
            Message = message,
            RestoredFrom = restoredFrom,
            Documents = documents,
        });
        // The documents themselves are in the history, under these revisions.
        transaction.Audit(restoredFrom is null ? "policies.publish" : "policies.rollback", application, new Placement(application, ""),
            $"revision {transaction.At(current)}", $"revision {transaction.At(transaction.Revision)}");
        return null;
    }

    /// <summary>The entities that do not conform to the schema among the documents: what conformed to the one before need not conform to
    /// this one.</summary>
    private async Task<IReadOnlyList<Fault>> FaultsOfEntitiesAsync(
        StoreTransaction transaction, string application, byte[] documents, IEnumerable<Entity>? entities, CancellationToken cancellation)
    {
        if (BuiltInPolicies.SchemaOf(application, DocumentSet.Parser.ParseFrom(documents).Documents) is not { } schema)
            return [];

        if (entities is null)
        {
            // Never after a write of entities in the same transaction: what is refused then was never there, and would stay in memory.
            await directory.CatchUpAsync(transaction.Context, cancellation);
        }

        return SchemaSource.Check(entities ?? directory.EntitiesOf(application), schema);
    }

    private static IQueryable<PublicationRow> Of(StoreContext context, string application) =>
        context.Publications.Where(p => p.Application == application && p.Type == DataType.Policies);
}
