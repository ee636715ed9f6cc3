namespace AuthSidecar.Cedar;

/// <summary>What decisions remember of an entity, with the entity. It says nothing that could not be found out again.</summary>
/// <param name="hierarchy">For which hierarchy it holds; see <see cref="EntitySource.Hierarchy"/>.</param>
/// <param name="ancestors">Everything above the entity.</param>
internal sealed class EntityMemo(object hierarchy, UidSet ancestors)
{
    /// <summary>The hierarchy of an entity whose ancestors were fixed when it was made.</summary>
    public static readonly object Always = new();

    /// <summary>Of all entities that are made for one request, and are members of nothing: not worth remembering anything.</summary>
    public static readonly EntityMemo Nothing = new(Always, UidSet.Empty);

    /// <summary>An entity with more ancestors than this is worked out every time: memory is to grow with the hierarchy, not with its square.</summary>
    public const int MaxAncestors = 4096;

    public object Hierarchy { get; } = hierarchy;

    public UidSet Ancestors { get; } = ancestors;

    /// <summary>What the scopes of one policy set make of the entity.</summary>
    public ScopeMasks? Masks { get; set; }
}

/// <summary>The policies that an entity fits the scopes of, in each of the three places; each found out when it is asked for.</summary>
/// <param name="policies">Stands for the policy set, which is not to be kept alive by entities that once were asked about under it.</param>
internal sealed class ScopeMasks(object policies)
{
    public readonly object Policies = policies;
    public PolicyMask? Principal;
    public PolicyMask? Action;
    public PolicyMask? Resource;
}
