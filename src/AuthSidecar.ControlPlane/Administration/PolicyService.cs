using AuthSidecar.Cedar;
using AuthSidecar.ControlPlane.Publications;
using AuthSidecar.ControlPlane.Store;
using AuthSidecar.ControlPlane.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;

namespace AuthSidecar.ControlPlane.Administration;

/// <summary>The policies' side of the administration API.</summary>
internal sealed class PolicyService(PolicyPublisher publisher) : V1.PolicyService.PolicyServiceBase
{
    public override Task<ValidatePoliciesResponse> ValidatePolicies(ValidatePoliciesRequest request, ServerCallContext context)
    {
        var (faults, warnings) = PolicyDocuments.Validate(request.Documents);
        return Task.FromResult(new ValidatePoliciesResponse { Faults = { faults.Select(ToMessage) }, Warnings = { warnings.Select(ToMessage) } });
    }

    public override async Task<PublishPoliciesResponse> PublishPolicies(PublishPoliciesRequest request, ServerCallContext context)
    {
        var (result, warnings) = await publisher.PublishAsync(
            Caller.Of(context),
            RequestChecks.Name(request.Application, "application"),
            request.Documents,
            RequestChecks.Revision(request.ExpectedRevision, "expected_revision"),
            RequestChecks.Message(request.Message),
            context.CancellationToken);
        return new PublishPoliciesResponse { Revision = Failures.Committed(result), Warnings = { warnings.Select(ToMessage) } };
    }

    public override async Task<RollBackPoliciesResponse> RollBackPolicies(RollBackPoliciesRequest request, ServerCallContext context)
    {
        var result = await publisher.RollBackAsync(
            Caller.Of(context),
            RequestChecks.Name(request.Application, "application"),
            RequestChecks.Revision(request.ToRevision, "to_revision"),
            RequestChecks.Revision(request.ExpectedRevision, "expected_revision"),
            RequestChecks.Message(request.Message),
            context.CancellationToken);
        return new RollBackPoliciesResponse { Revision = Failures.Committed(result) };
    }

    public override async Task<GetPoliciesResponse> GetPolicies(GetPoliciesRequest request, ServerCallContext context)
    {
        var revision = RequestChecks.Revision(request.Revision, "revision");
        var found = await publisher.FindAsync(RequestChecks.Name(request.Application, "application"), revision, context.CancellationToken)
            ?? throw Failures.NotFound(revision == 0 ? $"policies of `{request.Application}`" : $"policies of `{request.Application}` of revision {revision}");
        return new GetPoliciesResponse { Publication = ToMessage(found), Documents = { DocumentSet.Parser.ParseFrom(found.Documents).Documents } };
    }

    public override async Task<ListPolicyPublicationsResponse> ListPolicyPublications(ListPolicyPublicationsRequest request, ServerCallContext context)
    {
        var publications = await publisher.ListAsync(
            RequestChecks.Name(request.Application, "application"),
            RequestChecks.Revision(request.BeforeRevision, "before_revision"),
            RequestChecks.PageSize(request.PageSize),
            context.CancellationToken);
        return new ListPolicyPublicationsResponse { Publications = { publications.Select(ToMessage) } };
    }

    private static DocumentFault ToMessage(Fault fault) =>
        new() { Path = fault.Source, Line = fault.Line, Column = fault.Column, Message = fault.Message, Help = fault.Help ?? "" };

    private static PolicyPublication ToMessage(PublicationRow row) => new()
    {
        Revision = (ulong)row.Revision,
        PublishedAt = Timestamp.FromDateTimeOffset(DateTimeOffset.FromUnixTimeMilliseconds(row.AtMs)),
        Author = row.Author,
        Message = row.Message,
        RestoredFrom = (ulong)(row.RestoredFrom ?? 0),
    };
}
