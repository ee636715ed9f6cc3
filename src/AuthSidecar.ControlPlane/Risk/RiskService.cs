using AuthSidecar.ControlPlane.Entities;
using AuthSidecar.ControlPlane.V1;

namespace AuthSidecar.ControlPlane.Risk;

/// <summary>The risk settings' and profiles' side of the administration API.</summary>
internal sealed class RiskService(EntryWriter writer, ControlStore store) : V1.RiskService.RiskServiceBase
{
    private const string WriteProfile = "risk-profiles.write";
    private const string RemoveProfile = "risk-profiles.remove";

    public override async Task<WriteRiskSettingsResponse> WriteRiskSettings(WriteRiskSettingsRequest request, ServerCallContext context)
    {
        var given = RequestChecks.Required(request.Settings, "settings");
        var result = await writer.WriteAsync(
            Caller.Of(context).Name,
            "risk-settings.write",
            SettingsOf(request.Application),
            row =>
            {
                var json = RiskRecords.Write(
                    Patch.Apply(row is null ? null : V1.RiskSettings.Parser.ParseJson(row.Json), given, request.UpdateMask));
                RequestChecks.None(RiskRecords.FaultsOfSettings(json));
                return (new EntryChange(json), null);
            },
            RequestChecks.Expected(request.HasExpectedRevision, request.ExpectedRevision),
            context.CancellationToken);
        return new WriteRiskSettingsResponse { Revision = ApiErrors.Committed(result) };
    }

    public override async Task<GetRiskSettingsResponse> GetRiskSettings(GetRiskSettingsRequest request, ServerCallContext context)
    {
        var row = await writer.FindAsync(SettingsOf(request.Application), context.CancellationToken)
            ?? throw ApiErrors.NotFound($"risk settings of `{request.Application}`");
        return new GetRiskSettingsResponse
        {
            Settings = V1.RiskSettings.Parser.ParseJson(row.Json),
            Revision = store.At(row.Revision).ToString(),
        };
    }

    public override async Task<WriteRiskProfileResponse> WriteRiskProfile(WriteRiskProfileRequest request, ServerCallContext context)
    {
        var (caller, subject) = (Caller.Of(context), RequestChecks.Uid(request.Subject, "subject"));
        var given = RequestChecks.Required(request.Profile, "profile");
        var result = await writer.WriteAsync(
            caller.Name,
            WriteProfile,
            ProfileOf(subject, request.Application, request.Tenant),
            row =>
            {
                var json = RiskRecords.Write(
                    Patch.Apply(row is null ? null : V1.RiskProfile.Parser.ParseJson(row.Json), given, request.UpdateMask));
                RequestChecks.None(RiskRecords.FaultsOfProfile(subject, json));
                return (new EntryChange(json), null);
            },
            RequestChecks.Expected(request.HasExpectedRevision, request.ExpectedRevision),
            context.CancellationToken,
            SubjectAccess.Of(caller, WriteProfile, subject, request.Application, context.CancellationToken));
        return new WriteRiskProfileResponse { Revision = ApiErrors.Committed(result) };
    }

    public override async Task<RemoveRiskProfileResponse> RemoveRiskProfile(RemoveRiskProfileRequest request, ServerCallContext context)
    {
        var (caller, subject) = (Caller.Of(context), RequestChecks.Uid(request.Subject, "subject"));
        var result = await writer.RemoveAsync(
            caller.Name,
            RemoveProfile,
            ProfileOf(subject, request.Application, request.Tenant),
            $"risk profile of {subject}",
            expectedRevision: null,
            context.CancellationToken,
            SubjectAccess.Of(caller, RemoveProfile, subject, request.Application, context.CancellationToken));
        return new RemoveRiskProfileResponse { Revision = ApiErrors.Committed(result) };
    }

    private static EntryKey SettingsOf(string application) =>
        new(DataType.Risk, RiskData.SettingsKey, new Placement(RequestChecks.Name(application, "application"), ""));

    private static EntryKey ProfileOf(EntityUid subject, string application, string tenant) =>
        new(DataType.Risk, subject.ToString(), RequestChecks.Placement(application, tenant));
}
