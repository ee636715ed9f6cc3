using AuthSidecar.ControlPlane.V1;
using Google.Protobuf.WellKnownTypes;

namespace AuthSidecar.ControlPlane.Sidecars.Management;

/// <summary>The history's side of the administration API.</summary>
internal sealed class HistoryService(ControlStore store) : V1.HistoryService.HistoryServiceBase
{
    public override async Task<GetHistoryResponse> GetHistory(GetHistoryRequest request, ServerCallContext context)
    {
        var there = await store.LookAsync(context.CancellationToken);
        var (head, lost) = (there.Revision, there.Lost);
        return new GetHistoryResponse
        {
            History = head.History.ToString(),
            BeganAt = Timestamp.FromDateTimeOffset(head.History.BeganAt),
            Revision = head.ToString(),
            LostRevision = lost?.ToString() ?? "",
        };
    }

    public override async Task<BeginHistoryResponse> BeginHistory(BeginHistoryRequest request, ServerCallContext context)
    {
        var expected = History.TryParse(request.ExpectedHistory, out var history) && !history.IsFolder
            ? history
            : throw ApiErrors.InvalidField("expected_history", "expected the history that `GetHistory` returns, such as `3k9vq2m1x7wb`");
        var there = await store.LookAsync(context.CancellationToken);
        if (there.Lost is null && there.Revision.History == expected && !request.Force)
            throw ApiErrors.NoRollback();

        return new BeginHistoryResponse
        {
            Revision = ApiErrors.Committed(await store.BeginHistoryAsync(Caller.Of(context).Name, expected, context.CancellationToken)),
        };
    }
}
