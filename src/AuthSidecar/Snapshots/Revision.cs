namespace AuthSidecar.Snapshots;

/// <summary>The number of a state of the data: it only grows, one sequence for all types of resource. The default, 0, is before any.</summary>
internal readonly record struct Revision(ulong Number) : IComparable<Revision>
{
    public int CompareTo(Revision other) => Number.CompareTo(other.Number);

    public static bool operator <(Revision a, Revision b) => a.Number < b.Number;

    public static bool operator >(Revision a, Revision b) => a.Number > b.Number;

    public static bool operator <=(Revision a, Revision b) => a.Number <= b.Number;

    public static bool operator >=(Revision a, Revision b) => a.Number >= b.Number;

    public override string ToString() => Number.ToString(System.Globalization.CultureInfo.InvariantCulture);
}

/// <summary>A resource and the revision at which it last changed.</summary>
internal sealed record Revisioned<T>(T Value, Revision Revision);
