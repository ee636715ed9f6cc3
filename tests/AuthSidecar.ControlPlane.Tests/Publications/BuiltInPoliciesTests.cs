using AuthSidecar.Cedar;
using AuthSidecar.ControlPlane.Administrators;
using AuthSidecar.ControlPlane.Administrators.Access;
using AuthSidecar.ControlPlane.Publications;
using AuthSidecar.ControlPlane.V1;
using Google.Protobuf.Reflection;

namespace AuthSidecar.ControlPlane.Tests.Publications;

public sealed class BuiltInPoliciesTests
{
    private static readonly string[] Reads =
    [
        "accounts.read", "administrators.read", "audit.read", "clients.read", "entities.read", "factors.read", "sidecars.read", "history.read", "issuers.read",
        "keys.read", "policies.read", "policies.validate", "revocations.read", "risk-settings.read", "sessions.read",
        "identity-providers.read",
    ];

    private static readonly string[] Writes =
    [
        "accounts.remove", "accounts.reset", "accounts.unlock", "accounts.write", "administrators.remove", "administrators.write", "clients.remove", "clients.write", "entities.write",
        "factors.enrol", "factors.remove", "history.begin", "issuers.remove", "issuers.write", "join-tokens.create", "join-tokens.remove", "keys.rotate", "memberships.assign", "memberships.write", "policies.publish",
        "policies.rollback", "revocations.remove", "revocations.write", "risk-profiles.remove", "risk-profiles.write", "risk-settings.write", "sessions.end", "trust-anchors.rotate",
        "sidecars.remove", "identity-providers.remove", "identity-providers.write",
    ];

    [Fact]
    public void Documents_Validated_HaveNeitherFaultsNorWarnings()
    {
        var (faults, warnings) = PolicyDocuments.Validate(BuiltInPolicies.Documents);
        Assert.Empty(faults);
        Assert.Empty(warnings);
    }

    [Fact]
    public void Demands_OfEveryCall_AreActionsOfTheSchemaAndAllOfThem()
    {
        // Sidecars call the first two, by their certificates; an import asks for what it writes.
        var services = typeof(Administrator).Assembly.GetTypes()
            .Where(t => t.Namespace == typeof(Administrator).Namespace && t.Name.EndsWith("Reflection", StringComparison.Ordinal))
            .SelectMany(t => ((FileDescriptor)t.GetProperty("Descriptor")!.GetValue(null)!).Services)
            .Where(s => s.Name is not ("SyncService" or "EnrolmentService" or "BundleService"));
        var requests = services.SelectMany(s => s.Methods).Select(m => m.InputType).Where(t => t.ClrType != typeof(BootstrapControlPlaneRequest));
        var demanded = requests.Select(r => RequiredPermissions.Of(r.Parser.ParseFrom([]))?.Action ?? throw new InvalidOperationException($"{r.FullName} is nobody's"));
        // Two are asked for what is written, and not for a call.
        Assert.Equal(Reads.Concat(Writes).Except(["memberships.assign", "memberships.write"]).Order(StringComparer.Ordinal), demanded.Distinct().Order(StringComparer.Ordinal));
        Assert.Equal(
            Reads.Concat(Writes).Concat(["read", "write"]).Order(StringComparer.Ordinal),
            BuiltInPolicies.Schema.Actions.Keys.Select(a => a.Id).Order(StringComparer.Ordinal));
        Assert.Null(RequiredPermissions.Of(new BootstrapControlPlaneRequest()));
    }

