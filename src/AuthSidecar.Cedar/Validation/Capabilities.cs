namespace AuthSidecar.Cedar;

/// <summary>
/// What is known to be there: the optional attributes and the tags that a condition in front has asked for. Immutable; few at a time.
/// </summary>
internal readonly struct Capabilities
{
    private readonly string[]? _keys;

    private Capabilities(string[] keys) => _keys = keys;

    private ReadOnlySpan<string> Keys => _keys;

    public static Capabilities Of(string key) => new([key]);

    public bool Contains(string key) => Keys.Contains(key);

    /// <summary>What is known when both are.</summary>
    public Capabilities Union(Capabilities other)
    {
        if (other.Keys.IsEmpty)
        {
            return this;
        }

        return Keys.IsEmpty ? other : new Capabilities([.. _keys!.Union(other._keys!, StringComparer.Ordinal)]);
    }

    /// <summary>What is known when either is.</summary>
    public Capabilities Intersect(Capabilities other) =>
        Keys.IsEmpty || other.Keys.IsEmpty ? default : new Capabilities([.. _keys!.Intersect(other._keys!, StringComparer.Ordinal)]);
}
