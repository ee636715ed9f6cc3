using AuthSidecar.Cedar;
using AuthSidecar.ControlPlane.Identity;
using AuthSidecar.ControlPlane.Resources;
using AuthSidecar.ControlPlane.Store;
using AuthSidecar.ControlPlane.V1;
using Grpc.Core;

namespace AuthSidecar.ControlPlane.Administration;

/// <summary>The issuers' side of the administration API.</summary>
internal sealed class IssuerService(ResourceWriter writer) : V1.IssuerService.IssuerServiceBase
{
    private const string AccessToken = "at+jwt";
    private const int MaxClockSkewSeconds = 60;

    public override async Task<WriteIssuerResponse> WriteIssuer(WriteIssuerRequest request, ServerCallContext context)
    {
        var key = KeyOf(request.Application, RequestChecks.Required(request.Issuer, "issuer").Issuer_, "issuer.issuer");
        var issuer = Check(request.Issuer.Clone());
        if (issuer.JwksUrl.Length == 0)
        {
            RequestChecks.KeySet(request.Jwks, "jwks");
        }
        else if (request.Jwks.Length > 0)
        {
            throw Failures.InvalidField("jwks", "the issuer publishes its keys at `jwks_url`: they are one or the other");
        }

        var json = IssuerRecords.Write(issuer, request.Jwks);
        var result = await writer.WriteAsync(
            Caller.Of(context).Name,
            "issuers.write",
            key,
            _ => (new ResourceChange(json), null),
            RequestChecks.Expected(request.HasExpectedRevision, request.ExpectedRevision),
            context.CancellationToken,
            async store => await IssuerSetting.FindAsync(store, context.CancellationToken) != key.Key
                ? null
                : throw Failures.InvalidField("issuer.issuer", "it is the control plane itself, whose keys every sidecar has"));
        return new WriteIssuerResponse { Revision = Failures.Committed(result) };
    }

    public override async Task<RemoveIssuerResponse> RemoveIssuer(RemoveIssuerRequest request, ServerCallContext context)
    {
        var result = await writer.RemoveAsync(
            Caller.Of(context).Name,
            "issuers.remove",
            KeyOf(request.Application, request.Issuer, "issuer"),
            $"issuer `{request.Issuer}`",
            RequestChecks.Expected(request.HasExpectedRevision, request.ExpectedRevision),
            context.CancellationToken);
        return new RemoveIssuerResponse { Revision = Failures.Committed(result) };
    }

    public override async Task<ListIssuersResponse> ListIssuers(ListIssuersRequest request, ServerCallContext context)
    {
        var application = RequestChecks.Name(request.Application, "application");
        var rows = await writer.ListAsync(all => all.Where(r => r.Type == ResourceType.Keys && r.Application == application).OrderBy(r => r.Key), context.CancellationToken);
        return new ListIssuersResponse { Issuers = { rows.Select(ToMessage) } };
    }

    private static ResourceKey KeyOf(string application, string issuer, string field) =>
        new(ResourceType.Keys, RequestChecks.Text(issuer, field), new Placement(RequestChecks.Name(application, "application"), ""));

    private static Issuer Check(Issuer issuer)
    {
        if (issuer.Audiences.Count == 0 || issuer.Audiences.Any(string.IsNullOrEmpty))
        {
            throw Failures.InvalidField("issuer.audiences", "it names nobody: a token for anyone would do");
        }

        if (issuer.Types_.Count == 0)
        {
            issuer.Types_.Add(AccessToken);
        }

        if (issuer.Types_.Any(string.IsNullOrEmpty))
        {
            throw Failures.InvalidField("issuer.types", "a type has a name");
        }

        if (issuer.HasClockSkewSeconds && issuer.ClockSkewSeconds is < 0 or > MaxClockSkewSeconds)
        {
            throw Failures.InvalidField("issuer.clock_skew_seconds", $"it is 0 to {MaxClockSkewSeconds}");
        }

        if (issuer.JwksUrl.Length > 0 && !(Uri.TryCreate(issuer.JwksUrl, UriKind.Absolute, out var url) && url.Scheme == Uri.UriSchemeHttps && url.UserInfo.Length == 0 && url.Fragment.Length == 0))
        {
            throw Failures.InvalidField("issuer.jwks_url", "it is an `https:` address");
        }

        if (issuer.Principal is { } principal && (principal.HasType ? principal.Parents.Values.Append(principal.Type) : principal.Parents.Values).FirstOrDefault(t => !EntityType.IsValid(t)) is { } wrong)
        {
            throw Failures.InvalidField("issuer.principal", $"`{wrong}` is not an entity type name");
        }

        return issuer;
    }

    private static ConfiguredIssuer ToMessage(ResourceRow row)
    {
        var (issuer, jwks) = IssuerRecords.Read(row.Json);
        return new ConfiguredIssuer { Issuer = Issuer.Parser.ParseJson(issuer.ToJsonString()), Jwks = jwks?.ToJsonString() ?? "", Revision = (ulong)row.Revision };
    }
}
