namespace AuthSidecar.Cedar;

/// <summary>Finds the name that somebody may have meant who wrote another.</summary>
/// <remarks>Looks at so many names and no more: a text with many faults is not to cost their product with what there is. Not safe to share
/// between threads.</remarks>
internal sealed class Suggestions
{
    private const int MostCompared = 100_000;
    private const int LongestWord = 64;

    private int _compared;

    /// <summary>The nearest of the names in a form such as <c>did you mean `name`?</c>; null when none is near.</summary>
    /// <param name="word">What was written.</param>
    /// <param name="names">The names.</param>
    /// <param name="most">How many letters may be wrong; null: one in three.</param>
    public string? For(string word, IEnumerable<string> names, int? most = null) => Nearest(word, names, name => name, most) is { } nearest
        ? $"did you mean `{nearest}`?" : null;

    /// <summary>The uid whose id is the nearest.</summary>
    public string? For(EntityUid uid, IEnumerable<EntityUid> uids) =>
        Nearest(uid.Id, uids.Where(u => !u.Equals(uid)), u => u.Id) is { } nearest ? $"did you mean `{nearest}`?" : null;

    private T? Nearest<T>(string word, IEnumerable<T> candidates, Func<T, string> nameOf, int? most = null)
        where T : class
    {
        if (word.Length is 0 or > LongestWord)
            return null;

        T? nearest = null;
        // One letter in three may be wrong, and in a short word one.
        var least = most ?? Math.Max(1, word.Length / 3);
        foreach (var candidate in candidates)
        {
            if (_compared++ >= MostCompared)
                break;

            var name = nameOf(candidate);
            if (Math.Abs(name.Length - word.Length) > least)
                continue;

            // Of two that are as near the first in order: tables have none of their own.
            var distance = Distance(word, name);
            if (distance == Math.Max(word.Length, name.Length))
            {
                // Not a letter in common.
                continue;
            }

            if (distance < least || (distance == least && (nearest is null || string.CompareOrdinal(name, nameOf(nearest)) < 0)))
                (nearest, least) = (candidate, distance);
        }

        return nearest;
    }

    /// <summary>How many letters have to be put in, taken out, replaced, or changed about with the next; upper or lower case does not
    /// count.</summary>
    private static int Distance(string a, string b)
    {
        Span<int> before = stackalloc int[2 * LongestWord];
        Span<int> last = stackalloc int[2 * LongestWord];
        Span<int> row = stackalloc int[2 * LongestWord];
        for (var j = 0; j <= b.Length; j++)
            last[j] = j;

        for (var i = 1; i <= a.Length; i++)
        {
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                var isSame = char.ToUpperInvariant(a[i - 1]) == char.ToUpperInvariant(b[j - 1]);
                row[j] = Math.Min(last[j - 1] + (isSame ? 0 : 1), Math.Min(last[j], row[j - 1]) + 1);
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                    row[j] = Math.Min(row[j], before[j - 2] + 1);
            }

            var spare = before;
            before = last;
            last = row;
            row = spare;
        }

        return last[b.Length];
    }
}
