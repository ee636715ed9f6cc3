using System.Diagnostics.CodeAnalysis;
using AuthSidecar.Common;

namespace AuthSidecar.ControlPlane.Store;

/// <summary>What a node tells the others of a commit.</summary>
/// <param name="Revision">The revision.</param>
/// <param name="Touched">Whose sidecars get something else by it; null: whoever they are.</param>
internal sealed record Announcement(Revision Revision, IReadOnlySet<Placement>? Touched)
{
    /// <summary>An announcement has 8,000 bytes in PostgreSQL; who writes to more than these writes to about everybody.</summary>
    private const int MostNamed = 16;

    public static string Write(Revision revision, IReadOnlySet<Placement> touched) =>
        touched.Count > MostNamed ? revision.ToString() : $"{revision} {string.Join(' ', touched.Select(p => $"{p.Application}/{p.Tenant}"))}";

    public static bool TryParse(string text, [NotNullWhen(true)] out Announcement? announcement)
    {
        announcement = null;
        var words = text.Split(' ');
        if (!Revision.TryParse(words[0], out var revision))
        {
            return false;
        }

        // Names of applications and tenants have neither a space nor a slash in them.
        announcement = new Announcement(
            revision,
            words.Length == 1 ? null : words[1..].Where(w => w.Contains('/', StringComparison.Ordinal)).Select(w => w.Split('/')).Select(p => new Placement(p[0], p[1])).ToHashSet());
        return true;
    }
}
