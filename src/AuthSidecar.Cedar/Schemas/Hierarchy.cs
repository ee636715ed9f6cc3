using System.Collections.Concurrent;

namespace AuthSidecar.Cedar;

/// <summary>What may be a member of what, through however many others: entity types, or actions. Only the steps are kept; who is below a
/// group is found out when somebody asks, for the whole of it would be the square of a long chain.</summary>
/// <remarks>Safe to share between threads.</remarks>
internal sealed class Hierarchy<T>(IEnumerable<T> all, Func<T, FrozenSet<T>?> parentsOf)
    where T : class
{
    private const int MostRemembered = 1_000_000;

    // Declarations that name several types share a set of parents, which is a step of its own here: else there would be as many steps as
    // the product of the two.
    private readonly Lazy<Steps> _steps = new(() => new Steps(all, parentsOf));
    private readonly ConcurrentDictionary<T, HashSet<T>> _below = new();
    private int _remembered;

    /// <summary>Whether the one is a member of the other, directly or through others; of itself it is only on a cycle.</summary>
    public bool IsBelow(T member, T group) => parentsOf(member) is { Count: > 0 } parents
        && (parents.Contains(group) || Below(group).Contains(member));

    /// <summary>Everything that the one is a member of.</summary>
    public HashSet<T> Above(T member)
    {
        var above = new HashSet<T>();
        var seen = new HashSet<FrozenSet<T>>(ReferenceEqualityComparer.Instance);
        var rest = new Stack<T>([member]);
        while (rest.TryPop(out var next))
        {
            if (parentsOf(next) is not { Count: > 0 } parents || !seen.Add(parents))
                continue;

            foreach (var parent in parents)
            {
                if (above.Add(parent))
                    rest.Push(parent);
            }
        }

        return above;
    }

    private HashSet<T> Below(T group)
    {
        if (_below.TryGetValue(group, out var known))
            return known;

        var below = new HashSet<T>();
        var seen = new HashSet<FrozenSet<T>>(ReferenceEqualityComparer.Instance);
        var rest = new Stack<T>([group]);
        while (rest.TryPop(out var next))
        {
            foreach (var parents in _steps.Value.SetsWith(next))
            {
                if (!seen.Add(parents))
                    continue;

                foreach (var member in _steps.Value.MembersOf(parents))
                {
                    if (below.Add(member))
                        rest.Push(member);
                }
            }
        }

        if (Interlocked.Add(ref _remembered, below.Count + 1) > MostRemembered)
        {
            _below.Clear();
            _remembered = below.Count + 1;
        }

        _below[group] = below;
        return below;
    }

    private sealed class Steps
    {
        private readonly Dictionary<T, List<FrozenSet<T>>> _setsWith = [];
        private readonly Dictionary<FrozenSet<T>, List<T>> _membersOf = new(ReferenceEqualityComparer.Instance);

        public Steps(IEnumerable<T> all, Func<T, FrozenSet<T>?> parentsOf)
        {
            foreach (var member in all)
            {
                if (parentsOf(member) is not { Count: > 0 } parents)
                    continue;

                if (_membersOf.TryGetValue(parents, out var members))
                {
                    members.Add(member);
                    continue;
                }

                _membersOf.Add(parents, [member]);
                foreach (var parent in parents)
                {
                    if (!_setsWith.TryGetValue(parent, out var sets))
                        _setsWith.Add(parent, sets = []);

                    sets.Add(parents);
                }
            }
        }

        public List<FrozenSet<T>> SetsWith(T group) => _setsWith.GetValueOrDefault(group) ?? [];
        public List<T> MembersOf(FrozenSet<T> parents) => _membersOf[parents];
    }
}
