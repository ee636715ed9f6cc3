using System.Text;
using AuthSidecar.ControlPlane.Secrets;
using AuthSidecar.ControlPlane.Store;
using AuthSidecar.ControlPlane.V1;
using Google.Protobuf;
using Microsoft.EntityFrameworkCore;

namespace AuthSidecar.ControlPlane.Upstreams;

/// <summary>Providers as they are in the store, their secrets under a data key.</summary>
internal static class UpstreamRecords
{
    /// <summary>Every provider, by id.</summary>
    public static Task<List<UpstreamRow>> ListAsync(StoreContext context, CancellationToken cancellation) =>
        context.Upstreams.AsNoTracking().OrderBy(u => u.Id).ToListAsync(cancellation);

    public static Upstream Read(UpstreamRow row) => Upstream.Parser.ParseJson(row.Json);

    public static string SecretOf(UpstreamRow row, SecretStore secrets) => Encoding.UTF8.GetString(secrets.Open(row.Sealed, PurposeOf(row.Id)));

    /// <summary>Writes one; false when there is no secret for it: it is new, or somewhere else than the one that the secret was given for.</summary>
    /// <param name="transaction">The write.</param>
    /// <param name="upstream">What is to be.</param>
    /// <param name="secret">Its secret; null: that of before.</param>
    /// <param name="secrets">What seals it.</param>
    /// <param name="cancellation">Ends it.</param>
    public static async Task<bool> TryWriteAsync(StoreTransaction transaction, Upstream upstream, string? secret, SecretStore secrets, CancellationToken cancellation)
    {
        var row = await transaction.Context.Upstreams.SingleOrDefaultAsync(u => u.Id == upstream.Id, cancellation);
        if (secret is null && (row is null || !UpstreamKinds.AreAlike(Read(row), upstream)))
        {
            return false;
        }

        var (before, json) = (row?.Json, JsonFormatter.Default.Format(upstream));
        var sealedSecret = secret is null ? row!.Sealed : secrets.Seal(Encoding.UTF8.GetBytes(secret), PurposeOf(upstream.Id));
        if (row is null)
        {
            transaction.Context.Upstreams.Add(new UpstreamRow { Id = upstream.Id, Json = json, Sealed = sealedSecret });
        }
        else
        {
            (row.Json, row.Sealed) = (json, sealedSecret);
        }

        transaction.Audit(secret is null ? "upstreams.write" : "upstreams.write-with-secret", upstream.Id, Placement.ControlPlane, before, json);
        return true;
    }

    /// <summary>Takes one away; false when there is none.</summary>
    public static async Task<bool> TryRemoveAsync(StoreTransaction transaction, string id, CancellationToken cancellation)
    {
        if (await transaction.Context.Upstreams.SingleOrDefaultAsync(u => u.Id == id, cancellation) is not { } row)
        {
            return false;
        }

        transaction.Context.Upstreams.Remove(row);
        transaction.Audit("upstreams.remove", id, Placement.ControlPlane, row.Json, after: null);
        return true;
    }

    private static string PurposeOf(string id) => $"upstream {id}";
}
