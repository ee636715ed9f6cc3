using AuthSidecar.Cedar;
using AuthSidecar.ControlPlane.Resources;
using AuthSidecar.ControlPlane.Secrets;
using AuthSidecar.ControlPlane.Store;
using AuthSidecar.ControlPlane.V1;
using Grpc.Core;

namespace AuthSidecar.ControlPlane.Administration;

/// <summary>The second factors' side of the administration API.</summary>
internal sealed class FactorService(ResourceWriter writer, SecretStore secrets) : V1.FactorService.FactorServiceBase
{
    public override async Task<EnrolTotpResponse> EnrolTotp(EnrolTotpRequest request, ServerCallContext context)
    {
        var subject = RequestChecks.Uid(request.Subject, "subject");
        var (factor, uri) = FactorRecords.NewTotp(
            subject,
            RequestChecks.Name(request.FactorId, "factor_id"),
            RequestChecks.TextOr(request.Account, "account", subject.Id),
            RequestChecks.TextOr(request.Service, "service", "AuthSidecar"),
            secrets.FactorWrappingKey);
        var result = await ChangeAsync(
            context,
            "factors.enrol",
            subject,
            RequestChecks.Placement(request.Application, request.Tenant),
            factors => factors.Exists(f => f.Id == factor.Id) ? (null, new Refusal.AlreadyThere($"factor `{factor.Id}` of {subject}")) : ([.. factors, factor], null));
        return new EnrolTotpResponse { OtpauthUri = uri, Revision = Failures.Committed(result) };
    }

    public override async Task<EnrolBackupCodesResponse> EnrolBackupCodes(EnrolBackupCodesRequest request, ServerCallContext context)
    {
        var subject = RequestChecks.Uid(request.Subject, "subject");
        var (factor, codes) = FactorRecords.NewBackupCodes(subject, RequestChecks.Name(request.FactorId, "factor_id"));
        var result = await ChangeAsync(
            context,
            "factors.enrol",
            subject,
            RequestChecks.Placement(request.Application, request.Tenant),
            factors => factors.Exists(f => f.Id == factor.Id && f.Kind != factor.Kind)
                ? (null, new Refusal.AlreadyThere($"factor `{factor.Id}` of another kind"))
                : ([.. factors.Where(f => f.Id != factor.Id), factor], null));
        return new EnrolBackupCodesResponse { Codes = { codes }, Revision = Failures.Committed(result) };
    }

    public override async Task<RemoveFactorResponse> RemoveFactor(RemoveFactorRequest request, ServerCallContext context)
    {
        var subject = RequestChecks.Uid(request.Subject, "subject");
        var result = await ChangeAsync(
            context,
            "factors.remove",
            subject,
            RequestChecks.Placement(request.Application, request.Tenant),
            factors => factors.Exists(f => f.Id == request.FactorId)
                ? ([.. factors.Where(f => f.Id != request.FactorId)], null)
                : (null, new Refusal.NotFound($"factor `{request.FactorId}` of {subject}")));
        return new RemoveFactorResponse { Revision = Failures.Committed(result) };
    }

    public override async Task<ListFactorsResponse> ListFactors(ListFactorsRequest request, ServerCallContext context)
    {
        var subject = RequestChecks.Uid(request.Subject, "subject").ToString();
        var rows = await writer.ListAsync(all => all.Where(r => r.Type == ResourceType.Factors && r.Key == subject).OrderBy(r => r.Application).ThenBy(r => r.Tenant), context.CancellationToken);
        var caller = Caller.Of(context);
        return new ListFactorsResponse
        {
            Factors = { rows.Where(r => caller.May("factors.read", new Placement(r.Application, r.Tenant))).SelectMany(r => FactorRecords.Read(r.Json).Select(f => new EnrolledFactor { FactorId = f.Id, Kind = f.Kind, Application = r.Application, Tenant = r.Tenant })) },
        };
    }

    /// <summary>Changes the factors of a subject.</summary>
    private Task<WriteResult> ChangeAsync(
        ServerCallContext context, string action, EntityUid subject, Placement placement, Func<List<FactorRecord>, (List<FactorRecord>? Factors, Refusal? Refusal)> change) => writer.WriteAsync(
            Caller.Of(context).Name,
            action,
            new ResourceKey(ResourceType.Factors, subject.ToString(), placement),
            row => change(FactorRecords.Read(row?.Json ?? "")) switch
            {
                ({ Count: > 0 } factors, _) => (new ResourceChange(FactorRecords.Write(factors)), null),
                ({ Count: 0 }, _) => (new ResourceChange(null), null),
                (_, var refusal) => (null, refusal),
            },
            expectedRevision: null,
            context.CancellationToken,
            SubjectAccess.Of(Caller.Of(context), action, subject, placement.Application, context.CancellationToken));
}
