namespace AuthSidecar.Cedar;

/// <summary>The scopes of a policy set, turned around: for an entity, the policies whose scope it fits. The policies that may apply to a
/// request are those that its principal, action and resource have in common; a policy that cannot apply costs nothing.</summary>
/// <remarks>Exact, because a scope test cannot fail. Immutable but for what it remembers, and safe to share between threads.</remarks>
internal sealed class ScopeIndex
{
    private readonly ByPlace<Position> _places;

    // Stands for this index in what entities remember.
    private readonly object _token = new();

    public ScopeIndex(IReadOnlyList<CompiledScope> scopes)
    {
        var masks = new MaskTable();
        _places[(int)ScopePlace.Principal] = new Position(scopes, s => s.Principal, masks);
        _places[(int)ScopePlace.Action] = new Position(scopes, s => s.Action, masks);
        _places[(int)ScopePlace.Resource] = new Position(scopes, s => s.Resource, masks);
    }

    /// <summary>The policies whose scope fits, at one of its places, what has this uid.</summary>
    /// <param name="place">The place.</param>
    /// <param name="uid">The uid.</param>
    /// <param name="entity">Its entity, if there is one.</param>
    /// <param name="entities">Where that comes from.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public PolicyMask MaskOf(ScopePlace place, EntityUid uid, Entity? entity, EntitySource entities) =>
        entity?.Memo is { } memo && ReferenceEquals(memo.Policies, _token) && entities.IsValid(memo) && memo.Masks[(int)place] is { } mask
            ? mask
            : FindMaskOf(place, uid, entity, entities);

    private PolicyMask FindMaskOf(ScopePlace place, EntityUid uid, Entity? entity, EntitySource entities)
    {
        // What nothing is remembered of, and which is a member of nothing, has only its name and type to go by.
        if (entity is null || entities.MemoOf(entity) is var memo && ReferenceEquals(memo, EntityMemo.Nothing))
            return _places[(int)place].MaskOf(uid);

        if (!ReferenceEquals(memo.Policies, _token))
        {
            var here = memo.ForPolicySet(_token);
            if (ReferenceEquals(entity.Memo, memo))
                entity.Memo = here;

            memo = here;
        }

        return memo.Masks[(int)place] ??= _places[(int)place].MaskOf(uid, memo.Ancestors);
    }

    /// <summary>What the scopes say at one of their three places.</summary>
    private sealed class Position
    {
        private readonly MaskTable _masks;

        // The policies that name no entity here; those of them that name a type are sorted out by type.
        private readonly ulong[] _unnamed;
        private readonly UidMap<ScopeReference> _references = new();
        private readonly Dictionary<string, TypeMask> _types = new(StringComparer.Ordinal);
        private readonly TypeMask _otherType;

        public Position(IReadOnlyList<CompiledScope> scopes, Func<CompiledScope, ScopeTest> testOf, MaskTable masks)
        {
            _masks = masks;
            _unnamed = new ulong[(scopes.Count + 63) / 64];
            var typed = new Dictionary<string, List<int>>(StringComparer.Ordinal);
            for (var i = 0; i < scopes.Count; i++)
            {
                var test = testOf(scopes[i]);
                if (test.Type is not null)
                {
                    if (!typed.TryGetValue(test.Type, out var ofType))
                        typed.Add(test.Type, ofType = []);

                    ofType.Add(i);
                }

                if (test.Operator is ScopeOperator.Any or ScopeOperator.Is)
                    Set(_unnamed, i);

                foreach (var uid in test.Entities)
                {
                    if (!_references.TryGet(uid, out var reference))
                        _references.Set(uid, reference = new ScopeReference());

                    (test.Operator == ScopeOperator.Equal ? reference.Equal : reference.Members).Add(i);
                }
            }

            _otherType = CreateTypeMask(typed, null);
            foreach (var type in typed.Keys)
                _types.Add(type, CreateTypeMask(typed, type));
        }

        /// <summary>The mask of something that is a member of nothing.</summary>
        public PolicyMask MaskOf(EntityUid uid) =>
            _references.TryGet(uid, out var reference) ? reference.Mask ??= MaskOf(uid, UidSet.Empty) : TypeOf(uid).Unnamed;

        public PolicyMask MaskOf(EntityUid uid, UidSet ancestors)
        {
            ulong[]? bits = null;
            if (_references.TryGet(uid, out var own))
            {
                Set(bits ??= [.. _unnamed], own.Equal);
                Set(bits, own.Members);
            }

            foreach (var ancestor in ancestors)
            {
                if (_references.TryGet(ancestor, out var group))
                    Set(bits ??= [.. _unnamed], group.Members);
            }

            var type = TypeOf(uid);
            if (bits is null)
                return type.Unnamed;

            for (var i = 0; i < bits.Length; i++)
                bits[i] &= type.Fitting[i];

            return _masks.Share(new PolicyMask(bits));
        }

        private TypeMask TypeOf(EntityUid uid) => _types.Count > 0 && _types.TryGetValue(uid.Type, out var type) ? type : _otherType;

        private TypeMask CreateTypeMask(Dictionary<string, List<int>> typed, string? type)
        {
            var fitting = new ulong[_unnamed.Length];
            Array.Fill(fitting, ulong.MaxValue);
            foreach (var (other, policies) in typed)
            {
                if (!string.Equals(other, type, StringComparison.Ordinal))
                {
                    foreach (var policy in policies)
                        fitting[policy / 64] &= ~(1ul << (policy % 64));
                }
            }

            return new TypeMask(fitting, _masks.Share(new PolicyMask([.. _unnamed.Zip(fitting, (a, b) => a & b)])));
        }

        private static void Set(ulong[] bits, List<int> policies)
        {
            foreach (var policy in policies)
                Set(bits, policy);
        }

        private static void Set(ulong[] bits, int policy) => bits[policy / 64] |= 1ul << (policy % 64);
    }

    /// <summary>The policies that name an entity.</summary>
    private sealed class ScopeReference
    {
        /// <summary>By <c>==</c>.</summary>
        public List<int> Equal { get; } = [];

        /// <summary>By <c>in</c>: they fit its members too.</summary>
        public List<int> Members { get; } = [];

        /// <summary>Of the entity itself while it is a member of nothing; made when it is first asked for.</summary>
        public PolicyMask? Mask { get; set; }
    }

    /// <param name="Fitting">The policies that fit entities of this type, as far as the type goes.</param>
    /// <param name="Unnamed">The policies that fit an entity of this type that no policy names.</param>
    private sealed record TypeMask(ulong[] Fitting, PolicyMask Unnamed);

    /// <summary>Masks by their content: many entities fit the same policies.</summary>
    private sealed class MaskTable
    {
        // Where every entity is a case of its own, sharing finds nothing; then it need not remember them either.
        private const int MaxShared = 65_536;

        private readonly HashSet<PolicyMask> _masks = [];
        private readonly Lock _lock = new();

        public PolicyMask Share(PolicyMask mask)
        {
            lock (_lock)
            {
                if (_masks.TryGetValue(mask, out var shared))
                    return shared;

                if (_masks.Count < MaxShared)
                    _masks.Add(mask);

                return mask;
            }
        }
    }
}
