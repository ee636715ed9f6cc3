using AuthSidecar.ControlPlane.Entities;
using AuthSidecar.ControlPlane.Publications;
using AuthSidecar.ControlPlane.Sidecars.Sync;

namespace AuthSidecar.ControlPlane.Hosting;

/// <summary>Forgets what is over: what is left of entities and resources that are gone, policies that others have replaced, and the audit
/// trail. In pieces, so that no write waits for it.</summary>
internal static class Retention
{
    public const int DefaultAuditDays = 90;
    public const int MaxAuditDays = 3_650;

    /// <summary>So many publications of an application are kept, however old they are: what one goes back to.</summary>
    public const int PublicationsKept = 100;

    /// <summary>Longer than a sidecar counts on it.</summary>
    public static readonly TimeSpan TombstonesFor = UnsignedBundleReader.ChangesFor + TimeSpan.FromDays(1);

    /// <summary>The audit trail says how old a revision is.</summary>
    public static readonly int MinAuditDays = (int)Math.Ceiling(TombstonesFor.TotalDays) + 1;

    private const int AtOnce = 5_000;

    /// <returns>How much was forgotten.</returns>
    public static async Task<int> ForgetAsync(StoreContext context, DateTimeOffset now, TimeSpan audit, CancellationToken cancellation)
    {
        var tombstonesBefore = (now - TombstonesFor).ToUnixTimeMilliseconds();
        // All that comes before the first that is not old enough, whatever the clocks of nodes said.
        var last = await context.Audit.Where(a => a.AtMs >= tombstonesBefore).MinAsync(a => (long?)a.Revision, cancellation) - 1
            ?? await context.Audit.MaxAsync(a => (long?)a.Revision, cancellation)
            ?? 0;
        // Said before it is so.
        await ForgottenSetting.RaiseAsync(context, last, cancellation);
        // The newest of each place stays: by it a sidecar sees that something has changed.
        var entities = context.Entities;
        var forgotten = await InPiecesAsync(
            entities.Where(e => e.IsRemoved && e.Revision <= last
                && entities.Any(n => n.Application == e.Application && n.Tenant == e.Tenant && n.Revision > e.Revision)), cancellation);
        forgotten += await InPiecesAsync(
            context.Entries.Where(r => r.IsRemoved && r.Revision <= last && context.Entries.Any(
                n => n.Type == r.Type && n.Application == r.Application && n.Tenant == r.Tenant && n.Revision > r.Revision)), cancellation);
        var auditBefore = (now - audit).ToUnixTimeMilliseconds();
        foreach (var application in await context.Publications.Select(p => p.Application).Distinct().ToListAsync(cancellation))
        {
            var oldest = await context.Publications.Where(p => p.Application == application).OrderByDescending(p => p.Revision)
                .Skip(PublicationsKept - 1).Select(p => (long?)p.Revision).FirstOrDefaultAsync(cancellation);
            forgotten += await context.Publications.Where(p => p.Application == application && p.Revision < oldest && p.AtMs < auditBefore)
                .ExecuteDeleteAsync(cancellation);
        }

        return forgotten + await InPiecesAsync(context.Audit.Where(a => a.AtMs < auditBefore), cancellation);
    }

    private static async Task<int> InPiecesAsync<T>(IQueryable<T> rows, CancellationToken cancellation)
        where T : class
    {
        var all = 0;
        for (var some = AtOnce; some == AtOnce; all += some)
            some = await rows.Take(AtOnce).ExecuteDeleteAsync(cancellation);

        return all;
    }
}
