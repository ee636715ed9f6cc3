using AuthSidecar.ControlPlane.V1;
using Google.Protobuf.WellKnownTypes;

namespace AuthSidecar.ControlPlane.Revocations;

/// <summary>The revocations' side of the administration API.</summary>
internal sealed class RevocationService(
    EntryWriter writer, ControlStore store, TimeProvider time) : V1.RevocationService.RevocationServiceBase
{
    /// <summary>Clocks differ.</summary>
    private static readonly TimeSpan MostAhead = TimeSpan.FromMinutes(5);

    /// <summary>As long as anybody's access tokens live.</summary>
    private static readonly TimeSpan Longest = TimeSpan.FromDays(30);

    public override async Task<RevokeResponse> Revoke(RevokeRequest request, ServerCallContext context)
    {
        var revocation = Check(RequestChecks.Required(request.Revocation, "revocation").Clone());
        var result = await writer.WriteAsync(
            Caller.Of(context).Name,
            "revocations.write",
            RevocationRecords.KeyOf(revocation, RequestChecks.NameOrEmpty(request.Application, "application")),
            row =>
            {
                RevocationRecords.Extend(
                    revocation, row is null ? null : RevocationRecords.Read(row), time.GetUtcNow(), RevocationRecords.DefaultLifetime);
                var json = RevocationRecords.ToJson(revocation);
                return (new EntryChange(json, revocation.ExpiresAt.ToDateTimeOffset()), null);
            },
            expectedRevision: null,
            context.CancellationToken);
        return new RevokeResponse { Revision = ApiErrors.Committed(result) };
    }

    public override async Task<ListRevocationsResponse> ListRevocations(ListRevocationsRequest request, ServerCallContext context)
    {
        var (application, after) = (RequestChecks.Name(request.Application, "application"),
            RequestChecks.Number(request.AfterRevision, "after_revision", store));
        var (size, now) = (RequestChecks.PageSize(request.PageSize), time.GetUtcNow().ToUnixTimeMilliseconds());
        var rows = await writer.ListAsync(
            all => all
                .Where(r => r.Type == DataType.Revocations && r.Revision > after && r.ExpiresAtMs > now
                    && (r.Application == "" || r.Application == application))
                .OrderBy(r => r.Revision)
                .Take(size),
            context.CancellationToken);
        return new ListRevocationsResponse
        {
            Revocations = { rows.Select(r => new RecordedRevocation
            {
                Revocation = RevocationRecords.Read(r),
                Revision = store.At(r.Revision).ToString(),
                Application = r.Application,
            }) },
        };
    }

    public override async Task<RemoveRevocationResponse> RemoveRevocation(RemoveRevocationRequest request, ServerCallContext context)
    {
        var revocation = RequestChecks.Required(request.Revocation, "revocation");
        CheckTarget(revocation);
        var result = await writer.RemoveAsync(
            Caller.Of(context).Name,
            "revocations.remove",
            RevocationRecords.KeyOf(revocation, RequestChecks.NameOrEmpty(request.Application, "application")),
            $"revocation of this {RevocationRecords.WhatOf(revocation)}"
                + $"{(request.Application.Length == 0 ? " for all applications" : $" for the application `{request.Application}`")}",
            expectedRevision: null,
            context.CancellationToken);
        return new RemoveRevocationResponse { Revision = ApiErrors.Committed(result) };
    }

    private static void CheckTarget(Revocation revocation)
    {
        RequestChecks.Text(revocation.Issuer, "revocation.issuer");
        RequestChecks.Text(
            revocation.TargetCase switch
            {
                Revocation.TargetOneofCase.TokenId => revocation.TokenId,
                Revocation.TargetOneofCase.SessionId => revocation.SessionId,
                Revocation.TargetOneofCase.Subject => revocation.Subject,
                _ => throw ApiErrors.InvalidField("revocation", "one of `token_id`, `session_id` and `subject` is required"),
            },
            "revocation");
    }

    private Revocation Check(Revocation revocation)
    {
        var now = time.GetUtcNow();
        CheckTarget(revocation);
        var notBefore = RequestChecks.Time(revocation.NotBefore, "revocation.not_before");
        if (notBefore > now + MostAhead)
        {
            // What is of the future is of nobody yet: it would keep a subject out, and not its tokens.
            throw ApiErrors.InvalidField("revocation.not_before", $"must be at most {MostAhead.TotalMinutes} minutes in the future");
        }

        if (notBefore < DateTimeOffset.UnixEpoch)
            throw ApiErrors.InvalidField("revocation.not_before", "must not be before 1970-01-01T00:00:00Z");

        var expires = RequestChecks.Time(revocation.ExpiresAt, "revocation.expires_at");
        if (expires <= now || expires > now + Longest)
            throw ApiErrors.InvalidField("revocation.expires_at", $"must be in the future, at most {Longest.TotalDays} days");

        revocation.NotBefore = notBefore is { } at ? new Timestamp { Seconds = at.ToUnixTimeSeconds() } : null;
        return revocation;
    }
}
