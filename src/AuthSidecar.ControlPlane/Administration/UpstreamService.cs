using AuthSidecar.ControlPlane.Hosting;
using AuthSidecar.ControlPlane.Secrets;
using AuthSidecar.ControlPlane.Store;
using AuthSidecar.ControlPlane.Upstreams;
using AuthSidecar.ControlPlane.V1;
using Grpc.Core;

namespace AuthSidecar.ControlPlane.Administration;

/// <summary>The upstream providers' side of the administration API.</summary>
internal sealed class UpstreamService(ControlStore store, SecretStore secrets, ServeOptions options) : V1.UpstreamService.UpstreamServiceBase
{
    private const int MaxIdLength = 64;
    private const int MaxSecretLength = 1_000;
    private const int MaxListed = 32;
    private const int MaxGitHubNameLength = 39;

    public override async Task<WriteUpstreamResponse> WriteUpstream(WriteUpstreamRequest request, ServerCallContext context)
    {
        var given = RequestChecks.Required(request.Upstream, "upstream");
        var id = Id(given.Id, "upstream.id");
        if (request.HasClientSecret && request.ClientSecret.Length is 0 or > MaxSecretLength)
        {
            throw Failures.InvalidField("client_secret", $"it has 1 to {MaxSecretLength} characters");
        }

        var result = await store.WriteAsync(
            Caller.Of(context).Name,
            transaction => UpstreamRecords.WriteAsync(
                transaction,
                id,
                before => Check(Patch.Apply(before, given, request.UpdateMask)),
                request.HasClientSecret ? request.ClientSecret : null,
                RequestChecks.Expected(request.HasExpectedRevision, request.ExpectedRevision),
                secrets,
                context.CancellationToken),
            context.CancellationToken);
        return new WriteUpstreamResponse { Revision = Failures.Committed(result) };
    }

    public override async Task<RemoveUpstreamResponse> RemoveUpstream(RemoveUpstreamRequest request, ServerCallContext context)
    {
        var id = Id(request.Id, "id");
        var result = await store.WriteAsync(
            Caller.Of(context).Name,
            async transaction => await UpstreamRecords.TryRemoveAsync(transaction, id, context.CancellationToken) ? null : new Refusal.NotFound($"upstream provider `{id}`"),
            context.CancellationToken);
        return new RemoveUpstreamResponse { Revision = Failures.Committed(result) };
    }

    public override async Task<ListUpstreamsResponse> ListUpstreams(ListUpstreamsRequest request, ServerCallContext context)
    {
        var rows = await store.ReadAsync((read, _) => UpstreamRecords.ListAsync(read, context.CancellationToken), context.CancellationToken);
        return new ListUpstreamsResponse { Upstreams = { rows.Select(ToMessage) } };
    }

    private Upstream ToMessage(UpstreamRow row)
    {
        var upstream = UpstreamRecords.Read(row);
        upstream.RedirectUri = options.Url is { } url ? new Uri(url, UpstreamKinds.CallbackPathOf(upstream.Id)).AbsoluteUri : "";
        upstream.Revision = row.Revision == 0 ? "" : store.At(row.Revision).ToString();
        return upstream;
    }

