using AuthSidecar.ControlPlane.V1;
using OpenIddict.EntityFrameworkCore.Models;

namespace AuthSidecar.ControlPlane.Identity.Clients;

/// <summary>OAuth clients, as OpenIddict's tables have them: written in one transaction with what else they are.</summary>
internal static class ClientRecords
{
    /// <summary>The property that says which application a client's tokens are for.</summary>
    public const string ApplicationProperty = "application";

    /// <summary>The property that says at which revision a client last changed.</summary>
    private const string RevisionProperty = "revision";

    /// <summary>The property that says whether users are asked, where that was said.</summary>
    private const string ConsentProperty = "needs_consent";

    /// <summary>The property that says where a client is told of sessions that have ended.</summary>
    private const string LogoutProperty = "backchannel_logout_uri";

    private static readonly string[] CommonScopes = [Scopes.Profile, Scopes.Email];

    /// <summary>The scopes that a client may have for somebody; null: nobody can grant it anything.</summary>
    public static IReadOnlySet<string>? ScopesOf(Client client) =>
        client.GrantTypes.Any(t => t is GrantType.AuthorizationCode or GrantType.DeviceCode)
        ? new HashSet<string>([Scopes.OpenId, Scopes.OfflineAccess, .. CommonScopes, .. client.Scopes], StringComparer.Ordinal)
        : null;

    public static Task<string?> FindKeysAsync(StoreContext context, string id, CancellationToken cancellation) =>
        Of(context, id).Select(c => c.JsonWebKeySet).SingleOrDefaultAsync(cancellation);

    public static Task<Dictionary<string, string>> KeysOfAsync(
        StoreContext context, IReadOnlyCollection<string> ids, CancellationToken cancellation) =>
        context.Clients.Where(c => ids.Contains(c.ClientId!)).ToDictionaryAsync(c => c.ClientId!, c => c.JsonWebKeySet ?? "", cancellation);

    /// <summary>Where those of these clients that want to know are told of sessions that have ended.</summary>
    public static async Task<Dictionary<string, string>> LogoutUrisOfAsync(
        StoreContext context, IReadOnlyCollection<string> ids, CancellationToken cancellation)
    {
        var found = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var row in await context.Clients.AsNoTracking().Where(c => ids.Contains(c.ClientId!)).ToListAsync(cancellation))
        {
            if (PropertiesOf(row).TryGetValue(LogoutProperty, out var uri))
                found.Add(row.ClientId!, uri);
        }

