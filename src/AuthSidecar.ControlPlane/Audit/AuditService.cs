using AuthSidecar.ControlPlane.V1;
using Google.Protobuf.WellKnownTypes;

namespace AuthSidecar.ControlPlane.Audit;

/// <summary>The audit trail's side of the administration API.</summary>
internal sealed class AuditService(ControlStore store) : V1.AuditService.AuditServiceBase
{
    public override async Task<ListAuditRecordsResponse> ListAuditRecords(ListAuditRecordsRequest request, ServerCallContext context)
    {
        var size = RequestChecks.PageSize(request.PageSize);
        var (revision, number) = ReadToken(request.PageToken);
        var rows = await store.ReadAsync(
            (read, _) => Select(read.Audit, request)
                .Where(a => a.Revision < revision || (a.Revision == revision && a.Number < number))
                .OrderByDescending(a => a.Revision).ThenByDescending(a => a.Number)
                .Take(size + 1)
                .ToListAsync(context.CancellationToken),
            context.CancellationToken);
        var response = new ListAuditRecordsResponse { Records = { rows.Take(size).Select(ToMessage) } };
        if (rows.Count > size)
            response.NextPageToken = string.Create(CultureInfo.InvariantCulture, $"{rows[size - 1].Revision}.{rows[size - 1].Number}");

        return response;
    }

    private static IQueryable<AuditRow> Select(IQueryable<AuditRow> all, ListAuditRecordsRequest request)
    {
        if (request.Actor.Length > 0)
            all = all.Where(a => a.Actor == request.Actor);

        if (request.Action.Length > 0)
        {
            all = request.Action.EndsWith('.') ? all.Where(a => a.Action.StartsWith(request.Action))
                : all.Where(a => a.Action == request.Action);
        }

        if (request.Target.Length > 0)
            all = all.Where(a => a.Target == request.Target);

        if (RequestChecks.NameOrEmpty(request.Application, "application") is { Length: > 0 } application)
            all = all.Where(a => a.Application == application);

        if (RequestChecks.NameOrEmpty(request.Tenant, "tenant") is { Length: > 0 } tenant)
            all = all.Where(a => a.Tenant == tenant);

        if (RequestChecks.Time(request.Since, "since")?.ToUnixTimeMilliseconds() is { } since)
            all = all.Where(a => a.AtMs >= since);

        return all;
    }

    private static (long Revision, int Number) ReadToken(string token)
    {
        if (token.Length == 0)
            return (long.MaxValue, 0);

        return token.Split('.') is [var revision, var number]
            && long.TryParse(revision, NumberStyles.None, CultureInfo.InvariantCulture, out var r)
            && int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var n)
            ? (r, n)
            : throw ApiErrors.InvalidField("page_token", "invalid page token: expected the `next_page_token` of a response");
    }

    private AuditRecord ToMessage(AuditRow row)
    {
        var record = new AuditRecord
        {
            Revision = store.At(row.Revision).ToString(),
            Number = row.Number,
            At = Timestamp.FromDateTimeOffset(DateTimeOffset.FromUnixTimeMilliseconds(row.AtMs)),
            Actor = row.Actor,
            Action = row.Action,
            Target = row.Target,
            Application = row.Application,
            Tenant = row.Tenant,
        };
        if (row.Before is { } before)
            record.Before = before;

        if (row.After is { } after)
            record.After = after;

        return record;
    }
}
