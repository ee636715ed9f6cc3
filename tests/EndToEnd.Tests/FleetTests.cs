using AuthSidecar.ControlPlane.V1;
using Google.Rpc;
using Grpc.Core;
using static EndToEnd.Tests.Writes;
using Decision = AuthSidecar.V1.Decision;

namespace EndToEnd.Tests;

/// <summary>What is written to the control plane is what the sidecars decide.</summary>
public sealed class FleetTests
{
    private const string Schema = """
        entity Role, Document;
        entity User in [Role];
        action read appliesTo { principal: User, resource: Document };
        """;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task PublishedPolicyIsEnforced_AndARemovedRoleDenies_AtTheRevisionOfTheWrite()
    {
        await using var fleet = await Fleet.StartAsync();
        var sidecar = await fleet.StartSidecarAsync("one");
        await WriteAsync(fleet, User("alice", "reader"));
        var published = await PublishAsync(fleet, "", ReadersRead);
        Assert.Equal(Decision.Allow, await AskAsync(sidecar, "alice", published.Revision));

        var removed = await fleet.Directories.ChangeMembershipsAsync(
            new ChangeMembershipsRequest { Entity = "User::\"alice\"", Removed = { "Role::\"reader\"" } }, cancellationToken: Cancellation);
        Assert.True(NumberOf(removed.Revision) > NumberOf(published.Revision));
        Assert.Equal(Decision.Deny, await AskAsync(sidecar, "alice", removed.Revision));

        var back = await fleet.Directories.ChangeMembershipsAsync(
            new ChangeMembershipsRequest { Entity = "User::\"alice\"", Added = { "Role::\"reader\"" } }, cancellationToken: Cancellation);
        Assert.Equal(Decision.Allow, await AskAsync(sidecar, "alice", back.Revision));
        var gone = await fleet.Directories.WriteEntitiesAsync(new WriteEntitiesRequest { Removed = { "User::\"alice\"" } }, cancellationToken: Cancellation);
        Assert.Equal(Decision.Deny, await AskAsync(sidecar, "alice", gone.Revision));

        var before = await fleet.Policies.ListPolicyPublicationsAsync(new ListPolicyPublicationsRequest { Application = "documents" }, cancellationToken: Cancellation);
        Assert.Equal([published.Revision], before.Publications.Select(p => p.Revision));
    }

    [Fact]
    public async Task BrokenPoliciesOrEntities_AreRefusedWithTheirPlaces_AndChangeNothing()
    {
        await using var fleet = await Fleet.StartAsync();
        await WriteAsync(fleet, User("alice", "reader"));
        var published = await PublishAsync(fleet, "", ReadersRead, Schema);

        var broken = await Assert.ThrowsAsync<RpcException>(() => PublishAsync(fleet, published.Revision, "permit (principal, action == Action::\"write\", resource);\npermit (", Schema));
        Assert.Equal(StatusCode.InvalidArgument, broken.StatusCode);
        Assert.Contains(broken.GetRpcStatus()!.GetDetail<BadRequest>()!.FieldViolations, v => v.Description.StartsWith("policies/all.cedar:2:", StringComparison.Ordinal));
        var mistyped = await Assert.ThrowsAsync<RpcException>(() => WriteAsync(fleet, """{"uid": {"type": "User", "id": "bob"}, "attrs": {"age": 1}, "parents": []}"""));
        Assert.Equal(StatusCode.InvalidArgument, mistyped.StatusCode);
        // A schema that what is there does not conform to.
        var unfit = await Assert.ThrowsAsync<RpcException>(() => PublishAsync(fleet, published.Revision, ReadersRead, Schema.Replace("entity User in [Role];", "entity User;", StringComparison.Ordinal)));
        Assert.Equal(StatusCode.InvalidArgument, unfit.StatusCode);

        var stale = await Assert.ThrowsAsync<RpcException>(() => PublishAsync(fleet, "", ReadersRead));
        Assert.Equal(StatusCode.Aborted, stale.StatusCode);
        Assert.Equal($"{published.Revision}", stale.GetRpcStatus()!.GetDetail<ErrorInfo>()!.Metadata["revision"]);
        var missing = await Assert.ThrowsAsync<RpcException>(async () => await fleet.Directories.GetEntityAsync(new GetEntityRequest { Entity = "User::\"bob\"" }, cancellationToken: Cancellation));
        Assert.Equal(StatusCode.NotFound, missing.StatusCode);

        var current = await fleet.Policies.GetPoliciesAsync(new GetPoliciesRequest { Application = "documents" }, cancellationToken: Cancellation);
        Assert.Equal(published.Revision, current.Publication.Revision);
        Assert.StartsWith("uid:", current.Publication.Author, StringComparison.Ordinal);
    }

