using System.Text.Json;
using AuthSidecar.ControlPlane.Store;
using Microsoft.EntityFrameworkCore;
using OpenIddict.EntityFrameworkCore.Models;
using static OpenIddict.Abstractions.OpenIddictConstants;

namespace AuthSidecar.ControlPlane.Identity;

/// <summary>OAuth clients that authenticate with a key of their own, as OpenIddict's tables have them: written in one transaction with what else they are.</summary>
internal static class ClientRecords
{
    private static readonly string Permitted = JsonSerializer.Serialize(new[] { Permissions.Endpoints.Token, Permissions.GrantTypes.ClientCredentials });

    public static Task<string?> FindKeysAsync(StoreContext context, string id, CancellationToken cancellation) =>
        Of(context, id).Select(c => c.JsonWebKeySet).SingleOrDefaultAsync(cancellation);

    public static Task<Dictionary<string, string>> KeysOfAsync(StoreContext context, IReadOnlyCollection<string> ids, CancellationToken cancellation) =>
        context.Clients.Where(c => ids.Contains(c.ClientId!)).ToDictionaryAsync(c => c.ClientId!, c => c.JsonWebKeySet ?? "", cancellation);

    public static async Task WriteAsync(StoreContext context, string id, string jwks, CancellationToken cancellation)
    {
        var client = await Of(context, id).SingleOrDefaultAsync(cancellation);
        if (client is null)
        {
            client = new OpenIddictEntityFrameworkCoreApplication
            {
                Id = Guid.NewGuid().ToString(),
                ClientId = id,
                ClientType = ClientTypes.Confidential,
                ConsentType = ConsentTypes.Implicit,
                Permissions = Permitted,
            };
            context.Clients.Add(client);
        }

        (client.JsonWebKeySet, client.ConcurrencyToken) = (jwks, Guid.NewGuid().ToString());
    }

    public static async Task RemoveAsync(StoreContext context, string id, CancellationToken cancellation)
    {
        if (await Of(context, id).SingleOrDefaultAsync(cancellation) is { Id: var key } client)
        {
            // Their tokens and authorizations first, which refer to it.
            await context.Tokens.Where(t => t.Application!.Id == key).ExecuteDeleteAsync(cancellation);
            await context.Set<OpenIddictEntityFrameworkCoreAuthorization>().Where(a => a.Application!.Id == key).ExecuteDeleteAsync(cancellation);
            context.Clients.Remove(client);
        }
    }

    private static IQueryable<OpenIddictEntityFrameworkCoreApplication> Of(StoreContext context, string id) => context.Clients.Where(c => c.ClientId == id);
}
