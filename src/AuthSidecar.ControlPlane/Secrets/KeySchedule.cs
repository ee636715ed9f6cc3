namespace AuthSidecar.ControlPlane.Secrets;

/// <summary>Selects the active key by time, so that all nodes use the same one without coordination.</summary>
internal static class KeySchedule
{
    /// <summary>The active key at a time: the newest whose start time has passed. On a node whose clock is behind that of the creator: the
    /// first. Null: there are no keys.</summary>
    public static T? ActiveAt<T>(IReadOnlyCollection<T> keys, DateTimeOffset now)
        where T : class, IScheduledKey => keys.Where(k => k.SignsFromMs <= now.ToUnixTimeMilliseconds()).MaxBy(k => k.SignsFromMs)
            ?? keys.MinBy(k => k.SignsFromMs);

    /// <summary>When the next announced key becomes active; null: none is announced.</summary>
    public static DateTimeOffset? NextOf(IEnumerable<IScheduledKey> keys, DateTimeOffset now)
    {
        var next = keys.Select(k => k.SignsFromMs).Where(f => f > now.ToUnixTimeMilliseconds()).DefaultIfEmpty().Min();
        return next == 0 ? null : DateTimeOffset.FromUnixTimeMilliseconds(next);
    }

    /// <summary>When a key is removed: some time after its successor has become active. Null: it has no successor.</summary>
    /// <param name="keys">All keys of the same use.</param>
    /// <param name="keptFor">How long a key is kept after its successor has become active.</param>
    public static DateTimeOffset? EndOf<T>(T key, IEnumerable<T> keys, TimeSpan keptFor)
        where T : class, IScheduledKey =>
        keys.Where(n => n.SignsFromMs > key.SignsFromMs).MinBy(n => n.SignsFromMs) is { } next
            ? DateTimeOffset.FromUnixTimeMilliseconds(next.SignsFromMs) + keptFor : null;
}
