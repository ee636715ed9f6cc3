using System.Collections.Immutable;
using AuthSidecar.ControlPlane.Store;
using OpenIddict.Abstractions;
using static OpenIddict.Abstractions.OpenIddictConstants;

namespace AuthSidecar.ControlPlane.Pages;

/// <summary>What accounts have allowed clients, kept by OpenIddict.</summary>
internal sealed class Consents(IOpenIddictApplicationManager applications, IOpenIddictAuthorizationManager authorizations, ControlStore store)
{
    /// <summary>Whether the account is to be asked before the client gets this.</summary>
    public async Task<bool> IsMissingAsync(string accountId, string clientId, ImmutableArray<string> scopes, CancellationToken cancellation)
    {
        var client = await applications.FindByClientIdAsync(clientId, cancellation) ?? throw new InvalidOperationException("the client was known a moment ago");
        if (await applications.HasConsentTypeAsync(client, ConsentTypes.Implicit, cancellation))
        {
            return false;
        }

        var id = await applications.GetIdAsync(client, cancellation);
        await foreach (var _ in authorizations.FindAsync(accountId, id, Statuses.Valid, AuthorizationTypes.Permanent, scopes, cancellation))
        {
            return false;
        }

        return true;
    }

    public async Task GiveAsync(string accountId, string clientId, ImmutableArray<string> scopes, CancellationToken cancellation)
    {
        var client = await applications.FindByClientIdAsync(clientId, cancellation) ?? throw new InvalidOperationException("the client was known a moment ago");
        var identity = new System.Security.Claims.ClaimsIdentity("authsidecar");
        identity.SetClaim(Claims.Subject, accountId);
        await authorizations.CreateAsync(identity, accountId, (await applications.GetIdAsync(client, cancellation))!, AuthorizationTypes.Permanent, scopes, cancellation);
        await store.WriteAsync(
            Accounts.Sessions.ActorOf(accountId),
            transaction =>
            {
                transaction.Audit("consents.give", clientId, Placement.ControlPlane, before: null, string.Join(' ', scopes));
                return Task.FromResult<Refusal?>(null);
            },
            cancellation);
    }

    /// <summary>What scopes mean, to people.</summary>
    public static IReadOnlyList<string> Describe(ImmutableArray<string> scopes) => [.. scopes.Select(scope => scope switch
    {
        Scopes.OpenId => "who you are",
        Scopes.Profile => "your name",
        Scopes.Email => "your mail address",
        Scopes.OfflineAccess => "all of this also while you are away",
        _ => scope,
    }).Distinct()];

    /// <summary>What the client is called; null when there is none.</summary>
    public async Task<string?> NameOfAsync(string clientId, CancellationToken cancellation) =>
        await applications.FindByClientIdAsync(clientId, cancellation) is { } client ? await applications.GetDisplayNameAsync(client, cancellation) : null;

    /// <summary>Lets the forms of a page that leads back to a client end there, if it is where the client's browsers may go.</summary>
    public async Task AllowReturnAsync(HttpContext context, string returnUrl)
    {
        var (clientId, redirectUri) = (ReturnUrl.ParameterOf(returnUrl, Parameters.ClientId), ReturnUrl.ParameterOf(returnUrl, Parameters.RedirectUri));
        if (clientId.Length > 0 && Uri.TryCreate(redirectUri, UriKind.Absolute, out var uri)
            && await applications.FindByClientIdAsync(clientId, context.RequestAborted) is { } client && await applications.ValidateRedirectUriAsync(client, redirectUri, context.RequestAborted))
        {
            context.AllowFormsToEndAt(uri.GetLeftPart(UriPartial.Authority));
        }
    }
}
