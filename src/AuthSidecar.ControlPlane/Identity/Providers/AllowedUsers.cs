using System.Net.Http.Headers;
using AuthSidecar.ControlPlane.V1;

namespace AuthSidecar.ControlPlane.Identity.Providers;

/// <summary>Which users of a provider may sign in: those in <see cref="IdentityProvider.AllowedEmailDomains"/> and <see
/// cref="IdentityProvider.AllowedOrganizations"/>. Tokens say it, except of GitHub, whose API is asked with the user's access
/// token.</summary>
internal sealed class AllowedUsers(HttpClient github)
{
    /// <summary>Why a user may not sign in; null: the user may.</summary>
    /// <param name="identity">Who they are there.</param>
    /// <param name="accessToken">What its API is asked with.</param>
    public async Task<string?> FindRefusalAsync(
        IdentityProvider provider, ProviderIdentity identity, string? accessToken, CancellationToken cancellation)
    {
        var (domains, organizations) = (provider.AllowedEmailDomains, provider.AllowedOrganizations);
        if (domains.Count == 0 && organizations.Count == 0)
            return null;

        try
        {
            var emails = domains.Count == 0 ? [] : provider.Kind == IdentityProviderKind.Github
                ? await VerifiedEmailsAsync(accessToken, cancellation) : identity.IsEmailVerified ? [identity.Email] : [];
            if (domains.Count > 0 && !emails.Any(e => domains.Contains(e[(e.LastIndexOf('@') + 1)..], StringComparer.OrdinalIgnoreCase)))
                return "no verified mail address in allowed_email_domains";

            var isMember = organizations.Count == 0
                || (provider.Kind == IdentityProviderKind.Github ? await IsMemberOfAnyAsync(organizations, accessToken, cancellation)
                    : organizations.Contains(identity.Organization, StringComparer.OrdinalIgnoreCase));
            return isMember ? null : "not a member of allowed_organizations";
        }
        catch (Exception e) when (e is HttpRequestException or JsonException or InvalidOperationException or KeyNotFoundException
            || (e is OperationCanceledException && !cancellation.IsCancellationRequested))
        {
            return $"request to {github.BaseAddress!.Host} failed: {e.GetBaseException().Message}";
        }
    }

    private async Task<IReadOnlyList<string>> VerifiedEmailsAsync(string? accessToken, CancellationToken cancellation)
    {
        using var answer = await AskAsync("/user/emails?per_page=100", accessToken, cancellation);
        return answer is null
            ? throw new HttpRequestException("HTTP status 403 or 404: missing permission to read mail addresses")
            : [.. answer.RootElement.EnumerateArray().Where(
                e => e.GetProperty("verified").GetBoolean()).Select(e => e.GetProperty("email").GetString() ?? "")];
    }

    /// <summary>A membership that was offered and not accepted yet is none.</summary>
    private async Task<bool> IsMemberOfAnyAsync(IEnumerable<string> organizations, string? accessToken, CancellationToken cancellation)
    {
        foreach (var organization in organizations)
        {
            using var answer = await AskAsync($"/user/memberships/orgs/{Uri.EscapeDataString(organization)}", accessToken, cancellation);
            if (answer?.RootElement.GetProperty("state").GetString() == "active")
                return true;
        }

        return false;
    }

    /// <summary>What the API says; null: there is no such thing (404), or the organisation does not let this application see it
    /// (403).</summary>
    private async Task<JsonDocument?> AskAsync(string path, string? accessToken, CancellationToken cancellation)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", accessToken);
        using var response = await github.SendAsync(request, cancellation);
        return response.StatusCode is HttpStatusCode.NotFound or HttpStatusCode.Forbidden
            ? null
            : await JsonDocument.ParseAsync(
                await response.EnsureSuccessStatusCode().Content.ReadAsStreamAsync(cancellation), cancellationToken: cancellation);
    }
}
