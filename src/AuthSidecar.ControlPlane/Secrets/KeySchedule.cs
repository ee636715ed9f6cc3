using AuthSidecar.ControlPlane.Store;

namespace AuthSidecar.ControlPlane.Secrets;

/// <summary>Which of several keys is used when. It is a matter of the clock alone: nodes whose clocks agree use the same one.</summary>
internal static class KeySchedule
{
    /// <summary>The key that is used at a time: the newest whose time has come; or, by a clock that is behind that of whoever made them, the first. Null: there are none.</summary>
    public static T? ActiveAt<T>(IReadOnlyCollection<T> keys, DateTimeOffset now)
        where T : class, IScheduledKey => keys.Where(k => k.SignsFromMs <= now.ToUnixTimeMilliseconds()).MaxBy(k => k.SignsFromMs) ?? keys.MinBy(k => k.SignsFromMs);

    /// <summary>When the next key is used that is not yet; null: there is none.</summary>
    public static DateTimeOffset? NextOf(IEnumerable<IScheduledKey> keys, DateTimeOffset now)
    {
        var next = keys.Select(k => k.SignsFromMs).Where(f => f > now.ToUnixTimeMilliseconds()).DefaultIfEmpty().Min();
        return next == 0 ? null : DateTimeOffset.FromUnixTimeMilliseconds(next);
    }

    /// <summary>When a key is to be removed: it is used until the next one is, and is kept for a time after that. Null: there is no next one.</summary>
    public static DateTimeOffset? EndOf<T>(T key, IEnumerable<T> keys, TimeSpan keptFor)
        where T : class, IScheduledKey =>
        keys.Where(n => n.SignsFromMs > key.SignsFromMs).MinBy(n => n.SignsFromMs) is { } next ? DateTimeOffset.FromUnixTimeMilliseconds(next.SignsFromMs) + keptFor : null;
}
