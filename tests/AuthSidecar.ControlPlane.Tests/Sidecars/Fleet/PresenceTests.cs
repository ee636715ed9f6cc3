using AuthSidecar.ControlPlane.Sidecars;
using AuthSidecar.ControlPlane.Sidecars.Fleet;
using AuthSidecar.ControlPlane.Tests.Testing;
using AuthSidecar.ControlPlane.V1;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace AuthSidecar.ControlPlane.Tests.Sidecars.Fleet;

/// <summary>Of PostgreSQL alone: SQLite has one node.</summary>
public sealed class PresenceTests(PostgresServer server) : StoreTest(new PostgresTestDatabase(server))
{
    /// <summary>A copied state folder whose two processes came to two nodes: neither node refuses one, and both answer.</summary>
    [Fact]
    public async Task Presence_OfASidecarThatAnotherNodeHasToo_IsReportedAsDuplicate()
    {
        var time = new FakeTimeProvider(TimeProvider.System.GetUtcNow());
        var fleet = new SidecarFleet(time);
        using var presence = new Presence(Node.Database, fleet, time, NullLogger<Presence>.Instance);
        var (copied, moved) = (Connect("copied"), Connect("moved"));
        await using (var context = Node.Database.Open())
        {
            foreach (var name in new[] { "copied", "moved" })
            {
                context.Sidecars.Add(new SidecarRow { Application = "app", Tenant = "", Name = name, Note = 1, Serial = "", PreviousSha256 = "", Certificate = "", KeySha256 = "", ValidFromMs = 0, ExpiresAtMs = 0, EnrolledAtMs = 0, IsRemoved = false });
            }

            await context.SaveChangesAsync(Cancellation);
        }

        for (var round = 0; round < 3; round++)
        {
            await using var context = Node.Database.Open();
            await context.Sidecars.ExecuteUpdateAsync(u => u.SetProperty(s => s.ConnectedTo, "another").SetProperty(s => s.HeardAtMs, time.GetUtcNow().ToUnixTimeMilliseconds()), Cancellation);
            // The one that has moved there does not answer here any more.
            copied.NoteStatus(new SidecarStatus(), time.GetUtcNow());
            await presence.FindDuplicatesAsync(Cancellation);
            Assert.Equal(round >= 1, copied.ClonedAt is not null);
            time.Advance(TimeSpan.FromSeconds(30));
        }

        Assert.Null(moved.ClonedAt);
        Assert.Contains(copied.ToMessage(time.GetUtcNow()).Problems, p => p.StartsWith("duplicate identity: ", StringComparison.Ordinal));

        ConnectedSidecar Connect(string name)
        {
            var sidecar = new ConnectedSidecar(new SidecarIdentity(new Placement("app", ""), name), name, "1.0.0", default, default, time);
            Assert.Null(fleet.TryAdd(sidecar));
            return sidecar;
        }
    }
}
