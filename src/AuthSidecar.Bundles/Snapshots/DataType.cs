namespace AuthSidecar.Bundles;

/// <summary>A data type: the documents that it consists of, and what they become in memory.</summary>
/// <param name="name">Its name, in configuration, logs and documentation.</param>
/// <param name="number">Its number on the wire (<c>DataType</c> in sync.proto): 1 to <see cref="MaxNumber"/>.</param>
internal abstract class DataType(string name, int number)
{
    /// <summary>The greatest number that a type may have.</summary>
    public const int MaxNumber = 15;

    public string Name => name;
    public int Number { get; } = number is > 0 and <= MaxNumber ? number : throw new ArgumentOutOfRangeException(nameof(number));

    /// <summary>The entries that its documents have in the <c>contents</c> of a manifest.</summary>
    public abstract IReadOnlyList<string> Contents { get; }

    /// <summary>How old it may be by default, behind a control plane, before the sidecar refuses to answer from it.</summary>
    public virtual TimeSpan MaxStaleness => TimeSpan.FromHours(24);

    /// <summary>Whether an entry of the contents is in a bundle.</summary>
    public virtual bool Has(BundleFiles files, string entry) => files.TryRead(entry, out _);

    /// <summary>The files of a bundle folder that its value is made from: it is read again when one of them changes.</summary>
    public virtual IEnumerable<string> FilesIn(BundleFiles files) => Contents;

    /// <summary>Applies a bundle to a snapshot.</summary>
    /// <returns>Null beside faults.</returns>
    public abstract Snapshot? Apply(Snapshot snapshot, BundleChange change, List<Fault> faults);

    /// <summary>Takes the value of another snapshot, with its revision.</summary>
    public abstract Snapshot Copy(Snapshot from, Snapshot to);

    /// <summary>The revision at which its value last changed.</summary>
    public abstract Revision RevisionIn(Snapshot snapshot);

    public override string ToString() => name;
}

/// <inheritdoc/>
/// <typeparam name="T">What its documents become in memory. Immutable.</typeparam>
internal abstract class DataType<T>(string name, int number, T empty) : DataType(name, number)
    where T : class
{
    /// <summary>What there is before the first bundle.</summary>
    public Revisioned<T> Nothing { get; } = new(empty, default);

    public override sealed Snapshot? Apply(Snapshot snapshot, BundleChange change, List<Fault> faults)
    {
        var found = new List<Fault>();
        var value = Read(snapshot, change, found);
        var next = found.Count == 0 ? Link(snapshot.With(this, value!, change.Revision), found) : null;
        faults.AddRange(found);
        return found.Count == 0 ? next : null;
    }

    /// <summary>Reads the documents of a bundle.</summary>
    /// <param name="snapshot">What there is; not linked yet with the documents of other types in a folder.</param>
    /// <param name="faults">Gets what is wrong.</param>
    /// <returns>The value; beside faults it is not used.</returns>
    protected abstract T? Read(Snapshot snapshot, BundleChange change, List<Fault> faults);

    /// <summary>Adapts the values of other types to a new value of this one.</summary>
    protected virtual Snapshot Link(Snapshot snapshot, List<Fault> faults) => snapshot;

    /// <summary>What a bundle builds on: what there is, or nothing where it replaces everything.</summary>
    protected T StartOf(Snapshot snapshot, BundleChange change) => (change.IsDelta ? snapshot.Get(this) : Nothing).Value;

    public sealed override Snapshot Copy(Snapshot from, Snapshot to) => to.With(this, from.Get(this));
    public sealed override Revision RevisionIn(Snapshot snapshot) => snapshot.Get(this).Revision;
}
