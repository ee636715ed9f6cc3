using System.Collections.Immutable;
using AuthSidecar.ControlPlane.Identity.Sessions;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.WebUtilities;

namespace AuthSidecar.ControlPlane.Identity.Pages;

/// <summary>What accounts have allowed clients, kept by OpenIddict; but what a client that any program can pass itself off as was allowed
/// is good for the one request that carries a note of it (RFC 8252, section 8.6).</summary>
internal sealed class Consents(IOpenIddictApplicationManager applications, IOpenIddictAuthorizationManager authorizations,
    ControlStore store, IDataProtectionProvider protection)
{
    /// <summary>The parameter of a request that has the note.</summary>
    public const string Parameter = "consent_note";

    private static readonly TimeSpan NoteLifetime = TimeSpan.FromMinutes(1);

    private readonly ITimeLimitedDataProtector _notes = protection.CreateProtector("authorize.consent").ToTimeLimitedDataProtector();

    /// <summary>Whether the user is to be asked before the client gets what this request asks for.</summary>
    public async Task<bool> IsMissingAsync(OpenIddictRequest request, SessionRow session, CancellationToken cancellation)
    {
        if (IsGivenFor(request, session))
            return false;

        if (request.HasPromptValue(PromptValues.Consent))
            return true;

        var client = await FindAsync(request.ClientId!, cancellation);
        if (!await applications.HasConsentTypeAsync(client, ConsentTypes.Explicit, cancellation))
            return await applications.HasConsentTypeAsync(client, ConsentTypes.Systematic, cancellation);

        var id = await applications.GetIdAsync(client, cancellation);
        await foreach (var _ in authorizations.FindAsync(
            session.AccountId, id, Statuses.Valid, AuthorizationTypes.Permanent, request.GetScopes(), cancellation))
        {
            return false;
        }

        return true;
    }

    /// <returns>The request's address with a note of the consent.</returns>
    public async Task<string> GiveAsync(
        SessionRow session, string returnUrl, string clientId, ImmutableArray<string> scopes, CancellationToken cancellation)
    {
        var (accountId, client) = (session.AccountId, await FindAsync(clientId, cancellation));
        if (await applications.HasConsentTypeAsync(client, ConsentTypes.Explicit, cancellation))
        {
            var identity = new System.Security.Claims.ClaimsIdentity("authsidecar");
            identity.SetClaim(Claims.Subject, accountId);
            await authorizations.CreateAsync(identity, accountId, (await applications.GetIdAsync(client, cancellation))!,
                AuthorizationTypes.Permanent, scopes, cancellation);
        }

        await store.WriteAsync(
            SessionStore.ActorOf(accountId),
            transaction =>
            {
                transaction.Audit("consents.give", clientId, Placement.ControlPlane, before: null, string.Join(' ', scopes));
                return Task.FromResult<Refusal?>(null);
            },
            cancellation);
        return QueryHelpers.AddQueryString(returnUrl, Parameter,
            _notes.Protect($"{session.Id} {ReturnUrl.DigestOf(name => ReturnUrl.ParameterOf(returnUrl, name))}", NoteLifetime));
    }

    /// <summary>Whether the user of this session was asked for this very request, a moment ago.</summary>
    private bool IsGivenFor(OpenIddictRequest request, SessionRow session)
    {
        try
        {
            return (string?)request.GetParameter(Parameter) is { } note
                && _notes.Unprotect(note) == $"{session.Id} {ReturnUrl.DigestOf(name => (string?)request.GetParameter(name))}";
        }
        catch (CryptographicException)
        {
            return false;
        }
    }

    private async Task<object> FindAsync(string clientId, CancellationToken cancellation) =>
        await applications.FindByClientIdAsync(clientId, cancellation)
            ?? throw new InvalidOperationException("the client was known a moment ago");

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
        await applications.FindByClientIdAsync(clientId, cancellation) is { } client
            ? await applications.GetDisplayNameAsync(client, cancellation) : null;

    /// <summary>Lets the forms of a page that leads back to a client end there, if it is where the client's browsers may go.</summary>
    public async Task AllowReturnAsync(HttpContext context, string returnUrl)
    {
        var (clientId, redirectUri) = (ReturnUrl.ParameterOf(returnUrl, Parameters.ClientId),
            ReturnUrl.ParameterOf(returnUrl, Parameters.RedirectUri));
        if (clientId.Length > 0 && Uri.TryCreate(redirectUri, UriKind.Absolute, out var uri)
            && await applications.FindByClientIdAsync(clientId, context.RequestAborted) is { } client
            && await applications.ValidateRedirectUriAsync(client, redirectUri, context.RequestAborted))
        {
            context.AllowFormsToEndAt(uri.GetLeftPart(UriPartial.Authority));
        }
    }
}
