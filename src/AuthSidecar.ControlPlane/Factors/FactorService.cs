using AuthSidecar.ControlPlane.Entities;
using AuthSidecar.ControlPlane.V1;

namespace AuthSidecar.ControlPlane.Factors;

/// <summary>The second factors' side of the administration API.</summary>
internal sealed class FactorService(EntryWriter writer, SecretStore secrets) : V1.FactorService.FactorServiceBase
{
    public override async Task<EnrolTotpResponse> EnrolTotp(EnrolTotpRequest request, ServerCallContext context)
    {
        var subject = RequestChecks.Uid(request.Subject, "subject");
        var (factor, uri) = FactorEnrolment.NewTotp(
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
            factors => factors.Exists(f => f.Id == factor.Id) ? (null, new Refusal.AlreadyThere($"factor `{factor.Id}` of {subject}"))
                : ([.. factors, factor], null));
        return new EnrolTotpResponse { OtpauthUri = uri, Revision = ApiErrors.Committed(result) };
    }

    public override async Task<EnrolBackupCodesResponse> EnrolBackupCodes(EnrolBackupCodesRequest request, ServerCallContext context)
    {
        var subject = RequestChecks.Uid(request.Subject, "subject");
        var (factor, codes) = FactorEnrolment.NewBackupCodes(subject, RequestChecks.Name(request.FactorId, "factor_id"));
        var result = await ChangeAsync(
            context,
            "factors.enrol",
            subject,
            RequestChecks.Placement(request.Application, request.Tenant),
            factors => factors.Exists(f => f.Id == factor.Id && f.Kind != factor.Kind)
                ? (null, new Refusal.AlreadyThere($"factor `{factor.Id}` of another kind"))
                : ([.. factors.Where(f => f.Id != factor.Id), factor], null));
        return new EnrolBackupCodesResponse { Codes = { codes }, Revision = ApiErrors.Committed(result) };
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
        return new RemoveFactorResponse { Revision = ApiErrors.Committed(result) };
    }

    public override async Task<ListFactorsResponse> ListFactors(ListFactorsRequest request, ServerCallContext context)
    {
        var subject = RequestChecks.Uid(request.Subject, "subject").ToString();
        var rows = await writer.ListAsync(all => all.Where(r => r.Type == DataType.Factors && r.Key == subject).OrderBy(r => r.Application)
            .ThenBy(r => r.Tenant), context.CancellationToken);
        var caller = Caller.Of(context);
        return new ListFactorsResponse
        {
            Factors = { rows.Where(r => caller.IsAllowed("factors.read", new Placement(r.Application, r.Tenant)))
                .SelectMany(r => FactorEntry.ReadAll(r.Json).Select(
                    f => new EnrolledFactor { FactorId = f.Id, Kind = f.Kind, Application = r.Application, Tenant = r.Tenant })) },
        };
    }

    /// <summary>Changes the factors of a subject.</summary>
    private Task<WriteResult> ChangeAsync(
        ServerCallContext context, string action, EntityUid subject, Placement placement,
        Func<List<FactorEntry>, (List<FactorEntry>? Factors, Refusal? Refusal)> change) => writer.WriteAsync(
            Caller.Of(context).Name,
            action,
            new EntryKey(DataType.Factors, subject.ToString(), placement),
            row => change(FactorEntry.ReadAll(row?.Json ?? "")) switch
            {
                ({ Count: > 0 } factors, _) => (new EntryChange(FactorEntry.WriteAll(factors)), null),
                ({ Count: 0 }, _) => (new EntryChange(null), null),
                (_, var refusal) => (null, refusal),
            },
            expectedRevision: null,
            context.CancellationToken,
            SubjectAccess.Of(Caller.Of(context), action, subject, placement.Application, context.CancellationToken));
}
