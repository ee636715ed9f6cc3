namespace AuthSidecar.ControlPlane.Store;

/// <summary>The truth, and the only way to change it.</summary>
/// <remarks>Writers take the next revision before anything else, and so queue up: revisions are in the order of commits and have no gaps,
/// and what a writer reads is still true when it commits. A control plane is written to seldom; what it buys is that nobody downstream ever
/// wonders.</remarks>
internal sealed class ControlStore(Database database, TimeProvider time) : IDisposable
{
    private readonly SemaphoreSlim _writing = new(1);
    private ulong _history;

    /// <summary>Raised after every commit of this node, outside of any lock.</summary>
    public event Action<StoreHead, IReadOnlySet<Placement>>? Committed;

    /// <summary>In the audit trail: that another history than the first has begun.</summary>
    private const string HistoryBegun = "history.begin";

    /// <summary>A revision of the history that the store was in when it was last looked at.</summary>
    public Revision At(long number) => new(new History(Volatile.Read(ref _history)), (ulong)number);

    /// <summary>Begins the first history of a store that is new, or another one.</summary>
    /// <param name="isAfterRestore">Whether it was put back, so that what sidecars have had is not what there is.</param>
    public async Task BeginAsync(string actor, bool isAfterRestore, CancellationToken cancellation)
    {
        // Of several nodes that start at once, one does.
        var first = (long)History.Begin(time.GetUtcNow(), default).Value;
        await using (var context = database.Open())
        {
            await context.Head.Where(h => h.History == 0).ExecuteUpdateAsync(u => u.SetProperty(h => h.History, first), cancellation);
        }

        if (isAfterRestore)
            await BeginHistoryAsync(actor, expected: null, cancellation);
    }

    /// <summary>Begins a new history: what sidecars hold of the one before is nothing to build on, and all of it is sent anew.</summary>
    /// <param name="expected">The one that it takes the place of; null: whatever it is.</param>
    public Task<WriteResult> BeginHistoryAsync(string actor, History? expected, CancellationToken cancellation) => WriteAsync(
        actor,
        async transaction =>
        {
            var head = await transaction.Context.Head.SingleAsync(cancellation);
            var before = new History((ulong)head.History);
            if (expected is { } seen && seen != before)
                return new Refusal.Stale(transaction.At(transaction.Revision - 1));

            // Later than any that sidecars have heard of, whatever the clocks were.
            var latest = new History((ulong)Math.Max(head.History, head.LostHistory));
            transaction.BeginHistory(History.Begin(time.GetUtcNow(), latest));
            (head.History, head.LostHistory, head.LostRevision, head.LostAt) = ((long)transaction.At(0).History.Value, 0, 0, 0);
            transaction.Audit(
                HistoryBegun,
                "store",
                Placement.ControlPlane,
                $"history {before}",
                $"history {transaction.At(0).History}");
            return null;
        },
        cancellation);

    /// <summary>Whether the database was ever restored from a backup, or said to be.</summary>
    public static Task<bool> HasBegunAnotherHistoryAsync(StoreContext context, CancellationToken cancellation) =>
        context.Audit.AnyAsync(a => a.Action == HistoryBegun, cancellation);

    /// <summary>Takes note that there was a revision which is not there, if nothing later is known to be lost. It is no write: it takes no
    /// revision.</summary>
    public async Task NoteLostAsync(Revision lost, CancellationToken cancellation)
    {
        var (history, number) = ((long)lost.History.Value, (long)lost.Number);
        await using var context = database.Open();
        await context.Head
            .Where(h => h.LostHistory < history || (h.LostHistory == history && h.LostRevision < number))
            .ExecuteUpdateAsync(
                u => u.SetProperty(h => h.LostAt, h => h.LostHistory == 0 ? h.Revision : h.LostAt).SetProperty(h => h.LostHistory, history)
                    .SetProperty(h => h.LostRevision, number),
                cancellation);
    }

    /// <summary>Looks how far the store is.</summary>
    public async Task<StoreHead> LookAsync(CancellationToken cancellation)
    {
        await using var context = database.Open();
        return Noted(await context.Head.AsNoTracking().SingleAsync(cancellation));
    }