        return found;
    }

    /// <summary>One client, and the number of the revision at which it last changed; null when there is none, or it is an
    /// administrator.</summary>
    public static async Task<(Client? Client, long Revision)> FindAsync(StoreContext context, string id, CancellationToken cancellation) =>
        await Of(context, id).AsNoTracking().SingleOrDefaultAsync(cancellation) is { } row
            && ApplicationOf(row) != Placement.ControlPlaneApplication ? (Read(row), RevisionOf(row)) : (null, 0);

    /// <summary>Every client but administrators, by id.</summary>
    public static async Task<List<(Client Client, long Revision)>> ListAsync(StoreContext context, CancellationToken cancellation) =>
        [.. (await context.Clients.AsNoTracking().OrderBy(c => c.ClientId).ToListAsync(cancellation)).Where(
            c => ApplicationOf(c) != Placement.ControlPlaneApplication).Select(c => (Read(c), RevisionOf(c)))];

    /// <summary>Whether the id is taken, and by a client of another application.</summary>
    public static async Task<bool> IsOfAnotherAsync(StoreContext context, string id, string application, CancellationToken cancellation) =>
        await Of(context, id).AsNoTracking().SingleOrDefaultAsync(cancellation) is { } row && ApplicationOf(row) != application;

    /// <summary>Whether the id is an administrator's.</summary>
    public static async Task<bool> IsAdministratorAsync(StoreContext context, string id, CancellationToken cancellation) =>
        await Of(context, id).AsNoTracking().SingleOrDefaultAsync(cancellation) is { } row
            && ApplicationOf(row) == Placement.ControlPlaneApplication;

    /// <summary>A client that is an administrator's.</summary>
    public static Task WriteAdministratorAsync(StoreContext context, string id, string jwks, CancellationToken cancellation) =>
        WriteAsync(context, new Client
        {
            Id = id,
            Application = Placement.ControlPlaneApplication,
            GrantTypes = { GrantType.ClientCredentials },
            Jwks = jwks,
        }, revision: 0, cancellation);

    public static async Task WriteAsync(StoreContext context, Client client, long revision, CancellationToken cancellation)
    {
        var row = await Of(context, client.Id).SingleOrDefaultAsync(cancellation);
        if (row is null)
        {
            row = new OpenIddictEntityFrameworkCoreApplication { Id = Guid.NewGuid().ToString(), ClientId = client.Id };
            context.Clients.Add(row);
        }

        row.ClientType = client.Jwks.Length > 0 ? ClientTypes.Confidential : ClientTypes.Public;
        row.ConsentType = ConsentTypeOf(client);
        row.DisplayName = client.DisplayName.Length > 0 ? client.DisplayName : client.Id;
        row.JsonWebKeySet = client.Jwks.Length > 0 ? client.Jwks : null;
        row.Permissions = JsonSerializer.Serialize(PermissionsOf(client));
        row.RedirectUris = ListOf(client.RedirectUris);
        row.PostLogoutRedirectUris = ListOf(client.PostLogoutRedirectUris);
        row.Requirements = JsonSerializer.Serialize(new[] { Requirements.Features.ProofKeyForCodeExchange });
        var properties = new Dictionary<string, string>
        {
            [ApplicationProperty] = client.Application,
            [RevisionProperty] = revision.ToString(CultureInfo.InvariantCulture),
        };
        if (client.HasNeedsConsent)
            properties.Add(ConsentProperty, client.NeedsConsent ? "true" : "false");

        if (client.BackchannelLogoutUri.Length > 0)
            properties.Add(LogoutProperty, client.BackchannelLogoutUri);

        row.Properties = JsonSerializer.Serialize(properties);
        row.ApplicationType = IsNative(client) ? ApplicationTypes.Native : ApplicationTypes.Web;
        row.ConcurrencyToken = Guid.NewGuid().ToString();
    }

    /// <returns>Whether there was one.</returns>
    public static async Task<bool> RemoveAsync(StoreContext context, string id, CancellationToken cancellation)
    {
        if (await Of(context, id).SingleOrDefaultAsync(cancellation) is not { Id: var key } client)
            return false;

        // Their tokens and authorizations first, which refer to it.
        await context.Tokens.Where(t => t.Application!.Id == key).ExecuteDeleteAsync(cancellation);
        await context.Consents.Where(a => a.Application!.Id == key).ExecuteDeleteAsync(cancellation);
        context.Clients.Remove(client);
        return true;
    }

    /// <summary>Whether it runs on the user's machine, where any program can receive what is for it.</summary>
    private static bool IsNative(Client client) => client.RedirectUris.Any(u => u.StartsWith("http:", StringComparison.OrdinalIgnoreCase));

    /// <summary>Of a native client without a key any program can use the id: its users are asked each time (RFC 8252, section 8.6), unless
    /// it is said otherwise.</summary>
    private static string ConsentTypeOf(Client client)
    {
        var isIndistinguishable = IsNative(client) && client.Jwks.Length == 0;
        return !(client.HasNeedsConsent ? client.NeedsConsent : isIndistinguishable) ? ConsentTypes.Implicit
            : isIndistinguishable ? ConsentTypes.Systematic
            : ConsentTypes.Explicit;
    }

    private static IEnumerable<string> PermissionsOf(Client client)
    {
        yield return Permissions.Endpoints.Token;
        yield return Permissions.Endpoints.Revocation;
        if (client.Jwks.Length > 0)
            yield return Permissions.Endpoints.Introspection;

        foreach (var type in client.GrantTypes)
        {
            switch (type)
            {
                case GrantType.AuthorizationCode:
                    yield return Permissions.Endpoints.Authorization;
                    yield return Permissions.Endpoints.EndSession;
                    yield return Permissions.GrantTypes.AuthorizationCode;
                    yield return Permissions.ResponseTypes.Code;
                    break;
                case GrantType.DeviceCode:
                    yield return Permissions.Endpoints.DeviceAuthorization;
                    yield return Permissions.GrantTypes.DeviceCode;
                    break;
                case GrantType.ClientCredentials: yield return Permissions.GrantTypes.ClientCredentials; break;
            }
        }

        if (client.GrantTypes.Any(t => t is GrantType.AuthorizationCode or GrantType.DeviceCode))
            yield return Permissions.GrantTypes.RefreshToken;

        foreach (var scope in CommonScopes.Concat(client.Scopes))
            yield return Permissions.Prefixes.Scope + scope;
    }

    private static Client Read(OpenIddictEntityFrameworkCoreApplication row)
    {
        var permissions = ItemsOf(row.Permissions);
        var client = new Client
        {
            Id = row.ClientId,
            DisplayName = row.DisplayName ?? "",
            Application = ApplicationOf(row),
            RedirectUris = { ItemsOf(row.RedirectUris) },
            PostLogoutRedirectUris = { ItemsOf(row.PostLogoutRedirectUris) },
        };
        if (row.JsonWebKeySet is { } jwks)
            client.Jwks = jwks;

        var properties = PropertiesOf(row);
        if (properties.TryGetValue(ConsentProperty, out var needsConsent))
        {
            client.NeedsConsent = needsConsent == "true";
        }
        else if (row.ConsentType == ConsentTypes.Explicit)
        {
            // From before it was said so.
            client.NeedsConsent = true;
        }

        if (properties.TryGetValue(LogoutProperty, out var logoutUri))
            client.BackchannelLogoutUri = logoutUri;

        foreach (var (permission, type) in new[]
        {
            (Permissions.GrantTypes.AuthorizationCode, GrantType.AuthorizationCode),
            (Permissions.GrantTypes.DeviceCode, GrantType.DeviceCode),
            (Permissions.GrantTypes.ClientCredentials, GrantType.ClientCredentials),
        })
        {
            if (permissions.Contains(permission))
                client.GrantTypes.Add(type);
        }

        client.Scopes.AddRange(permissions.Where(p => p.StartsWith(Permissions.Prefixes.Scope, StringComparison.Ordinal))
            .Select(p => p[Permissions.Prefixes.Scope.Length..]).Except(CommonScopes));
        return client;
    }

    private static string ApplicationOf(OpenIddictEntityFrameworkCoreApplication row) =>
        PropertiesOf(row).GetValueOrDefault(ApplicationProperty, Placement.ControlPlaneApplication);

    private static long RevisionOf(OpenIddictEntityFrameworkCoreApplication row) =>
        long.Parse(PropertiesOf(row).GetValueOrDefault(RevisionProperty, "0"), CultureInfo.InvariantCulture);

    private static Dictionary<string, string> PropertiesOf(OpenIddictEntityFrameworkCoreApplication row) =>
        JsonSerializer.Deserialize<Dictionary<string, string>>(row.Properties ?? "{}")!;

    private static string? ListOf(IReadOnlyCollection<string> items) => items.Count == 0 ? null : JsonSerializer.Serialize(items);
    private static string[] ItemsOf(string? json) => json is null ? [] : JsonSerializer.Deserialize<string[]>(json)!;

    private static IQueryable<OpenIddictEntityFrameworkCoreApplication> Of(StoreContext context, string id) =>
        context.Clients.Where(c => c.ClientId == id);
}