    private static Upstream Check(Upstream upstream)
    {
        var kind = upstream.Kind;
        if (kind == UpstreamKind.Unspecified || !Enum.IsDefined(kind))
        {
            throw Failures.InvalidField("upstream.kind", "it is one of those there are");
        }

        if (kind == UpstreamKind.OpenidConnect ? !IsIssuer(upstream.Issuer) : upstream.Issuer.Length > 0)
        {
            throw Failures.InvalidField("upstream.issuer", "it is an `https:` address without query and fragment, for OPENID_CONNECT, and otherwise known");
        }

        if (kind == UpstreamKind.Microsoft ? !IsTenant(upstream.Tenant) : upstream.Tenant.Length > 0)
        {
            throw Failures.InvalidField("upstream.tenant", "it is a UUID, `organizations`, `consumers` or `common`, for MICROSOFT alone");
        }

        if (upstream.EndpointHosts.Count > (kind == UpstreamKind.OpenidConnect ? MaxListed : 0) || upstream.EndpointHosts.Any(h => Uri.CheckHostName(h) == UriHostNameType.Unknown))
        {
            throw Failures.InvalidField("upstream.endpoint_hosts", $"each of at most {MaxListed} is the name of a host, for OPENID_CONNECT alone");
        }

        RequestChecks.Text(upstream.ClientId, "upstream.client_id");
        if (upstream.Scopes.Count > MaxListed || !upstream.Scopes.All(RequestChecks.IsScope))
        {
            throw Failures.InvalidField("upstream.scopes", $"each of at most {MaxListed} is a word of printable ASCII characters without quotes");
        }

        CheckAllowed(upstream);
        (upstream.RedirectUri, upstream.Revision) = ("", "");
        if (upstream.HasDisplayName && RequestChecks.Text(upstream.DisplayName, "upstream.display_name") == UpstreamKinds.NameOf(upstream))
        {
            // As it is called anyway: it follows the issuer.
            upstream.ClearDisplayName();
        }

        return upstream;
    }

    /// <summary>Refuses limits that this kind of provider cannot enforce.</summary>
    private static void CheckAllowed(Upstream upstream)
    {
        const string Domains = "upstream.allowed_email_domains";
        const string Organizations = "upstream.allowed_organizations";
        if (upstream.AllowedEmailDomains.Count > 0 && upstream.Kind == UpstreamKind.Microsoft)
        {
            throw Failures.InvalidField(Domains, "not supported for MICROSOFT, whose mail addresses are not verified: use allowed_organizations");
        }

        if (upstream.AllowedEmailDomains.Count > MaxListed || !upstream.AllowedEmailDomains.All(IsDomain))
        {
            throw Failures.InvalidField(Domains, $"expected at most {MaxListed} domain names such as `example.com`, in ASCII, without `@` or wildcards");
        }

        if (upstream.AllowedOrganizations.Count == 0)
        {
            return;
        }

        var (isEach, what) = upstream.Kind switch
        {
            UpstreamKind.Google => ((Func<string, bool>)IsDomain, "domains of Google Workspace organisations"),
            UpstreamKind.Github => (o => o.Length <= MaxGitHubNameLength && o.All(c => char.IsAsciiLetterOrDigit(c) || c == '-') && !o.StartsWith('-'), "names of GitHub organisations"),
            UpstreamKind.Microsoft when upstream.Tenant is "organizations" or "common" => (o => IsTenant(o) && !UpstreamKinds.MicrosoftGroups.Contains(o), "tenant UUIDs"),
            UpstreamKind.Microsoft => throw Failures.InvalidField(Organizations, "only supported with tenant `organizations` or `common`"),
            _ => throw Failures.InvalidField(Organizations, "not supported for OPENID_CONNECT: there is no standard claim"),
        };
        if (upstream.AllowedOrganizations.Count > MaxListed || upstream.AllowedOrganizations.Any(o => o.Length == 0 || !isEach(o)))
        {
            throw Failures.InvalidField(Organizations, $"expected at most {MaxListed} {what}");
        }
    }

    private static bool IsDomain(string text) => Uri.CheckHostName(text) == UriHostNameType.Dns && text.All(char.IsAscii) && text.Contains('.') && !text.EndsWith('.');

    /// <summary>An id that stands in an address.</summary>
    private static string Id(string value, string field) => value.Length is > 0 and <= MaxIdLength && value.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '-') && value[0] != '-'
        ? value
        : throw Failures.InvalidField(field, $"it has 1 to {MaxIdLength} lower-case letters, digits or `-`, and does not begin with that");

    /// <summary>An issuer as OpenID Connect Discovery 1.0 has it (section 4.3): without a query.</summary>
    private static bool IsIssuer(string text) => RequestChecks.IsHttps(text) && new Uri(text) is { Query.Length: 0 } uri && uri.IsWellFormedOriginalString();

    private static bool IsTenant(string text) => UpstreamKinds.MicrosoftGroups.Contains(text) || (Guid.TryParseExact(text, "D", out _) && !text.Any(char.IsAsciiLetterUpper));
}
