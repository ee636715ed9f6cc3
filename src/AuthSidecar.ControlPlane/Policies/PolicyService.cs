using AuthSidecar.ControlPlane.Publications;
using AuthSidecar.ControlPlane.V1;
using Google.Protobuf.WellKnownTypes;

namespace AuthSidecar.ControlPlane.Policies;

/// <summary>The policies' side of the administration API.</summary>
internal sealed class PolicyService(PolicyPublisher publisher, ControlStore store) : V1.PolicyService.PolicyServiceBase
{
    public override Task<ValidatePoliciesResponse> ValidatePolicies(ValidatePoliciesRequest request, ServerCallContext context)
    {
        var (faults, warnings) = PolicyDocuments.Validate(request.Documents);
        return Task.FromResult(
            new ValidatePoliciesResponse { Faults = { faults.Select(ToMessage) }, Warnings = { warnings.Select(ToMessage) } });
    }

    public override async Task<DiffPoliciesResponse> DiffPolicies(DiffPoliciesRequest request, ServerCallContext context)
    {
        var application = RequestChecks.Name(request.Application, "application");
        var (faults, warnings) = await publisher.CheckAsync(application, request.Documents, context.CancellationToken);
        var current = await publisher.FindAsync(application, revision: 0, context.CancellationToken);
        var before = current is null ? [] : DocumentSet.Parser.ParseFrom(current.Documents).Documents.ToDictionary(d => d.Path,
            d => d.Content.ToStringUtf8(), StringComparer.Ordinal);
        var after = request.Documents.DistinctBy(
            d => d.Path).ToDictionary(d => d.Path, d => d.Content.ToStringUtf8(), StringComparer.Ordinal);
        return new DiffPoliciesResponse
        {
            Revision = current is null ? "" : store.At(current.Revision).ToString(),
            Faults = { faults.Select(ToMessage) },
            Warnings = { warnings.Select(ToMessage) },
            Changes =
            {
                before.Keys.Union(after.Keys).Order(StringComparer.Ordinal)
                    .Select(p => (Path: p, Before: before.GetValueOrDefault(p), After: after.GetValueOrDefault(p)))
                    .Where(d => d.Before != d.After)
                    .Select(d => new DocumentChange
                    {
                        Path = d.Path,
                        Kind = d.Before is null ? ChangeKind.Added : d.After is null ? ChangeKind.Removed : ChangeKind.Changed,
                        Diff = LineDiff.Of(d.Before ?? "", d.After ?? ""),
                    }),
            },
        };
    }

    public override async Task<PublishPoliciesResponse> PublishPolicies(PublishPoliciesRequest request, ServerCallContext context)
    {
        var (result, warnings) = await publisher.PublishAsync(
            Caller.Of(context).Name,
            RequestChecks.Name(request.Application, "application"),
            request.Documents,
            RequestChecks.Revision(request.ExpectedRevision, "expected_revision"),
            RequestChecks.Message(request.Message),
            context.CancellationToken);
        return new PublishPoliciesResponse { Revision = ApiErrors.Committed(result), Warnings = { warnings.Select(ToMessage) } };
    }

    public override async Task<RollBackPoliciesResponse> RollBackPolicies(RollBackPoliciesRequest request, ServerCallContext context)
    {
        var result = await publisher.RollBackAsync(
            Caller.Of(context).Name,
            RequestChecks.Name(request.Application, "application"),
            RequestChecks.Number(request.ToRevision, "to_revision", store),
            RequestChecks.Revision(request.ExpectedRevision, "expected_revision"),
            RequestChecks.Message(request.Message),
            context.CancellationToken);
        return new RollBackPoliciesResponse { Revision = ApiErrors.Committed(result) };
    }

    public override async Task<GetPoliciesResponse> GetPolicies(GetPoliciesRequest request, ServerCallContext context)
    {
        var revision = RequestChecks.Number(request.Revision, "revision", store);
        var found = await publisher.FindAsync(RequestChecks.Name(request.Application, "application"), revision, context.CancellationToken)
            ?? throw ApiErrors.NotFound(revision == 0 ? $"policies of `{request.Application}`"
                : $"policies of `{request.Application}` of revision {request.Revision}");
        return new GetPoliciesResponse
        {
            Publication = ToMessage(found),
            Documents = { DocumentSet.Parser.ParseFrom(found.Documents).Documents },
        };
    }

    public override async Task<ListPolicyPublicationsResponse> ListPolicyPublications(
        ListPolicyPublicationsRequest request, ServerCallContext context)
    {
        var publications = await publisher.ListAsync(
            RequestChecks.Name(request.Application, "application"),
            RequestChecks.Number(request.BeforeRevision, "before_revision", store),
            RequestChecks.PageSize(request.PageSize),
            context.CancellationToken);
        return new ListPolicyPublicationsResponse { Publications = { publications.Select(ToMessage) } };
    }

    private static DocumentFault ToMessage(Fault fault) =>
        new() { Path = fault.Source, Line = fault.Line, Column = fault.Column, Message = fault.Message, Help = fault.Help ?? "" };

    private PolicyPublication ToMessage(PublicationRow row) => new()
    {
        Revision = store.At(row.Revision).ToString(),
        PublishedAt = Timestamp.FromDateTimeOffset(DateTimeOffset.FromUnixTimeMilliseconds(row.AtMs)),
        Author = row.Author,
        Message = row.Message,
        RestoredFrom = row.RestoredFrom is { } from ? store.At(from).ToString() : "",
    };
}
