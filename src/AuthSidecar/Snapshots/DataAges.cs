namespace AuthSidecar.Snapshots;

/// <summary>When each data type was last known to be what the source has. Immutable.</summary>
internal sealed class Confirmations
{
    /// <summary>Nothing was ever.</summary>
    public static readonly Confirmations None = new();

    private ByType _byType;
    private long _reached;

    /// <summary>When the source was last there to be asked, by a monotonic clock; 0: never.</summary>
    public long Reached => _reached;

    /// <summary>The same, but for these types.</summary>
    /// <param name="at">When they were what the source has.</param>
    /// <param name="now">When that is noted.</param>
    /// <param name="timestamp">The same, by a monotonic clock.</param>
    public Confirmations With(DataTypeSet types, DateTimeOffset at, DateTimeOffset now, long timestamp)
    {
        var copy = new Confirmations { _byType = _byType, _reached = timestamp };
        var confirmation = new Confirmation(at.ToUnixTimeMilliseconds(), Math.Max(0, (long)(now - at).TotalMilliseconds), timestamp);
        foreach (var type in types)
            copy._byType[type.Number] = confirmation;

        return copy;
    }

    public Confirmation Of(DataType type) => _byType[type.Number];

    /// <param name="AtMs">When, in milliseconds since 1970; 0: never.</param>
    /// <param name="AgeMs">How long ago that was when it was noted.</param>
    /// <param name="Timestamp">When it was noted.</param>
    internal readonly record struct Confirmation(long AtMs, long AgeMs, long Timestamp);

    [InlineArray(DataType.MaxNumber + 1)]
    private struct ByType
    {
        private Confirmation _first;
    }
}

/// <summary>How old each data type is at one moment.</summary>
/// <remarks>By two clocks, and the older age counts: the one of the wall may be set back, which must not make old data young; the other
/// stands still while the machine sleeps.</remarks>
internal readonly struct DataAges(Confirmations confirmations, DateTimeOffset now, TimeProvider time)
{
    private readonly long _nowMs = now.ToUnixTimeMilliseconds();
    private readonly long _timestamp = time.GetTimestamp();

    /// <summary>How long ago the source was last there to be asked.</summary>
    public TimeSpan SinceReached => time.GetElapsedTime(confirmations.Reached, _timestamp);

    /// <summary>Whether it was ever known to be what the source has.</summary>
    public bool IsKnown(DataType type) => confirmations.Of(type).AtMs != 0;

    public TimeSpan Of(DataType type)
    {
        var confirmed = confirmations.Of(type);
        var elapsed = confirmed.AgeMs + (long)time.GetElapsedTime(confirmed.Timestamp, _timestamp).TotalMilliseconds;
        return TimeSpan.FromMilliseconds(Math.Max(Math.Max(0, elapsed), _nowMs - confirmed.AtMs));
    }
}
