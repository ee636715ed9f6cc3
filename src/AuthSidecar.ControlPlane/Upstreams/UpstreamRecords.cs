using System.Text;
using AuthSidecar.Cedar;
using AuthSidecar.Common;
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

    /// <summary>One provider, with the name that it is called by.</summary>
    public static Upstream Read(UpstreamRow row)
    {
        var upstream = Upstream.Parser.ParseJson(row.Json);
        upstream.DisplayName = upstream.HasDisplayName ? upstream.DisplayName : UpstreamKinds.NameOf(upstream);
        return upstream;
    }

    public static string SecretOf(UpstreamRow row, SecretStore secrets) => Encoding.UTF8.GetString(secrets.Open(row.Sealed, PurposeOf(row.Id)));

    /// <summary>Writes one.</summary>
    /// <param name="transaction">The write.</param>
    /// <param name="id">Which.</param>
    /// <param name="change">What is to become of what there is, which may be null.</param>
    /// <param name="secret">Its secret; null: that of before.</param>
    /// <param name="expected">The revision that there is to be; null: whatever it is.</param>
    /// <param name="secrets">What seals it.</param>
    /// <param name="cancellation">Ends it.</param>
    public static async Task<Refusal?> WriteAsync(
        StoreTransaction transaction, string id, Func<Upstream?, Upstream> change, string? secret, Revision? expected, SecretStore secrets, CancellationToken cancellation)
    {
        var row = await transaction.Context.Upstreams.SingleOrDefaultAsync(u => u.Id == id, cancellation);
        if (transaction.Expect(expected, row?.Revision ?? 0) is { } stale)
        {
            return stale;
        }

        var upstream = change(row is null ? null : Upstream.Parser.ParseJson(row.Json));
        // It is new, or somewhere else than the one that the secret was given for.
        if (secret is null && (row is null || !UpstreamKinds.AreAlike(Read(row), upstream)))
        {
            return new Refusal.Invalid([new Fault("client_secret", 0, 0, "required: no previous secret for this provider")]);
        }

        var (before, json) = (row?.Json, JsonFormatter.Default.Format(upstream));
        if (secret is null && before == json)
        {
            return new Refusal.NothingToDo(row!.Revision);
        }

        var sealedSecret = secret is null ? row!.Sealed : secrets.Seal(Encoding.UTF8.GetBytes(secret), PurposeOf(id));
        if (row is null)
        {
            transaction.Context.Upstreams.Add(new UpstreamRow { Id = upstream.Id, Json = json, Sealed = sealedSecret, Revision = transaction.Revision });
        }
        else
        {
            (row.Json, row.Sealed, row.Revision) = (json, sealedSecret, transaction.Revision);
        }

        transaction.Audit(secret is null ? "upstreams.write" : "upstreams.write-with-secret", id, Placement.ControlPlane, before, json);
        return null;
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
