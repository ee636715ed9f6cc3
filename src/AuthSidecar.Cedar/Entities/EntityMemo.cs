namespace AuthSidecar.Cedar;

/// <summary>What decisions remember of an entity, with the entity. It says nothing that could not be found out again.</summary>
/// <param name="hierarchy">For which hierarchy it holds; see <see cref="EntitySource.Hierarchy"/>.</param>
/// <param name="ancestors">Everything above the entity.</param>
/// <param name="policies">Stands for the policy set that the masks are of, which is not to be kept alive by entities that once were asked
/// about under it; null: none.</param>
internal sealed class EntityMemo(object hierarchy, UidSet ancestors, object? policies = null)
{
    /// <summary>The hierarchy of an entity whose ancestors were fixed when it was made.</summary>
    public static readonly object Always = new();

    /// <summary>Of all entities that are made for one request, and are members of nothing: not worth remembering anything.</summary>
    public static readonly EntityMemo Nothing = new(Always, UidSet.Empty);

    /// <summary>An entity with more ancestors than this is worked out every time: memory is to grow with the hierarchy, not with its
    /// square.</summary>
    public const int MaxAncestors = 4096;

    public readonly object Hierarchy = hierarchy;
    public readonly UidSet Ancestors = ancestors;
    public readonly object? Policies = policies;

    /// <summary>The policies that the entity fits the scopes of, in each of the three places; each found out when it is asked
    /// for.</summary>
    public ByPlace<PolicyMask?> Masks;

    public EntityMemo ForPolicySet(object policies) => new(Hierarchy, Ancestors, policies);
}

/// <summary>The places of a scope.</summary>
internal enum ScopePlace
{
    Principal = 0,
    Action,
    Resource,
}

/// <summary>Something for each <see cref="ScopePlace"/>.</summary>
[InlineArray(3)]
internal struct ByPlace<T>
{
    private T _first;
}
