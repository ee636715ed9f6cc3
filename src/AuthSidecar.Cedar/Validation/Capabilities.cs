namespace AuthSidecar.Cedar;

/// <summary>What is known to be there: the optional attributes and the tags that a condition in front has asked for, by their numbers.
/// Immutable; what is added to many shares with them all but the way to it.</summary>
internal readonly struct Capabilities
{
    private readonly ImmutableHashSet<int>? _keys;

    private Capabilities(ImmutableHashSet<int> keys) => _keys = keys;
    private ImmutableHashSet<int> Keys => _keys ?? [];
    public static Capabilities Of(int key) => new([key]);
    public bool Contains(int key) => _keys?.Contains(key) == true;

    /// <summary>What is known when both are: takes time for the fewer of the two.</summary>
    public Capabilities Union(Capabilities other)
    {
        var (few, many) = Keys.Count <= other.Keys.Count ? (Keys, other.Keys) : (other.Keys, Keys);
        return few.IsEmpty ? new Capabilities(many) : new Capabilities(many.Union(few));
    }

    /// <summary>What is known when either is: takes time for the fewer of the two.</summary>
    public Capabilities Intersect(Capabilities other)
    {
        var (few, many) = Keys.Count <= other.Keys.Count ? (Keys, other.Keys) : (other.Keys, Keys);
        var both = few;
        foreach (var key in few)
            both = many.Contains(key) ? both : both.Remove(key);

        return new Capabilities(both);
    }
}