    [Fact]
    public async Task PoliciesThatASidecarCannotApply_AreNotPublished_AndEverythingElseGoesOn()
    {
        await using var fleet = await Fleet.StartAsync();
        var sidecar = await fleet.StartSidecarAsync("one");
        await WriteAsync(fleet, User("alice", "reader"));
        var good = await PublishAsync(fleet, "", ReadersRead);
        Assert.Equal(Decision.Allow, await AskAsync(sidecar, "alice", good.Revision));

        // What a sidecar would refuse is not published.
        var refused = await Assert.ThrowsAsync<RpcException>(() => PublishAsync(fleet, good.Revision, $"@step_up(\"mfa\") {ReadersRead}"));
        Assert.Contains("`@step_up` on a permit has no meaning", refused.Status.Detail, StringComparison.Ordinal);
        Assert.Equal(Decision.Allow, await AskAsync(sidecar, "alice"));

        // While it is asked, its control plane learns how often.
        await Fleet.UntilAsync(async () =>
        {
            await AskAsync(sidecar, "alice");
            return (await fleet.Sidecars.ListSidecarsAsync(new ListSidecarsRequest(), cancellationToken: Cancellation)).Sidecars.Single().DecisionsPerSecond > 0;
        });

        // A role that is removed counts all the same, and so does what is mended.
        await fleet.Directories.ChangeMembershipsAsync(new ChangeMembershipsRequest { Entity = "User::\"alice\"", Removed = { "Role::\"reader\"" } }, cancellationToken: Cancellation);
        await Fleet.UntilAsync(async () => await AskAsync(sidecar, "alice") == Decision.Deny);
        var back = await fleet.Policies.RollBackPoliciesAsync(
            new RollBackPoliciesRequest { Application = "documents", ToRevision = good.Revision, ExpectedRevision = good.Revision }, cancellationToken: Cancellation);
        Assert.Equal(Decision.Deny, await AskAsync(sidecar, "alice", back.Revision));
    }

    [Fact]
    public async Task SidecarThatPinsAnotherKey_BelievesNothing_AndItsControlPlaneLearnsWhy()
    {
        await using var fleet = await Fleet.StartAsync();
        var published = await PublishAsync(fleet, "", ReadersRead);
        fleet.StartSidecarOfOthers("one");
        await Fleet.UntilAsync(async () =>
            (await fleet.Sidecars.ListSidecarsAsync(new ListSidecarsRequest(), cancellationToken: Cancellation)).Sidecars.SelectMany(s => s.DataTypes)
                .Any(r => r.Type == "policies" && r.RefusedRevision == published.Revision && r.AppliedRevision.Length == 0 && r.Faults.Any(f => f.Contains("not signed", StringComparison.Ordinal))));
    }

