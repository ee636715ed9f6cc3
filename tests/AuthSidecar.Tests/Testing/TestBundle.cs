using AuthSidecar.Cedar;
using AuthSidecar.Common;

namespace AuthSidecar.Tests.Testing;

/// <summary>A bundle folder: roles, a tenant, some users and documents; with one more policy that asks for a step-up.</summary>
internal sealed class TestBundle : IDisposable
{
    public static readonly byte[] WrappingKey = [.. Enumerable.Repeat((byte)7, AesGcmEnvelope.KeyBytes)];

    private static readonly string[] Contents = ["policies", "schema.cedarschema", "entities.json"];

    private readonly TemporaryFolder _folder = new();

    public TestBundle(TestIssuer? issuer = null)
    {
        WriteManifest(Contents, issuer);
        Write("policies/extra.cedar", """
            @id("confidential")
            @step_up("mfa")
            @step_up_max_age_s("300")
            forbid (principal, action == Action::"delete", resource)
            when { resource has confidential && resource.confidential }
            unless { context has token.auth_time && context.token.amr.contains("mfa") };

            @id("risky")
            @obligation_notify("owner")
            forbid (principal, action, resource) when { context has risk && context.risk.level == "critical" };
            """);
        Write("schema.cedarschema", """
            entity Role;
            entity User in [Role] = { tenant: String, suspended?: Bool };
            entity Document = { tenant: String, owner?: User, confidential?: Bool };
            action "read", "write", "create", "update", "delete", "admin", "manage_users", "manage_roles", "view_audit_logs"
              appliesTo { principal: [User], resource: [Document] };
            """);
        Write("entities.json", $"""
            [{string.Join(",\n", new[] { "anonymous", "user", "moderator", "admin", "super_admin" }.Select(r => Entity("Role", r, "{}")))},
             {Entity("User", "alice", """{"tenant": "acme"}""", ("Role", "user"))},
             {Entity("User", "bob", """{"tenant": "acme"}""", ("Role", "moderator"))},
             {Entity("User", "mallory", """{"tenant": "acme", "suspended": true}""", ("Role", "user"))},
             {Entity("User", "root", """{"tenant": "acme"}""", ("Role", "super_admin"))},
             {Entity("Document", "plan", """{"tenant": "acme", "owner": {"__entity": {"type": "User", "id": "alice"}}}""")},
             {Entity("Document", "salaries", """{"tenant": "acme", "confidential": true, "owner": {"__entity": {"type": "User", "id": "alice"}}}""")}]
            """);
        if (issuer is not null)
        {
            Write("keys.jwks.json", issuer.KeySetJson);
        }
    }

    public string Path => _folder.Path;

    public string Write(string name, string content) => _folder.Write(name, content);

    public void Delete(string name) => File.Delete(_folder[name]);

    public void WriteManifest(IEnumerable<string> contents, TestIssuer? issuer, string more = "")
    {
        if (issuer is not null)
        {
            contents = contents.Append("issuers.json");
            Write("issuers.json", $$"""{"issuers": [{"issuer": "{{TestIssuer.Name}}", "jwks": "keys.jwks.json", "audiences": ["{{TestIssuer.Audience}}"]}]}""");
        }

        Write("bundle.json", $$"""{"version": 1, "contents": [{{string.Join(", ", contents.Select(c => $"\"{c}\""))}}], "packs": ["rbac"]{{more}}}""");
    }

    /// <summary>Takes the schema away, and with it what holds policies against it.</summary>
    public void DropSchema(TestIssuer? issuer)
    {
        Delete("schema.cedarschema");
        WriteManifest(Contents.Where(c => c != "schema.cedarschema"), issuer);
    }

    /// <summary>Adds files to the contents.</summary>
    public void Add(TestIssuer? issuer, params (string Name, string Content)[] files)
    {
        foreach (var (name, content) in files)
        {
            Write(name, content);
        }

        WriteManifest(Contents.Concat(files.Select(f => f.Name)), issuer);
    }

    /// <summary>Builds the snapshot, and fails with the faults when there are any.</summary>
    public Snapshot Build() => TryBuild(out var faults) ?? throw new InvalidOperationException(string.Join('\n', faults));

    public Snapshot? TryBuild(out List<Fault> faults)
    {
        faults = [];
        return new BundleReader(WrappingKey).Read(Load(), new Revision(default, 1), DateTimeOffset.UnixEpoch, faults);
    }

    public BundleFiles Load() => new(FolderListing.Of(Path).Read(Path));

    private static string Entity(string type, string id, string attributes, params (string Type, string Id)[] parents) => $$"""
        {"uid": {"type": "{{type}}", "id": "{{id}}"}, "attrs": {{attributes}}, "parents": [{{string.Join(", ", parents.Select(p => $$"""{"type": "{{p.Type}}", "id": "{{p.Id}}"}"""))}}]}
        """;

    public void Dispose() => _folder.Dispose();
}
