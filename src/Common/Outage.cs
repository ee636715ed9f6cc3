namespace AuthSidecar.Common;

/// <summary>Something that does not work at the moment and is tried again and again: told when it begins, once a minute while it lasts, and when it is over.</summary>
/// <remarks>Not safe to share between threads.</remarks>
internal sealed class Outage(TimeProvider time)
{
    public static readonly TimeSpan TellEvery = TimeSpan.FromMinutes(1);

    private long _began;
    private long _told;

    /// <summary>How often it has failed since it began; 0: it works.</summary>
    public int Failures { get; private set; }

    public TimeSpan Lasted => Failures == 0 ? TimeSpan.Zero : time.GetElapsedTime(_began);

    /// <summary>It has failed.</summary>
    /// <returns>Whether that is to be told.</returns>
    public bool Fail()
    {
        var now = time.GetTimestamp();
        if (Failures++ == 0)
        {
            (_began, _told) = (now, now);
            return true;
        }

        if (time.GetElapsedTime(_told, now) < TellEvery)
        {
            return false;
        }

        _told = now;
        return true;
    }

    /// <summary>It has worked.</summary>
    /// <param name="lasted">How long it had not.</param>
    /// <returns>Whether that is to be told.</returns>
    public bool End(out TimeSpan lasted)
    {
        lasted = Lasted;
        var wasFailing = Failures > 0;
        Failures = 0;
        return wasFailing;
    }
}