    /// <summary>Runs one transaction. What the write refuses, or fails at, has changed nothing.</summary>
    /// <param name="actor">Who writes.</param>
    /// <param name="write">The write; what it returns keeps it from being committed.</param>
    /// <param name="cancellation">Ends it, unless it is committing already.</param>
    public Task<WriteResult> WriteAsync(string actor, Func<StoreTransaction, Task<Refusal?>> write, CancellationToken cancellation) =>
        WriteAsync($"""UPDATE head SET "Revision" = "Revision" + 1 WHERE "Id" = {HeadRow.OnlyId} RETURNING *""", isNote: false, actor,
            write, cancellation);

    /// <summary>Runs one transaction about what no sidecar decides from: it takes no revision, and nobody waits for it.</summary>
    public Task<WriteResult> NoteAsync(string actor, Func<StoreTransaction, Task<Refusal?>> write, CancellationToken cancellation) =>
        WriteAsync($"""UPDATE head SET "Notes" = "Notes" + 1 WHERE "Id" = {HeadRow.OnlyId} RETURNING *""", isNote: true, actor, write,
            cancellation);

    /// <summary>Runs one transaction that takes a revision and a note.</summary>
    public Task<WriteResult> WriteNotedAsync(string actor, Func<StoreTransaction, Task<Refusal?>> write, CancellationToken cancellation) =>
        WriteAsync($"""UPDATE head SET "Revision" = "Revision" + 1, "Notes" = "Notes" + 1 WHERE "Id" = {HeadRow.OnlyId} RETURNING *""",
            isNote: false, actor, write, cancellation);

    private async Task<WriteResult> WriteAsync(
        FormattableString count, bool isNote, string actor, Func<StoreTransaction, Task<Refusal?>> write, CancellationToken cancellation)
    {
        // Whoever has to wait does so without a connection: a thousand that enrol at once must not take those of readers.
        await _writing.WaitAsync(cancellation);
        try
        {
            return await WriteNowAsync(count, isNote, actor, write, cancellation);
        }
        finally
        {
            _writing.Release();
        }
    }

    private async Task<WriteResult> WriteNowAsync(
        FormattableString count, bool isNote, string actor, Func<StoreTransaction, Task<Refusal?>> write, CancellationToken cancellation)
    {
        await using var context = database.Open();
        await using var transaction = await context.Database.BeginTransactionAsync(cancellation);
        // Before anything is read: whoever writes as well waits here.
        var head = Noted((await context.Head.FromSql(count).AsNoTracking().ToListAsync(cancellation)).Single());
        var store = new StoreTransaction(context, head, isNote, actor, time.GetUtcNow());
        if (await write(store) is { } refusal)
        {
            // What is to be is there already.
            var at = refusal is Refusal.NothingToDo nothing
                ? store.At(nothing.Revision > 0 ? nothing.Revision : store.Revision - (isNote ? 0 : 1))
                : default;
            return new WriteResult(at, refusal);
        }

        await context.SaveChangesAsync(cancellation);
        await store.SaveAuditAsync(cancellation);
        var revision = store.At(store.Revision);
        if (!isNote)
            await database.AnnounceAsync(context, revision, head.Notes, store.Touched, cancellation);

        await transaction.CommitAsync(CancellationToken.None);
        // With a new history, nothing is lost any more.
        var committed = revision.History == head.Revision.History
            ? head with { Revision = revision }
            : new StoreHead(revision, head.Notes, default, revision);
        Committed?.Invoke(committed, store.Touched);
        return new WriteResult(revision, null);
    }

    /// <summary>Reads one moment: what the reader sees does not change under it.</summary>
    public async Task<T> ReadAsync<T>(Func<StoreContext, Revision, Task<T>> read, CancellationToken cancellation)
    {
        await using var context = database.Open();
        context.ChangeTracker.QueryTrackingBehavior = QueryTrackingBehavior.NoTracking;
        await using var transaction = await database.BeginReadAsync(context, cancellation);
        return await read(context, Noted(await context.Head.SingleAsync(cancellation)).Revision);
    }

    public void Dispose() => _writing.Dispose();

    private StoreHead Noted(HeadRow row)
    {
        Volatile.Write(ref _history, (ulong)row.History);
        return new StoreHead(
            new Revision(new History((ulong)row.History), (ulong)row.Revision),
            row.Notes,
            new Revision(new History((ulong)row.LostHistory), (ulong)row.LostRevision),
            new Revision(new History((ulong)row.History), (ulong)(row.LostHistory == 0 ? row.Revision : row.LostAt)));
    }
}
