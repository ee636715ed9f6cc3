using AuthSidecar.ControlPlane.Publications;
using AuthSidecar.ControlPlane.V1;

namespace AuthSidecar.ControlPlane.Issuers;

/// <summary>The issuers' side of the administration API.</summary>
internal sealed class IssuerService(EntryWriter writer, ControlStore store, SchemaSource schemas) : V1.IssuerService.IssuerServiceBase
{
    public override async Task<WriteIssuerResponse> WriteIssuer(WriteIssuerRequest request, ServerCallContext context)
    {
        var key = KeyOf(request.Application, RequestChecks.Required(request.Issuer, "issuer").Issuer_, "issuer.issuer");
        IReadOnlyList<Fault> warnings = [];
        var result = await writer.WriteAsync(
            Caller.Of(context).Name,
            "issuers.write",
            key,
            row =>
            {
                var (issuer, jwks) = Changed(row, request);
                return (new EntryChange(IssuerRecords.Write(issuer, jwks)), null);
            },
            RequestChecks.Expected(request.HasExpectedRevision, request.ExpectedRevision),
            context.CancellationToken,
            async (store, row) =>
            {
                if (await IssuerSetting.FindAsync(store, context.CancellationToken) == key.Key)
                    throw ApiErrors.InvalidField("issuer.issuer", "reserved: the control plane itself, whose keys every sidecar has");

                var (issuer, jwks) = Changed(row, request);
                RequestChecks.None(IssuerRecords.FaultsOf(issuer, jwks, out var read));
                var schema = (await schemas.InForceAsync(store, context.CancellationToken))
                    .FirstOrDefault(s => s.Application == key.Placement.Application).Schema;
                warnings = [.. read.Warnings, .. PrincipalTypes.Check(read, schema)];
                var written = new Dictionary<string, string> { [key.Key] = IssuerRecords.Write(issuer, jwks) };
                return await IssuerRecords.FindConflictAsync(store, key.Placement.Application, written, context.CancellationToken)
                    is { } conflict ? throw ApiErrors.Invalid([RequestFaults.In("issuer", conflict)]) : null;
            });
        return new WriteIssuerResponse { Revision = ApiErrors.Committed(result), Warnings = { warnings.Select(Describe) } };
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
        return new RemoveIssuerResponse { Revision = ApiErrors.Committed(result) };
    }

    public override async Task<ListIssuersResponse> ListIssuers(ListIssuersRequest request, ServerCallContext context)
    {
        var application = RequestChecks.Name(request.Application, "application");
        var rows = await writer.ListAsync(
            all => all.Where(r => r.Type == DataType.Keys && r.Application == application).OrderBy(r => r.Key), context.CancellationToken);
        return new ListIssuersResponse { Issuers = { rows.Select(ToMessage) } };
    }

    /// <summary>The issuer and its key set as a request would have them.</summary>
    private static (Issuer Issuer, string Jwks) Changed(EntryRow? row, WriteIssuerRequest request)
    {
        var issuer = Patch.Apply(row is null ? null : IssuerRecords.ToIssuer(row), request.Issuer, request.UpdateMask);
        return (issuer, request.HasJwks ? request.Jwks : row is null ? "" : IssuerData.Split(row.Json).Jwks?.ToJsonString() ?? "");
    }

    private static EntryKey KeyOf(string application, string issuer, string field) =>
        new(DataType.Keys, RequestChecks.Text(issuer, field), new Placement(RequestChecks.Name(application, "application"), ""));

    private static string Describe(Fault warning) => warning.Message + (warning.Help is { } help ? $"; {help}" : "");

    private ConfiguredIssuer ToMessage(EntryRow row)
    {
        var (issuer, jwks) = IssuerData.Split(row.Json);
        return new ConfiguredIssuer
        {
            Issuer = Issuer.Parser.ParseJson(issuer.ToJsonString()),
            Jwks = jwks?.ToJsonString() ?? "",
            Revision = store.At(row.Revision).ToString(),
        };
    }
}
