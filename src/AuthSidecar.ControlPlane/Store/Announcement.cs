namespace AuthSidecar.ControlPlane.Store;

/// <summary>What a node tells the others of a commit.</summary>
/// <param name="Notes">The newest note.</param>
/// <param name="Touched">Whose sidecars get something else by it; null: whoever they are.</param>
internal sealed record Announcement(Revision Revision, long Notes, IReadOnlySet<Placement>? Touched)
{
    /// <summary>An announcement has 8,000 bytes in PostgreSQL; who writes to more than these writes to about everybody.</summary>
    private const int MostNamed = 16;

    public static string Write(Revision revision, long notes, IReadOnlySet<Placement> touched)
    {
        var named = touched.Count > MostNamed ? "" : " " + string.Join(' ', touched.Select(p => $"{p.Application}/{p.Tenant}"));
        return string.Create(CultureInfo.InvariantCulture, $"{revision} {notes}{named}");
    }

    public static bool TryParse(string text, [NotNullWhen(true)] out Announcement? announcement)
    {
        announcement = null;
        var words = text.Split(' ');
        if (words.Length < 2 || !Revision.TryParse(words[0], out var revision)
            || !long.TryParse(words[1], NumberStyles.None, CultureInfo.InvariantCulture, out var notes))
        {
            return false;
        }

        // Names of applications and tenants have neither a space nor a slash in them.
        announcement = new Announcement(
            revision,
            notes,
            words.Length == 2 ? null : words[2..].Where(w => w.Contains('/', StringComparison.Ordinal)).Select(w => w.Split('/'))
                .Select(p => new Placement(p[0], p[1])).ToHashSet());
        return true;
    }
}
