using System.Diagnostics.CodeAnalysis;
using AuthSidecar.Cedar;
using Microsoft.EntityFrameworkCore;

namespace AuthSidecar.ControlPlane.Store;

/// <summary>The truth, and the only way to change it.</summary>
/// <remarks>
/// Writers take the next revision before anything else, and so queue up: revisions are in the order of commits and have no gaps, and what a writer
/// reads is still true when it commits. A control plane is written to seldom; what it buys is that nobody downstream ever wonders.
/// </remarks>
internal sealed class ControlStore(Database database, TimeProvider time)
{
    /// <summary>Raised after every commit of this node, outside of any lock.</summary>
    public event Action<long>? Committed;

    /// <summary>Runs one transaction. What the write refuses, or fails at, has changed nothing.</summary>
    /// <param name="actor">Who writes.</param>
    /// <param name="write">The write; what it returns keeps it from being committed.</param>
    /// <param name="cancellation">Ends it, unless it is committing already.</param>
    public async Task<WriteResult> WriteAsync(string actor, Func<StoreTransaction, Task<Refusal?>> write, CancellationToken cancellation)
    {
        await using var context = database.Open();
        await using var transaction = await context.Database.BeginTransactionAsync(cancellation);
        var revision = (await context.Database
            .SqlQuery<long>($"""UPDATE head SET "Revision" = "Revision" + 1 WHERE "Id" = {HeadRow.OnlyId} RETURNING "Revision" AS "Value" """)
            .ToListAsync(cancellation)).Single();
        var store = new StoreTransaction(context, revision, actor, time.GetUtcNow());
        if (await write(store) is { } refusal)
        {
            return new WriteResult(0, refusal);
        }

        await context.SaveChangesAsync(cancellation);
        await store.SaveAuditAsync(cancellation);
        await database.AnnounceAsync(context, revision, cancellation);
        await transaction.CommitAsync(CancellationToken.None);
        Committed?.Invoke(revision);
        return new WriteResult(revision, null);
    }

    /// <summary>Reads one moment: what the reader sees does not change under it.</summary>
    public async Task<T> ReadAsync<T>(Func<StoreContext, long, Task<T>> read, CancellationToken cancellation)
    {
        await using var context = database.Open();
        context.ChangeTracker.QueryTrackingBehavior = QueryTrackingBehavior.NoTracking;
        await using var transaction = await database.BeginReadAsync(context, cancellation);
        var head = await context.Head.Select(h => h.Revision).SingleAsync(cancellation);
        return await read(context, head);
    }
}

/// <summary>A write that is under way.</summary>
internal sealed class StoreTransaction(StoreContext context, long revision, string actor, DateTimeOffset now)
{
    private readonly List<AuditRow> _audit = [];

    public StoreContext Context => context;

    /// <summary>The revision that this makes.</summary>
    public long Revision => revision;

    public string Actor => actor;

    public long NowMs { get; } = now.ToUnixTimeMilliseconds();

    /// <summary>Notes what was done, and whose it is.</summary>
    public void Audit(string action, string target, Placement placement, string? before, string? after) => _audit.Add(new AuditRow
    {
        Revision = revision,
        Number = _audit.Count,
        AtMs = NowMs,
        Actor = actor,
        Action = action,
        Target = target,
        Application = placement.Application,
        Tenant = placement.Tenant,
        Before = before,
        After = after,
    });

    /// <summary>Writes what was noted, in the transaction.</summary>
    public Task SaveAuditAsync(CancellationToken cancellation) => BulkWriter.InsertAsync(
        context,
        "audit",
        ["Revision", "Number", "AtMs", "Actor", "Action", "Target", "Application", "Tenant", "Before", "After"],
        _audit,
        a => [a.Revision, a.Number, a.AtMs, a.Actor, a.Action, a.Target, a.Application, a.Tenant, a.Before, a.After],
        cancellation);
}

/// <summary>A revision, or why there is none.</summary>
internal readonly record struct WriteResult(long Revision, Refusal? Refusal)
{
    [MemberNotNullWhen(false, nameof(Refusal))]
    public bool IsCommitted => Refusal is null && Revision > 0;
}

/// <summary>Why a write was not committed.</summary>
internal abstract record Refusal
{
    /// <summary>Somebody else was faster.</summary>
    /// <param name="Current">The revision that there is.</param>
    public sealed record Stale(long Current) : Refusal;

    /// <summary>What was to be written is wrong.</summary>
    public sealed record Invalid(IReadOnlyList<Fault> Faults) : Refusal;

    /// <summary>What was to be changed is not there.</summary>
    public sealed record NotFound(string What) : Refusal;

    /// <summary>The writer may not do this.</summary>
    /// <param name="Action">What.</param>
    /// <param name="Placement">To what would be of this placement; null: to something of one that is not theirs to know.</param>
    public sealed record NotPermitted(string Action, Placement? Placement) : Refusal;

    /// <summary>There is too much to do at the moment.</summary>
    public sealed record Busy : Refusal;

    /// <summary>There is no difference to what is there.</summary>
    public sealed record NothingToDo : Refusal;

    /// <summary>What was to be made is there.</summary>
    public sealed record AlreadyThere(string What) : Refusal;
}