    [Theory]
    [InlineData("owner", "*")]
    [InlineData("policy_author", "entities.read policies.publish policies.read policies.rollback policies.validate")]
    [InlineData("user_manager", "accounts.read accounts.remove accounts.reset accounts.unlock accounts.write entities.read entities.write factors.enrol factors.read factors.remove memberships.assign memberships.write revocations.read revocations.write risk-profiles.remove risk-profiles.write sessions.end sessions.read")]
    [InlineData("operator", "clients.read clients.remove clients.write history.read issuers.read issuers.remove issuers.write join-tokens.create join-tokens.remove revocations.read revocations.write risk-settings.read risk-settings.write sidecars.read sidecars.remove")]
    [InlineData("auditor", "accounts.read administrators.read audit.read clients.read entities.read factors.read history.read identity-providers.read issuers.read keys.read policies.read policies.validate revocations.read risk-settings.read sessions.read sidecars.read")]
    [InlineData("stranger", "")]
    public void Role_OfAnyApplication_MayDoTheseAndNoOthers(string role, string allowed)
    {
        var (access, principal) = Access(new Administrator { Name = "bob", Roles = { role } });
        var expected = allowed == "*" ? Reads.Concat(Writes).Order(StringComparer.Ordinal) : allowed.Split(' ', StringSplitOptions.RemoveEmptyEntries).AsEnumerable();
        Assert.Equal(expected, Reads.Concat(Writes).Where(a => access.Allows(principal, a, new Placement("documents", ""))).Order(StringComparer.Ordinal));
        // Only owners write to the control plane itself.
        Assert.Equal(role == "owner" ? Writes : [], Writes.Where(a => access.Allows(principal, a, new Placement("authsidecar", ""))));
    }

    [Theory]
    [InlineData("documents", "acme", true)]
    [InlineData("payroll", "acme", false)]
    [InlineData("", "acme", false)]
    [InlineData("documents", "", false)]
    [InlineData("documents", "other", false)]
    [InlineData("authsidecar", "acme", false)]
    public void Confined_ToAnApplicationAndATenant_StaysThere(string application, string tenant, bool may)
    {
        foreach (var role in new[] { "owner", "user_manager" })
        {
            var (access, principal) = Access(new Administrator { Name = "bob", Roles = { role }, Applications = { "documents", "wiki" }, Tenants = { "acme" } });
            Assert.Equal(may, access.Allows(principal, "entities.write", new Placement(application, tenant)));
            Assert.Equal(may, access.Allows(principal, "memberships.write", new Placement(application, tenant)));
            // What is marked for it, the managers of tenants give as well.
            Assert.Equal(application == "documents", access.Allows(principal, "memberships.assign", new Placement(application, tenant)));
        }
    }

    [Fact]
    public void Allows_WhatNobodyHasDecided_IsNot()
    {
        var (access, principal) = Access(new Administrator { Name = "bob", Roles = { "owner" } });
        Assert.False(access.Allows(principal, "read-minds", new Placement("", "")));
        Assert.False(access.Allows(new EntityUid(BuiltInPolicies.AdministratorType, "nobody"), "policies.read", new Placement("", "")));
        Assert.False(access.Knows(new EntityUid(BuiltInPolicies.AdministratorType, "nobody")));
    }

    [Fact]
    public void Allows_ForbidThatErrs_Not()
    {
        Assert.True(PolicySet.TryParse(SourceText.Of("permit (principal, action, resource); forbid (principal, action, resource) when { principal.nothing };", "test"), out var policies, out _));
        var (access, principal) = Access(new Administrator { Name = "bob", Roles = { "owner" } });
        Assert.False((access with { Policies = policies }).Allows(principal, "policies.read", new Placement("", "")));
    }

    private static (AccessSnapshot Access, EntityUid Principal) Access(Administrator administrator)
    {
        var entity = AdministratorEntities.ToEntity(administrator);
        Assert.True(EntityStore.TryParse(SourceText.Of($"[{entity.ToJson()}]", "test"), BuiltInPolicies.Schema, out var entities, out var faults), faults.Count > 0 ? faults[0].ToString() : "");
        Assert.True(PolicyDocuments.TryRead(BuiltInPolicies.Documents, out var policies, out _));
        return (new AccessSnapshot(policies, entities, Tokens.Revocations.None), entity.Uid);
    }
}
