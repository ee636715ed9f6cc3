namespace AuthSidecar.ControlPlane.Store;

/// <summary>How far the store is.</summary>
/// <param name="Revision">The newest revision.</param>
/// <param name="Notes">The newest note.</param>
/// <param name="Proved">The newest revision that a sidecar has proved that there was, and was not; the default: none.</param>
/// <param name="Certain">The newest revision of which there is but one: with something lost, what came after that was found out may be of
/// either line.</param>
internal readonly record struct StoreHead(Revision Revision, long Notes, Revision Proved, Revision Certain)
{
    /// <summary>A revision that there was, and is not: the store was put back, until a new history begins, however far the old one goes on.
    /// Null: none is known.</summary>
    public Revision? Lost => Proved == default ? null : Proved;
}

/// <summary>A write that is under way.</summary>
/// <param name="context">Where.</param>
/// <param name="head">How far the store is with it.</param>
/// <param name="isNote">Whether it takes no revision.</param>
/// <param name="actor">Who writes.</param>
/// <param name="now">When.</param>
internal sealed class StoreTransaction(StoreContext context, StoreHead head, bool isNote, string actor, DateTimeOffset now)
{
    /// <summary>In the audit trail, notes come after what the newest revision wrote itself: of that there are less.</summary>
    private const int FirstNote = 1_000_000_000;

    private readonly List<AuditRow> _audit = [];
    private readonly HashSet<Placement> _touched = [];
    private History _history = head.Revision.History;

    public StoreContext Context => context;

    /// <summary>The number of the revision that this makes; of a note, the one that there is.</summary>
    public long Revision { get; } = (long)head.Revision.Number;

    /// <summary>The number of the note that this makes, where it does.</summary>
    public long Note { get; } = head.Notes;

    public string Actor => actor;
    public long NowMs { get; } = now.ToUnixTimeMilliseconds();

    /// <summary>A revision of the history that this is in.</summary>
    public Revision At(long number) => new(_history, (ulong)number);

    /// <summary>This is the first of a new history.</summary>
    public void BeginHistory(History history) => _history = history;

    /// <summary>Refuses a write that is to change another revision than there is.</summary>
    /// <param name="expected">The revision that its writer has seen; the default: none. Null: it does not say.</param>
    /// <param name="current">The number of the one that there is; 0: none.</param>
    public Refusal? Expect(Revision? expected, long current)
    {
        var there = current == 0 ? default : At(current);
        return expected is { } seen && seen != there ? new Refusal.Stale(there) : null;
    }

    /// <summary>Whose sidecars get something else by it.</summary>
    public IReadOnlySet<Placement> Touched => _touched;

    /// <summary>Takes note that sidecars of a placement get something else.</summary>
    public void Touch(Placement placement) => _touched.Add(placement);

    /// <summary>Refuses a write by which nothing would be another than it is.</summary>
    /// <param name="since">The number of the revision at which all of it came to be as it is.</param>
    public Refusal? RequireChange(long since) => _audit.Count == 0 ? new Refusal.NothingToDo(since) : null;

    /// <summary>Notes what was done, and whose it is.</summary>
    public void Audit(string action, string target, Placement placement, string? before, string? after) => _audit.Add(new AuditRow
    {
        Revision = Revision,
        Number = isNote ? checked((int)(FirstNote + Note)) : _audit.Count,
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
