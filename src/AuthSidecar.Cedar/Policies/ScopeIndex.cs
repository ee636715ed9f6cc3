using System.Collections.Frozen;

namespace AuthSidecar.Cedar;

/// <summary>
/// The scopes of a policy set, turned around: for an entity, the policies whose scope it fits, as a bit for each policy. The policies that
/// may apply to a request are the common bits of its principal, action and resource; a policy that cannot apply costs nothing.
/// </summary>
/// <remarks>Exact, because a scope test cannot fail. Immutable but for what it remembers, and safe to share between threads.</remarks>
internal sealed class ScopeIndex(IReadOnlyList<CompiledScope> scopes)
{
    private readonly Position _principal = new(scopes, s => s.Principal, masks => ref masks.Principal);
    private readonly Position _action = new(scopes, s => s.Action, masks => ref masks.Action);
    private readonly Position _resource = new(scopes, s => s.Resource, masks => ref masks.Resource);

    /// <summary>The policies whose scope fits this principal: bit <c>i % 64</c> of word <c>i / 64</c> for policy <c>i</c>.</summary>
    public ulong[] OfPrincipal(EntityUid uid, Entity? entity) => _principal.MaskOf(uid, entity, this);

    public ulong[] OfAction(EntityUid uid, Entity? entity) => _action.MaskOf(uid, entity, this);

    public ulong[] OfResource(EntityUid uid, Entity? entity) => _resource.MaskOf(uid, entity, this);

    private delegate ref ulong[]? SlotOf(EntityMasks masks);

    /// <summary>What the scopes say at one of their three places.</summary>
    private sealed class Position
    {
        private readonly SlotOf _slotOf;

        // The policies that name no entity here; those of them that name a type are sorted out by type.
        private readonly ulong[] _unnamed;
        private readonly FrozenDictionary<EntityUid, Mention> _mentions;
        private readonly FrozenDictionary<string, TypeMask> _types;
        private readonly TypeMask _otherType;

        public Position(IReadOnlyList<CompiledScope> scopes, Func<CompiledScope, ScopeTest> testOf, SlotOf slotOf)
        {
            _slotOf = slotOf;
            _unnamed = new ulong[(scopes.Count + 63) / 64];
            var mentions = new Dictionary<EntityUid, Mention>();
            var typed = new Dictionary<string, List<int>>(StringComparer.Ordinal);
            for (var i = 0; i < scopes.Count; i++)
            {
                var test = testOf(scopes[i]);
                if (test.Type is not null)
                {
                    GetOrAdd(typed, test.Type).Add(i);
                }

                if (test.Operator is ScopeOperator.Any or ScopeOperator.Is)
                {
                    Set(_unnamed, i);
                }

                foreach (var uid in test.Entities)
                {
                    var mention = GetOrAdd(mentions, uid);
                    (test.Operator == ScopeOperator.Equal ? mention.Equal : mention.Members).Add(i);
                }
            }

            _mentions = mentions.ToFrozenDictionary();
            _otherType = new TypeMask(WithoutTyped(typed, except: null), _unnamed);
            _types = typed.Keys.ToFrozenDictionary(t => t, t => new TypeMask(WithoutTyped(typed, except: t), _unnamed), StringComparer.Ordinal);
        }

        public ulong[] MaskOf(EntityUid uid, Entity? entity, ScopeIndex owner)
        {
            // Whatever is a member of nothing has only its own name and type to go by.
            if (entity is null || entity.Ancestors.Count == 0)
            {
                return _mentions.TryGetValue(uid, out var mention) ? mention.Mask ??= Compute(uid, null) : TypeOf(uid).Unnamed;
            }

            if (entity.Masks is not { } masks || !ReferenceEquals(masks.Owner, owner))
            {
                // Two threads that meet here compute the same.
                entity.Masks = masks = new EntityMasks(owner);
            }

            ref var slot = ref _slotOf(masks);
            return slot ??= Compute(uid, entity);
        }

        private TypeMask TypeOf(EntityUid uid) => _types.GetValueOrDefault(uid.Type, _otherType);

        private ulong[] Compute(EntityUid uid, Entity? entity)
        {
            var mask = (ulong[])_unnamed.Clone();
            if (_mentions.TryGetValue(uid, out var own))
            {
                Set(mask, own.Equal);
                Set(mask, own.Members);
            }

            foreach (var ancestor in entity?.Ancestors ?? [])
            {
                if (_mentions.TryGetValue(ancestor, out var group))
                {
                    Set(mask, group.Members);
                }
            }

            var fitting = TypeOf(uid).Fitting;
            for (var i = 0; i < mask.Length; i++)
            {
                mask[i] &= fitting[i];
            }

            return mask;
        }

        /// <summary>All policies but those that ask for another type.</summary>
        private ulong[] WithoutTyped(Dictionary<string, List<int>> typed, string? except)
        {
            var mask = new ulong[_unnamed.Length];
            Array.Fill(mask, ulong.MaxValue);
            foreach (var (type, policies) in typed)
            {
                if (!string.Equals(type, except, StringComparison.Ordinal))
                {
                    foreach (var policy in policies)
                    {
                        mask[policy / 64] &= ~(1ul << (policy % 64));
                    }
                }
            }

            return mask;
        }

        private static void Set(ulong[] mask, List<int> policies)
        {
            foreach (var policy in policies)
            {
                Set(mask, policy);
            }
        }

        private static void Set(ulong[] mask, int policy) => mask[policy / 64] |= 1ul << (policy % 64);

        private static TValue GetOrAdd<TKey, TValue>(Dictionary<TKey, TValue> dictionary, TKey key)
            where TKey : notnull
            where TValue : new()
        {
            if (!dictionary.TryGetValue(key, out var value))
            {
                dictionary.Add(key, value = new TValue());
            }

            return value;
        }
    }

    /// <summary>The policies that name an entity.</summary>
    private sealed class Mention
    {
        /// <summary>By <c>==</c>.</summary>
        public List<int> Equal { get; } = [];

        /// <summary>By <c>in</c>: they fit its members too.</summary>
        public List<int> Members { get; } = [];

        /// <summary>Made when it is first asked for.</summary>
        public ulong[]? Mask { get; set; }
    }

    private sealed class TypeMask(ulong[] fitting, ulong[] unnamed)
    {
        /// <summary>The policies that fit entities of this type, as far as the type goes.</summary>
        public ulong[] Fitting { get; } = fitting;

        /// <summary>The policies that fit an entity of this type that no policy names.</summary>
        public ulong[] Unnamed { get; } = [.. unnamed.Zip(fitting, (a, b) => a & b)];
    }
}

/// <summary>What an index remembers of an entity, with the entity.</summary>
internal sealed class EntityMasks(ScopeIndex owner)
{
    public readonly ScopeIndex Owner = owner;
    public ulong[]? Principal;
    public ulong[]? Action;
    public ulong[]? Resource;
}
