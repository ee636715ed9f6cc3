namespace AuthSidecar.Common;

/// <summary>A failure that is retried: logged when it begins, when its cause changes, once a minute while it lasts, and when it is
/// over.</summary>
/// <remarks>Not safe to share between threads.</remarks>
internal sealed class Outage(TimeProvider time)
{
    public static readonly TimeSpan LogEvery = TimeSpan.FromMinutes(1);

    private readonly Dictionary<string, long> _logged = new(StringComparer.Ordinal);
    private long _began;

    /// <summary>The number of failures since it began; 0: it works.</summary>
    public int Failures { get; private set; }

    public TimeSpan Lasted => Failures == 0 ? TimeSpan.Zero : time.GetElapsedTime(_began);

    /// <summary>Notes a failure.</summary>
    /// <param name="cause">The kind of cause, of a small fixed set: each is logged once a minute.</param>
    /// <returns>Whether to log it.</returns>
    public bool Fail(string cause = "")
    {
        var now = time.GetTimestamp();
        if (Failures++ == 0)
        {
            _logged.Clear();
            _began = now;
        }

        if (_logged.TryGetValue(cause, out var logged) && time.GetElapsedTime(logged, now) < LogEvery)
            return false;

        _logged[cause] = now;
        return true;
    }

    /// <summary>Notes a success.</summary>
    /// <param name="lasted">How long it had failed.</param>
    /// <returns>Whether to log it.</returns>
    public bool End(out TimeSpan lasted)
    {
        lasted = Lasted;
        var wasFailing = Failures > 0;
        Failures = 0;
        return wasFailing;
    }
}
