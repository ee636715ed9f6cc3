using AuthSidecar.ControlPlane.State;
using AuthSidecar.ControlPlane.Telemetry;
using AuthSidecar.ControlPlane.V1;
using Microsoft.AspNetCore.Authorization;

namespace AuthSidecar.ControlPlane.Administrators;

/// <summary>The administrators' own side of the administration API.</summary>
internal sealed class AdministratorService(
    AdministratorAccounts administrators, StateFolder folder, AuthenticationLog log) : V1.AdministratorService.AdministratorServiceBase
{
    private const int MaxNames = 1_000;
    private const int MaxNameLength = 100;

    /// <summary>Of a request to this service, which anybody may claim at.</summary>
    public const int MaxRequestBytes = 256 * 1024;

    [AllowAnonymous]
    [RequestSizeLimit(2 * MaxRequestBytes)]
    public override async Task<BootstrapControlPlaneResponse> BootstrapControlPlane(
        BootstrapControlPlaneRequest request, ServerCallContext context)
    {
        // The code first: whoever has none is not worth reading keys for, nor keeping writers waiting.
        var code = RequestChecks.Text(request.Code, "code");
        if (!await administrators.IsGoodAsync(code, context.CancellationToken))
        {
            log.AdministratorRefused("invalid or expired bootstrap code", ClientAddress.Of(context.GetHttpContext()));
            throw ApiErrors.CodeRejected();
        }

        var result = await administrators.TryBootstrapAsync(
            code, Name(request.Name, "name"), KeySet(request.Jwks, "jwks"), context.CancellationToken)
            ?? throw ApiErrors.CodeRejected();
        var revision = ApiErrors.Committed(result);
        folder.RemoveBootstrapCode();
        return new BootstrapControlPlaneResponse { Revision = revision };
    }

    public override async Task<WriteAdministratorResponse> WriteAdministrator(WriteAdministratorRequest request, ServerCallContext context)
    {
        var given = RequestChecks.Required(request.Administrator, "administrator");
        var result = await administrators.WriteAsync(
            Caller.Of(context).Name,
            Name(given.Name, "administrator.name"),
            before => Check(Patch.Apply(before, given, request.UpdateMask)),
            RequestChecks.Expected(request.HasExpectedRevision, request.ExpectedRevision),
            context.CancellationToken);
        return new WriteAdministratorResponse { Revision = ApiErrors.Committed(result) };
    }

    public override async Task<RemoveAdministratorResponse> RemoveAdministrator(RemoveAdministratorRequest request,
        ServerCallContext context) => new()
        {
            Revision = ApiErrors.Committed(
            await administrators.RemoveAsync(Caller.Of(context).Name, RequestChecks.Name(request.Name, "name"), context.CancellationToken)),
        };

    public override async Task<ListAdministratorsResponse> ListAdministrators(
        ListAdministratorsRequest request, ServerCallContext context) =>
        new() { Administrators = { await administrators.ListAsync(context.CancellationToken) } };

    private static Administrator Check(Administrator administrator) => new()
    {
        Name = administrator.Name,
        Roles = { Names(administrator.Roles, "administrator.roles") },
        Applications = { Names(administrator.Applications, "administrator.applications") },
        Tenants = { Names(administrator.Tenants, "administrator.tenants") },
        Jwks = KeySet(administrator.Jwks, "administrator.jwks"),
    };

    // As long as a `client_id` may be.
    private static string Name(string value, string field) =>
        value.Length <= MaxNameLength ? RequestChecks.Name(value, field)
            : throw ApiErrors.InvalidField(field, $"must have at most {MaxNameLength} characters");

    private static IEnumerable<string> Names(IReadOnlyList<string> names, string field) => names.Count <= MaxNames
        ? names.Select((n, i) => RequestChecks.Name(n, $"{field}[{i}]"))
        : throw ApiErrors.InvalidField(field, $"must have at most {MaxNames} elements");

    /// <summary>A key set, written in the one way in which it is compared.</summary>
    private static string KeySet(string jwks, string field)
    {
        RequestChecks.KeySet(jwks, field);
        return JsonNode.Parse(jwks)!.ToJsonString();
    }
}
