namespace AuthSidecar.Cedar;

/// <summary>The three outcomes of a condition. The default is an error, which satisfies nothing.</summary>
internal enum ConditionResult : byte
{
    Error = 0,
    False,
    True,
}

/// <summary>What an evaluation reads, and the failure it leaves behind.</summary>
/// <remarks>Big, and made for every decision: it is filled in where it stands, because a constructor's result would be copied
/// there.</remarks>
internal ref struct Frame
{
    private EntitySource _entities;

    public EntityUid Principal { get; private set; }
    public EntityUid Action { get; private set; }
    public EntityUid Resource { get; private set; }
    public ValueRecord Context { get; private set; }

    // Most of what policies ask is about these: they are looked up once.
    public Entity? PrincipalEntity { get; private set; }

    public Entity? ActionEntity { get; private set; }
    public Entity? ResourceEntity { get; private set; }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Create(in Request request, EntitySource entities, out Frame frame)
    {
        frame = default;
        frame.SetRequest(request, entities);
        frame.PrincipalEntity = entities.Find(request.Principal);
        frame.ActionEntity = entities.Find(request.Action);
        frame.ResourceEntity = entities.Find(request.Resource);
    }

    /// <summary>A frame over the same entities as another: what the two share is not looked up again.</summary>
    public static void Create(in Request request, scoped in Frame last, out Frame frame)
    {
        var entities = last._entities;
        frame = default;
        frame.SetRequest(request, entities);
        frame.PrincipalEntity = ReferenceEquals(request.Principal, last.Principal) ? last.PrincipalEntity
            : entities.Find(request.Principal);
        frame.ActionEntity = ReferenceEquals(request.Action, last.Action) ? last.ActionEntity : entities.Find(request.Action);
        frame.ResourceEntity = entities.Find(request.Resource);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void SetRequest(in Request request, EntitySource entities)
    {
        (Principal, Action, Resource, Context) = (request.Principal, request.Action, request.Resource, request.Context);
        _entities = entities;
    }

    /// <summary>Set exactly when a node has returned no value.</summary>
    public Failure Failure;

    /// <summary>Notes the failure and returns no value, for the node to return in turn.</summary>
    public Value Fail(in Failure failure)
    {
        Failure = failure;
        return default;
    }

    public ConditionResult FailCondition(in Failure failure)
    {
        Failure = failure;
        return ConditionResult.Error;
    }

    public readonly bool TryGetEntity(EntityUid uid, [NotNullWhen(true)] out Entity? entity)
    {
        if (ReferenceEquals(uid, Principal))
            entity = PrincipalEntity;
        else if (ReferenceEquals(uid, Resource))
            entity = ResourceEntity;
        else if (ReferenceEquals(uid, Action))
            entity = ActionEntity;
        else
            return _entities.TryGetEntity(uid, out entity);

        return entity is not null;
    }

    /// <summary>What an entity is a member of; nothing when there is no such entity.</summary>
    public readonly UidSet AncestorsOf(EntityUid uid) => TryGetEntity(uid, out var entity) ? _entities.AncestorsOf(entity) : UidSet.Empty;

    public readonly bool IsMember(EntityUid uid, EntityUid group) =>
        uid.Equals(group) || (TryGetEntity(uid, out var entity) && _entities.AncestorsOf(entity).Contains(group));
}
