namespace AuthSidecar.ControlPlane.Policies;

/// <summary>What differs between two texts, line by line: a longest common subsequence, between the lines that both begin and end
/// with.</summary>
internal static class LineDiff
{
    private const int Context = 3;

    /// <summary>Texts that differ in more than this take their tables' square in memory, and are told as replaced.</summary>
    private const int MaxLines = 4_000;

    public static string Of(string before, string after)
    {
        var (old, @new) = (LinesOf(before), LinesOf(after));
        var (start, tail) = (0, 0);
        while (start < old.Length && start < @new.Length && old[start] == @new[start])
            start++;

        while (tail < old.Length - start && tail < @new.Length - start && old[^(tail + 1)] == @new[^(tail + 1)])
            tail++;

        var edits = new List<(char Kind, string Line)>();
        edits.AddRange(old[..start].Select(l => (' ', l)));
        edits.AddRange(Middle(old[start..^tail], @new[start..^tail]));
        edits.AddRange(old[^tail..].Select(l => (' ', l)));
        return Print(edits);
    }

    private static IEnumerable<(char Kind, string Line)> Middle(string[] old, string[] @new)
    {
        if (old.Length > MaxLines || @new.Length > MaxLines)
            return [.. old.Select(l => ('-', l)), .. @new.Select(l => ('+', l))];

        // common[i, j]: how many lines old[i..] and new[j..] have in common.
        var common = new int[old.Length + 1, @new.Length + 1];
        for (var i = old.Length - 1; i >= 0; i--)
        {
            for (var j = @new.Length - 1; j >= 0; j--)
                common[i, j] = old[i] == @new[j] ? common[i + 1, j + 1] + 1 : Math.Max(common[i + 1, j], common[i, j + 1]);
        }

        var edits = new List<(char, string)>();
        for (var (i, j) = (0, 0); i < old.Length || j < @new.Length;)
        {
            if (i < old.Length && j < @new.Length && old[i] == @new[j])
            {
                edits.Add((' ', old[i]));
                (i, j) = (i + 1, j + 1);
            }
            else if (j == @new.Length || (i < old.Length && common[i + 1, j] >= common[i, j + 1]))
            {
                edits.Add(('-', old[i++]));
            }
            else
            {
                edits.Add(('+', @new[j++]));
            }
        }

        return edits;
    }

    private static string Print(List<(char Kind, string Line)> edits)
    {
        var isNear = new bool[edits.Count];
        foreach (var (index, _) in edits.Index().Where(e => e.Item.Kind != ' '))
            isNear.AsSpan(Math.Max(0, index - Context)..Math.Min(edits.Count, index + Context + 1)).Fill(true);

        var (text, last) = (new StringBuilder(), -1);
        foreach (var (index, (kind, line)) in edits.Index().Where(e => isNear[e.Index]))
        {
            text.Append(last >= 0 && index > last + 1 ? "...\n" : "").Append(kind).Append(line).Append('\n');
            last = index;
        }

        return text.ToString();
    }

    private static string[] LinesOf(string text) => text.Length == 0 ? [] : text.TrimEnd('\n').Split('\n');
}
