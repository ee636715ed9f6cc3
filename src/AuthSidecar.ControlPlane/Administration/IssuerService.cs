using AuthSidecar.Cedar;
using AuthSidecar.ControlPlane.Identity;
using AuthSidecar.ControlPlane.Resources;
using AuthSidecar.ControlPlane.Store;
using AuthSidecar.ControlPlane.V1;
using Grpc.Core;
using Microsoft.EntityFrameworkCore;

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
        if (issuer.JwksUrl.Length > 0 && request.Jwks.Length > 0)
        {
            throw Failures.InvalidField("jwks", "the issuer publishes its keys at `jwks_url`: they are one or the other");
        }

        if (request.Jwks.Length > 0 || (issuer.JwksUrl.Length == 0 && issuer.IntrospectionUrl.Length == 0))
        {
            RequestChecks.KeySet(request.Jwks, "jwks");
        }

        var json = IssuerRecords.Write(issuer, request.Jwks);
        var result = await writer.WriteAsync(
            Caller.Of(context).Name,
            "issuers.write",
            key,
            _ => (new ResourceChange(json), null),
            RequestChecks.Expected(request.HasExpectedRevision, request.ExpectedRevision),
            context.CancellationToken,
            async store => await IssuerSetting.FindAsync(store, context.CancellationToken) == key.Key
                ? throw Failures.InvalidField("issuer.issuer", "it is the control plane itself, whose keys every sidecar has")
                : issuer.IntrospectionUrl.Length > 0 && await FindRivalAsync(store, key, issuer.OpaquePrefix, context.CancellationToken) is { } rival
                    ? throw Failures.InvalidField("issuer.opaque_prefix", $"what begins so could be of the issuer `{rival}` as well")
                    : null);
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

    /// <summary>Another issuer of the application whose opaque tokens could be taken for this one's; null: there is none.</summary>
    private static async Task<string?> FindRivalAsync(StoreContext store, ResourceKey key, string prefix, CancellationToken cancellation)
    {
        var others = await store.Resources.AsNoTracking().Where(r => r.Type == key.Type && r.Application == key.Placement.Application && r.Key != key.Key && !r.IsRemoved).ToListAsync(cancellation);
        return others.Find(r => ToMessage(r).Issuer is { IntrospectionUrl.Length: > 0 } other
            && (other.OpaquePrefix.StartsWith(prefix, StringComparison.Ordinal) || prefix.StartsWith(other.OpaquePrefix, StringComparison.Ordinal)))?.Key;
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

        Address(issuer.JwksUrl, "issuer.jwks_url");
        Address(issuer.IntrospectionUrl, "issuer.introspection_url");
        if (issuer.OpaquePrefix.Length > 0 && issuer.IntrospectionUrl.Length == 0)
        {
            throw Failures.InvalidField("issuer.opaque_prefix", "it goes with `introspection_url`");
        }

        if (issuer.Principal is { } principal && (principal.HasType ? principal.Parents.Values.Append(principal.Type) : principal.Parents.Values).FirstOrDefault(t => !EntityType.IsValid(t)) is { } wrong)
        {
            throw Failures.InvalidField("issuer.principal", $"`{wrong}` is not an entity type name");
        }

        if (issuer.Principal is { } mapping && mapping.Required.FirstOrDefault(c => !mapping.Parents.ContainsKey(c) && !mapping.Attributes.Values.Contains(c)) is { } unmapped)
        {
            throw Failures.InvalidField("issuer.principal.required", $"no attribute and no parent is taken from the claim `{unmapped}`");
        }

        return issuer;
    }

    private static void Address(string text, string field)
    {
        if (text.Length > 0 && !RequestChecks.IsHttps(text))
        {
            throw Failures.InvalidField(field, "it is an `https:` address");
        }
    }

    private static ConfiguredIssuer ToMessage(ResourceRow row)
    {
        var (issuer, jwks) = IssuerRecords.Read(row.Json);
        return new ConfiguredIssuer { Issuer = Issuer.Parser.ParseJson(issuer.ToJsonString()), Jwks = jwks?.ToJsonString() ?? "", Revision = (ulong)row.Revision };
    }
}
