namespace AuthSidecar.ControlPlane.Store;

/// <summary>Which uids can be stored.</summary>
internal static class UidRules
{
    /// <summary>Of a type and an id together, in UTF-8: an index of PostgreSQL's has room for no more than 2,704 bytes.</summary>
    private const int MaxUidBytes = 1_024;

    /// <summary>Why an entity of this uid is not kept; null: it is. Other letters than ASCII's are fine; what no database keeps, or what
    /// two texts may have become, is not.</summary>
    public static string? FaultOf(EntityUid uid) =>
        Encoding.UTF8.GetByteCount(uid.Type) + Encoding.UTF8.GetByteCount(uid.Id) > MaxUidBytes
            ? $"entity type and id must have at most {MaxUidBytes} bytes together"
        : uid.Id.Any(char.IsControl)
            ? "entity ids must not contain control characters"
        : uid.Id.Contains('\uFFFD', StringComparison.Ordinal)
            ? "entity ids must not contain U+FFFD (replacement character): the input was not valid UTF-8"
        : null;
}
