using AuthSidecar.ControlPlane.Publications;

namespace AuthSidecar.ControlPlane.Entities;

/// <summary>Which applications there are: those that anything was ever written for. A name that nobody has written for is most likely
/// mistyped.</summary>
internal sealed class Applications(ControlStore store)
{
    // What was written stays in the history: an application that is there once stays so.
    private readonly ConcurrentDictionary<string, bool> _known = new(StringComparer.Ordinal) { [Placement.ControlPlaneApplication] = true };

    public async Task<bool> ExistsAsync(string name, CancellationToken cancellation)
    {
        if (_known.ContainsKey(name))
            return true;

        var exists = await store.ReadAsync((context, _) => ExistsAsync(context, name, cancellation), cancellation);
        if (exists)
            _known[name] = true;

        return exists;
    }

    private static async Task<bool> ExistsAsync(StoreContext context, string name, CancellationToken cancellation) =>
        await context.Publications.AnyAsync(p => p.Application == name, cancellation)
        || await context.Entries.AnyAsync(r => r.Application == name, cancellation)
        || await context.Entities.AnyAsync(e => e.Application == name, cancellation);
}
