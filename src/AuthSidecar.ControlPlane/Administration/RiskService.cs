using AuthSidecar.ControlPlane.Directory;
using AuthSidecar.ControlPlane.Resources;
using AuthSidecar.ControlPlane.V1;
using Grpc.Core;

namespace AuthSidecar.ControlPlane.Administration;

/// <summary>The risk settings' and profiles' side of the administration API.</summary>
internal sealed class RiskService(ResourceWriter writer) : V1.RiskService.RiskServiceBase
{
    public override async Task<WriteRiskSettingsResponse> WriteRiskSettings(WriteRiskSettingsRequest request, ServerCallContext context)
    {
        var settings = RequestChecks.Required(request.Settings, "settings");
        RequestChecks.None(RiskChecks.Check(settings));
        var json = ResourceDocuments.Json.Format(settings);
        var result = await writer.WriteAsync(
            Caller.Of(context).Name,
            "risk-settings.write",
            SettingsOf(request.Application),
            _ => (new ResourceChange(json, json), null),
            RequestChecks.Expected(request.HasExpectedRevision, request.ExpectedRevision),
            context.CancellationToken);
        return new WriteRiskSettingsResponse { Revision = Failures.Committed(result) };
    }

    public override async Task<GetRiskSettingsResponse> GetRiskSettings(GetRiskSettingsRequest request, ServerCallContext context)
    {
        var row = await writer.FindAsync(SettingsOf(request.Application), context.CancellationToken) ?? throw Failures.NotFound($"risk settings of `{request.Application}`");
        return new GetRiskSettingsResponse { Settings = RiskSettings.Parser.ParseJson(row.Json), Revision = (ulong)row.Revision };
    }

    public override async Task<WriteRiskProfileResponse> WriteRiskProfile(WriteRiskProfileRequest request, ServerCallContext context)
    {
        var profile = RequestChecks.Required(request.Profile, "profile");
        RequestChecks.None(RiskChecks.Check(profile));
        var json = ResourceDocuments.Json.Format(profile);
        var result = await writer.WriteAsync(
            Caller.Of(context).Name,
            "risk-profiles.write",
            ProfileOf(request.Subject, request.Application, request.Tenant),
            _ => (new ResourceChange(json, json), null),
            expectedRevision: null,
            context.CancellationToken);
        return new WriteRiskProfileResponse { Revision = Failures.Committed(result) };
    }

    public override async Task<RemoveRiskProfileResponse> RemoveRiskProfile(RemoveRiskProfileRequest request, ServerCallContext context)
    {
        var result = await writer.RemoveAsync(
            Caller.Of(context).Name,
            "risk-profiles.remove",
            ProfileOf(request.Subject, request.Application, request.Tenant),
            $"risk profile of {request.Subject}",
            expectedRevision: null,
            context.CancellationToken);
        return new RemoveRiskProfileResponse { Revision = Failures.Committed(result) };
    }

    private static ResourceKey SettingsOf(string application) =>
        new(ResourceType.Risk, ResourceDocuments.RiskSettings, new Placement(RequestChecks.Name(application, "application"), ""));

    private static ResourceKey ProfileOf(string subject, string application, string tenant) =>
        new(ResourceType.Risk, RequestChecks.Uid(subject, "subject").ToString(), RequestChecks.Placement(application, tenant));
}