    [Fact]
    public async Task ControlPlaneKilled_SidecarsGoOn_AndFollowItAgainWhenItIsBack()
    {
        await using var fleet = await Fleet.StartAsync();
        var sidecars = new[] { await fleet.StartSidecarAsync("one"), await fleet.StartSidecarAsync("two") };
        var stranger = await fleet.StartSidecarAsync("three", application: "invoices");
        await WriteAsync(fleet, User("alice", "reader"));
        var published = await PublishAsync(fleet, "", ReadersRead);
        foreach (var sidecar in sidecars)
        {
            Assert.Equal(Decision.Allow, await AskAsync(sidecar, "alice", published.Revision));
        }

        Assert.Equal(Decision.Deny, await AskAsync(stranger, "alice", published.Revision));
        fleet.KillControlPlane();
        Assert.Equal(Decision.Allow, await AskAsync(sidecars[0], "alice"));
        await fleet.StartControlPlaneAsync();
        var removed = await fleet.Directories.ChangeMembershipsAsync(
            new ChangeMembershipsRequest { Entity = "User::\"alice\"", Removed = { "Role::\"reader\"" } }, cancellationToken: Cancellation);
        foreach (var sidecar in sidecars)
        {
            Assert.Equal(Decision.Deny, await AskAsync(sidecar, "alice", removed.Revision));
        }
    }

    /// <summary>Killed (-9) sooner or later after the last message: all of the import is there afterwards, or nothing; and all if it was acknowledged.</summary>
    [Theory]
    [InlineData(-1)]
    [InlineData(0)]
    [InlineData(150)]
    [InlineData(400)]
    [InlineData(800)]
    public async Task ControlPlaneKilledDuringAnImport_AllOfItIsThereOrNothing_AndWhatWasAcknowledgedIs(int msAfterTheLast)
    {
        const int Messages = 20, PerMessage = 500;
        await using var fleet = await Fleet.StartAsync();
        var written = await WriteAsync(fleet, User("alice", "reader"));
        using var import = fleet.Directories.ImportEntities(cancellationToken: Cancellation);
        var acknowledged = "";
        try
        {
            for (var i = 0; i < Messages; i++)
            {
                var some = Enumerable.Range(i * PerMessage, PerMessage).Select(n => new StoredEntity { Json = User($"{n}", "reader") });
                await import.RequestStream.WriteAsync(new ImportEntitiesRequest { Entities = { some } }, Cancellation);
                Assert.True(await import.ResponseStream.MoveNext(Cancellation));
                Assert.Equal((ulong)((i + 1) * PerMessage), import.ResponseStream.Current.Received);
            }

            if (msAfterTheLast >= 0)
            {
                await import.RequestStream.CompleteAsync();
                var last = import.ResponseStream.MoveNext(Cancellation);
                await Task.WhenAny(last, Task.Delay(msAfterTheLast, Cancellation));
                acknowledged = last.IsCompletedSuccessfully ? import.ResponseStream.Current.Revision : "";
            }
        }
        finally
        {
            fleet.KillControlPlane();
        }

        await fleet.StartControlPlaneAsync();
        var there = 0;
        foreach (var user in new[] { "0", "4999", "9999" })
        {
            there += await IsThereAsync(fleet, user) ? 1 : 0;
        }

        Assert.True(there is 0 or 3, $"{there} of 3");
        Assert.True(acknowledged.Length == 0 || there == 3);
        Assert.True(msAfterTheLast >= 0 || there == 0);
        Assert.True(await IsThereAsync(fleet, "alice"));
        // And it takes writes again, each with a revision of its own.
        Assert.Equal(NumberOf(written.Revision) + (there == 3 ? 2UL : 1UL), NumberOf((await WriteAsync(fleet, User("bob", "reader"))).Revision));
    }

    private static async Task<bool> IsThereAsync(Fleet fleet, string user)
    {
        try
        {
            return await fleet.Directories.GetEntityAsync(new GetEntityRequest { Entity = $"User::\"{user}\"" }, cancellationToken: Cancellation) is not null;
        }
        catch (RpcException e) when (e.StatusCode == StatusCode.NotFound)
        {
            return false;
        }
    }
}
