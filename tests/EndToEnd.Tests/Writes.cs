using System.Globalization;
using AuthSidecar.ControlPlane.V1;
using AuthSidecar.V1;
using Google.Protobuf;
using Decision = AuthSidecar.V1.Decision;

namespace EndToEnd.Tests;

/// <summary>What tests write to a control plane, and ask of a sidecar then.</summary>
internal static class Writes
{
    public const string ReadersRead = """permit (principal in Role::"reader", action == Action::"read", resource is Document);""";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public static string User(string id, string role) => $$"""{"uid": {"type": "User", "id": "{{id}}"}, "attrs": {}, "parents": [{"type": "Role", "id": "{{role}}"}]}""";

    public static async Task<WriteEntitiesResponse> WriteAsync(Fleet fleet, params string[] entities) => await fleet.Directories.WriteEntitiesAsync(
        new WriteEntitiesRequest { Entities = { entities.Select(e => new StoredEntity { Json = e }) } }, cancellationToken: Cancellation);

    public static async Task<PublishPoliciesResponse> PublishAsync(Fleet fleet, string expectedRevision, string policies, string? schema = null)
    {
        var request = new PublishPoliciesRequest { Application = "documents", ExpectedRevision = expectedRevision, Message = "a test", Create = true };
        request.Documents.Add(new Document { Path = "policies/all.cedar", Content = ByteString.CopyFromUtf8(policies) });
        if (schema is not null)
        {
            request.Documents.Add(new Document { Path = "schema.cedarschema", Content = ByteString.CopyFromUtf8(schema) });
        }

        return await fleet.Policies.PublishPoliciesAsync(request, cancellationToken: Cancellation);
    }

    /// <summary>The number of a revision in its history.</summary>
    public static ulong NumberOf(string revision) => ulong.Parse(revision.Split('.')[1], CultureInfo.InvariantCulture);

    /// <summary>The one after it, of the same history.</summary>
    public static string After(string revision) => string.Create(CultureInfo.InvariantCulture, $"{revision.Split('.')[0]}.{NumberOf(revision) + 1}");

    public static async Task<Decision> AskAsync(AuthSidecarService.AuthSidecarServiceClient sidecar, string user, string atLeastRevision = "") =>
        (await sidecar.CheckPermissionAsync(Fleet.Check("User", user, atLeastRevision), deadline: Binary.Deadline, cancellationToken: Cancellation)).Decision;

    public static async Task<string> RemoveRoleAsync(EntityService.EntityServiceClient directory, string user, string role = "reader") =>
        (await directory.ChangeMembershipsAsync(new ChangeMembershipsRequest { Entity = $"User::\"{user}\"", Removed = { $"Role::\"{role}\"" } }, cancellationToken: Cancellation)).Revision;
}
