namespace AuthSidecar.ControlPlane.Store;

/// <summary>A revision, or why there is none; of a write by which nothing would be another, the one at which it came to be so.</summary>
internal readonly record struct WriteResult(Revision Revision, Refusal? Refusal)
{
    /// <summary>Whether what was to be is there: written, or there already.</summary>
    [MemberNotNullWhen(false, nameof(Refusal))]
    public bool IsThere => IsCommitted || Refusal is Refusal.NothingToDo;

    [MemberNotNullWhen(false, nameof(Refusal))]
    public bool IsCommitted => Refusal is null && Revision.Number > 0;
}

/// <summary>Why a write was not committed.</summary>
internal abstract record Refusal
{
    /// <summary>Somebody else was faster.</summary>
    /// <param name="Current">The revision that there is; the default: none.</param>
    public sealed record Stale(Revision Current) : Refusal;

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
    /// <param name="Revision">The number of the revision at which it came to be so; 0: that is not known, but the newest is as
    /// good.</param>
    public sealed record NothingToDo(long Revision = 0) : Refusal;

    /// <summary>What was to be made is there.</summary>
    public sealed record AlreadyThere(string What) : Refusal;
}
