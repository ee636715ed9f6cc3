using AuthSidecar.ControlPlane.Identity.Providers;
using AuthSidecar.ControlPlane.V1;

namespace AuthSidecar.ControlPlane.Identity.Management;

/// <summary>The identity providers' side of the administration API.</summary>
internal sealed class ProviderService(
    ControlStore store, SecretStore secrets, IdentityServerOptions options) : V1.IdentityProviderService.IdentityProviderServiceBase
{
    private const int MaxIdLength = 64;
    private const int MaxSecretLength = 1_000;
    private const int MaxListed = 32;
    private const int MaxGitHubNameLength = 39;

    public override async Task<WriteIdentityProviderResponse> WriteIdentityProvider(
        WriteIdentityProviderRequest request, ServerCallContext context)
    {
        var given = RequestChecks.Required(request.IdentityProvider, "provider");
        var id = Id(given.Id, "identity_provider.id");
        if (request.HasClientSecret && request.ClientSecret.Length is 0 or > MaxSecretLength)
            throw ApiErrors.InvalidField("client_secret", $"must have 1 to {MaxSecretLength} characters");

        var result = await store.WriteAsync(
            Caller.Of(context).Name,
            transaction => ProviderRecords.WriteAsync(
                transaction,
                id,
                before => Check(Patch.Apply(before, given, request.UpdateMask)),
                request.HasClientSecret ? request.ClientSecret : null,
                RequestChecks.Expected(request.HasExpectedRevision, request.ExpectedRevision),
                secrets,
                context.CancellationToken),
            context.CancellationToken);
        return new WriteIdentityProviderResponse { Revision = ApiErrors.Committed(result) };
    }

    public override async Task<RemoveIdentityProviderResponse> RemoveIdentityProvider(
        RemoveIdentityProviderRequest request, ServerCallContext context)
    {
        var id = Id(request.Id, "id");
        var result = await store.WriteAsync(
            Caller.Of(context).Name,
            async transaction => await ProviderRecords.TryRemoveAsync(transaction, id, context.CancellationToken) ? null
                : new Refusal.NotFound($"identity provider `{id}`"),
            context.CancellationToken);
        return new RemoveIdentityProviderResponse { Revision = ApiErrors.Committed(result) };
    }

    public override async Task<ListIdentityProvidersResponse> ListIdentityProviders(
        ListIdentityProvidersRequest request, ServerCallContext context)
    {
        var rows = await store.ReadAsync(
            (read, _) => ProviderRecords.ListAsync(read, context.CancellationToken), context.CancellationToken);
        return new ListIdentityProvidersResponse { IdentityProviders = { rows.Select(ToMessage) } };
    }

    private IdentityProvider ToMessage(ProviderRow row)
    {
        var provider = ProviderRecords.Read(row);
        provider.RedirectUri = options.Url is { } url ? new Uri(url, ProviderKinds.CallbackPathOf(provider.Id)).AbsoluteUri : "";
        provider.Revision = row.Revision == 0 ? "" : store.At(row.Revision).ToString();
        return provider;
    }

    private static IdentityProvider Check(IdentityProvider provider)
    {
        var kind = provider.Kind;
        if (kind == IdentityProviderKind.Unspecified || !Enum.IsDefined(kind))
        {
            throw ApiErrors.InvalidField("identity_provider.kind",
                "must be one of IDENTITY_PROVIDER_KIND_OPENID_CONNECT, _GOOGLE, _GITHUB and _MICROSOFT");
        }

        if (kind == IdentityProviderKind.OpenidConnect ? !IsIssuer(provider.Issuer) : provider.Issuer.Length > 0)
        {
            throw ApiErrors.InvalidField("identity_provider.issuer",
                "must be an `https:` URL without query and fragment for OPENID_CONNECT, and empty for all other kinds");
        }

        if (kind == IdentityProviderKind.Microsoft ? !IsTenant(provider.Tenant) : provider.Tenant.Length > 0)
        {
            throw ApiErrors.InvalidField(
                "identity_provider.tenant",
                "must be a lower-case UUID, `organizations`, `consumers` or `common` for MICROSOFT, and empty for all other kinds");
        }

        if (provider.EndpointHosts.Count > (kind == IdentityProviderKind.OpenidConnect ? MaxListed : 0)
            || provider.EndpointHosts.Any(h => Uri.CheckHostName(h) == UriHostNameType.Unknown))
        {
            throw ApiErrors.InvalidField(
                "identity_provider.endpoint_hosts", $"expected at most {MaxListed} host names, for OPENID_CONNECT only");
        }

        RequestChecks.Text(provider.ClientId, "identity_provider.client_id");
        if (!provider.Scopes.All(RequestChecks.IsScope))
            throw ApiErrors.InvalidField("identity_provider.scopes", RequestChecks.ScopeForm);

        if (provider.Scopes.Count > MaxListed)
            throw ApiErrors.InvalidField("identity_provider.scopes", $"must have at most {MaxListed} elements");

        CheckAllowed(provider);
        (provider.RedirectUri, provider.Revision) = ("", "");
        if (provider.HasDisplayName
            && RequestChecks.Text(provider.DisplayName, "identity_provider.display_name") == ProviderKinds.NameOf(provider))
        {
            // As it is called anyway: it follows the issuer.
            provider.ClearDisplayName();
        }

        return provider;
    }

    /// <summary>Refuses limits that this kind of provider cannot enforce.</summary>
    private static void CheckAllowed(IdentityProvider provider)
    {
        const string Domains = "identity_provider.allowed_email_domains";
        const string Organizations = "identity_provider.allowed_organizations";
        if (provider.AllowedEmailDomains.Count > 0 && provider.Kind == IdentityProviderKind.Microsoft)
        {
            throw ApiErrors.InvalidField(
                Domains, "not supported for MICROSOFT, whose mail addresses are not verified: use allowed_organizations");
        }

        if (provider.AllowedEmailDomains.Count > MaxListed || !provider.AllowedEmailDomains.All(IsDomain))
        {
            throw ApiErrors.InvalidField(
                Domains, $"expected at most {MaxListed} domain names such as `example.com`, in ASCII, without `@` or wildcards");
        }

        if (provider.AllowedOrganizations.Count == 0)
            return;

        var (isEach, what) = provider.Kind switch
        {
            IdentityProviderKind.Google => ((Func<string, bool>)IsDomain, "domains of Google Workspace organisations"),
            IdentityProviderKind.Github => (o => o.Length <= MaxGitHubNameLength && o.All(c => char.IsAsciiLetterOrDigit(c) || c == '-')
                && !o.StartsWith('-'), "names of GitHub organisations"),
            IdentityProviderKind.Microsoft when provider.Tenant is "organizations" or "common" =>
                (o => IsTenant(o) && !ProviderKinds.MicrosoftGroups.Contains(o), "tenant UUIDs"),
            IdentityProviderKind.Microsoft => throw ApiErrors.InvalidField(
                Organizations, "only supported with tenant `organizations` or `common`"),
            _ => throw ApiErrors.InvalidField(Organizations, "not supported for OPENID_CONNECT: no standard claim exists"),
        };
        if (provider.AllowedOrganizations.Count > MaxListed || provider.AllowedOrganizations.Any(o => o.Length == 0 || !isEach(o)))
            throw ApiErrors.InvalidField(Organizations, $"expected at most {MaxListed} {what}");
    }

    private static bool IsDomain(string text) => Uri.CheckHostName(text) == UriHostNameType.Dns && text.All(char.IsAscii)
        && text.Contains('.') && !text.EndsWith('.');

    /// <summary>An id that stands in an address.</summary>
    private static string Id(string value, string field) => value.Length is > 0 and <= MaxIdLength
        && value.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '-') && value[0] != '-'
        ? value
        : throw ApiErrors.InvalidField(field, $"must have 1 to {MaxIdLength} lower-case letters, digits or `-`, and not begin with `-`");

    /// <summary>An issuer as OpenID Connect Discovery 1.0 has it (section 4.3): without a query.</summary>
    private static bool IsIssuer(string text) => RequestChecks.IsHttps(text) && new Uri(text) is { Query.Length: 0 } uri
        && uri.IsWellFormedOriginalString();

    private static bool IsTenant(string text) => ProviderKinds.MicrosoftGroups.Contains(text)
        || (Guid.TryParseExact(text, "D", out _) && !text.Any(char.IsAsciiLetterUpper));
}
