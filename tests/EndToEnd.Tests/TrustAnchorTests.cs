using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using AuthSidecar.ControlPlane.V1;
using AuthSidecar.V1;
using Grpc.Core;

namespace EndToEnd.Tests;

/// <summary>The CA and the bundle-signing key are rotated, and no sidecar enrols anew.</summary>
public sealed class TrustAnchorTests
{
    private const string SpentToken = "join.spent.spent.spent";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Rotate_Both_SidecarsThatAreConnectedAwayAndNew_FollowTheNextOnes()
    {
        await using var fleet = await Fleet.StartAsync(ownCa: true);
        await Writes.PublishAsync(fleet, "", Writes.ReadersRead);
        var early = await NewTokenAsync(fleet);
        await fleet.JoinAsync("one", await NewTokenAsync(fleet));
        await fleet.JoinAsync("two", await NewTokenAsync(fleet));
        fleet.KillSidecar("two");
        var before = (Keys: KeysOf(fleet.In("one/identity/bundle-keys.json")), Ca: File.ReadAllText(fleet.In("one/identity/ca.pem")));
        Assert.Single(before.Keys);

        var announced = await RotateAsync(fleet, TrustAnchorUse.BundleSigning, announceSeconds: 3);
        Assert.Equal(TrustAnchorState.Announced, announced.State);
        Assert.Equal(StatusCode.AlreadyExists, (await Assert.ThrowsAsync<RpcException>(() => RotateAsync(fleet, TrustAnchorUse.BundleSigning, announceSeconds: 3))).StatusCode);
        await RotateAsync(fleet, TrustAnchorUse.Ca, announceSeconds: 3);
        await Fleet.UntilAsync(async () => (await ListAsync(fleet)).Count(a => a.State == TrustAnchorState.Active) == 2 && (await ListAsync(fleet)).Count(a => a.State == TrustAnchorState.Retiring) == 2);
        await Fleet.UntilAsync(() => Task.FromResult(KeysOf(fleet.In("one/identity/bundle-keys.json")).SequenceEqual([announced.KeyId, .. before.Keys]) && Count(fleet.In("one/identity/ca.pem")) == 2));
        await Fleet.UntilAsync(() => Task.FromResult(new[] { "bundle-keys.json", "ca.pem" }.All(f => File.ReadAllText(fleet.In($"control/{f}")) == File.ReadAllText(fleet.In($"one/identity/{f}")))));

        // What is signed by the next one is applied; by whoever was away, too; and who has an early token finds the control plane.
        await DemandFollowingAsync(fleet, "one");
        fleet.StartJoining("two", SpentToken);
        await DemandFollowingAsync(fleet, "two");
        Assert.Equal([announced.KeyId, .. before.Keys], KeysOf(fleet.In("two/identity/bundle-keys.json")));
        await fleet.JoinAsync("three", early);
        await DemandFollowingAsync(fleet, "three");
        Assert.DoesNotContain(fleet.OutputOf("two"), l => l.Contains("enrolled", StringComparison.Ordinal));
        Assert.DoesNotContain(fleet.OutputOf("one"), l => l.Contains("rejected", StringComparison.Ordinal) || l.Contains("refused", StringComparison.Ordinal) || l.Contains("not connected", StringComparison.Ordinal));
        Assert.All((await fleet.Sidecars.ListSidecarsAsync(new ListSidecarsRequest(), cancellationToken: Cancellation)).Sidecars, s => Assert.Empty(s.Problems));
    }

    /// <summary>Sidecars then trust a key that the database does not have, and reject every heartbeat, so that none can prove by one what it has.</summary>
    [Fact]
    public async Task Restore_ToBeforeARotation_IsLoggedAndShown()
    {
        await using var fleet = await Fleet.StartAsync(ownCa: true);
        await Writes.PublishAsync(fleet, "", Writes.ReadersRead);
        await fleet.JoinAsync("one", await NewTokenAsync(fleet));
        Assert.Equal(0, (await Binary.RunControlAsync("backup", fleet.In("backup.db"), "--state", fleet.In("control"))).ExitCode);
        var key = await RotateAsync(fleet, TrustAnchorUse.BundleSigning, revoke: true);
        await Fleet.UntilAsync(() => Task.FromResult(KeysOf(fleet.In("one/identity/bundle-keys.json")).SequenceEqual([key.KeyId])));
        await Fleet.UntilAsync(() => Task.FromResult(fleet.OutputOf().Any(l => l.Contains($"trust anchors changed: bundle-signing key {key.KeyId} active; bundle-signing key ", StringComparison.Ordinal))));
        fleet.KillControlPlane();
        File.Copy(fleet.In("backup.db"), fleet.In("control/control.db"), overwrite: true);
        File.Delete(fleet.In("control/control.db-wal"));
        File.Delete(fleet.In("control/control.db-shm"));
        await fleet.StartControlPlaneAsync();

        var problem = $"does not trust any bundle-signing key of this database, only {key.KeyId}: either the database was restored from a backup";
        await Fleet.UntilAsync(() => Task.FromResult(fleet.OutputOf().Any(l => l.Contains(problem, StringComparison.Ordinal) && l.Contains("/sidecar/one ", StringComparison.Ordinal))));
        await Fleet.UntilAsync(async () => (await fleet.Sidecars.ListSidecarsAsync(new ListSidecarsRequest(), cancellationToken: Cancellation)).Sidecars.Single().Problems.Any(p => p.StartsWith(problem, StringComparison.Ordinal)));
    }

    /// <summary>They are stolen: from then on nothing that they have signed or issued is trusted, but by those that have not heard of it yet; and these hear of it first.</summary>
    [Fact]
    public async Task Rotate_Revoking_InForceWithinSeconds_AndWithoutEnrollingAnew()
    {
        await using var fleet = await Fleet.StartAsync(ownCa: true);
        await Writes.PublishAsync(fleet, "", Writes.ReadersRead);
        var early = await NewTokenAsync(fleet);
        await fleet.JoinAsync("one", await NewTokenAsync(fleet));
        await fleet.JoinAsync("two", await NewTokenAsync(fleet));
        fleet.KillSidecar("two");
        var serial = SerialOf(fleet, "one");
        var rotated = TimeProvider.System.GetUtcNow().UtcDateTime;
        var key = await RotateAsync(fleet, TrustAnchorUse.BundleSigning, revoke: true);
        await RotateAsync(fleet, TrustAnchorUse.Ca, revoke: true);
        await Fleet.UntilAsync(() => Task.FromResult(
            KeysOf(fleet.In("one/identity/bundle-keys.json")).SequenceEqual([key.KeyId]) && Count(fleet.In("one/identity/ca.pem")) == 1 && SerialOf(fleet, "one") != serial && IsOfCa(fleet, "one")));
        await DemandFollowingAsync(fleet, "one");
        fleet.StartJoining("two", SpentToken);
        await DemandFollowingAsync(fleet, "two");
        Assert.Equal([key.KeyId], KeysOf(fleet.In("two/identity/bundle-keys.json")));
        await Fleet.UntilAsync(() => Task.FromResult(IsOfCa(fleet, "two")));
        Assert.DoesNotContain(fleet.OutputOf("two"), l => l.Contains("enrolled", StringComparison.Ordinal));

        // Who begins without a control plane begins with what the next key has signed: all of it came again.
        var policies = $"policies-{await NewestAsync(fleet, "one", "policies")}";
        await Fleet.UntilAsync(() => Task.FromResult(File.GetLastWriteTimeUtc(fleet.In($"one/last-known-good/{policies}")) > rotated));
        await fleet.UntilKeptAsync("one", policies);
        // The entities came with them, and the heartbeat that makes all of it current.
        await Task.Delay(2_000, Cancellation);
        fleet.KillControlPlane();
        fleet.KillSidecar("one");
        fleet.StartJoining("one", SpentToken);
        await Fleet.UntilAsync(() => Task.FromResult(fleet.OutputOf("one").Any(l => l.Contains("restored last-known-good revision", StringComparison.Ordinal) || l.Contains("last-known-good state discarded", StringComparison.Ordinal))));
        Assert.Contains(fleet.OutputOf("one"), l => l.Contains("restored last-known-good revision", StringComparison.Ordinal));

        // A token that names the CA of before is worth nothing.
        await fleet.StartControlPlaneAsync();
        fleet.StartJoining("three", early);
        await Fleet.UntilAsync(() => Task.FromResult(fleet.OutputOf("three").Any(l => l.Contains("the CA of the join token", StringComparison.Ordinal))));
        await fleet.JoinAsync("four", await NewTokenAsync(fleet));
    }

    /// <summary>A sidecar with a file of its operator is told in time, and takes the file as soon as it is there.</summary>
    [Fact]
    public async Task Rotate_WithFilesOfAnOperator_MissingKeyIsReported_UntilTheFileIsReplaced()
    {
        await using var fleet = await Fleet.StartAsync();
        await Writes.PublishAsync(fleet, "", Writes.ReadersRead);
        File.Copy(fleet.In("control/bundle-keys.json"), fleet.In("pinned.json"));
        fleet.StartSidecar("one", "documents", fleet.In("pinned.json"));
        await DemandFollowingAsync(fleet, "one");
        var announced = await RotateAsync(fleet, TrustAnchorUse.BundleSigning, announceSeconds: 3_600);
        await Fleet.UntilAsync(() => Task.FromResult(fleet.OutputOf("one").Any(l => l.Contains($"pinned.json` lacks bundle-signing keys of the control plane: {announced.KeyId}", StringComparison.Ordinal))));
        await Fleet.UntilAsync(async () => (await fleet.Sidecars.ListSidecarsAsync(new ListSidecarsRequest(), cancellationToken: Cancellation)).Sidecars is [var only]
            && only.Problems.Any(p => p.StartsWith($"does not trust the bundle-signing key {announced.KeyId}, active from ", StringComparison.Ordinal)) && only.State == SidecarState.Current);

        // Half of it: what there was goes on.
        var whole = await File.ReadAllTextAsync(fleet.In("control/bundle-keys.json"), Cancellation);
        await File.WriteAllTextAsync(fleet.In("pinned.json"), whole[..(whole.Length / 2)], Cancellation);
        await Fleet.UntilAsync(() => Task.FromResult(fleet.OutputOf("one").Any(l => l.Contains("failed to reload the pinned keys, using the previous ones: ", StringComparison.Ordinal))));
        await File.WriteAllTextAsync(fleet.In("pinned.json"), whole, Cancellation);
        await Fleet.UntilAsync(async () => (await fleet.Sidecars.ListSidecarsAsync(new ListSidecarsRequest(), cancellationToken: Cancellation)).Sidecars is [{ Problems.Count: 0 }]);
        await DemandFollowingAsync(fleet, "one");
        Assert.DoesNotContain(fleet.OutputOf("one"), l => l.Contains("not connected", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(TrustAnchorUse.Unspecified, false, 0, "use: ")]
    [InlineData(TrustAnchorUse.Ca, false, -1, "announce_seconds: ")]
    [InlineData(TrustAnchorUse.Ca, false, 2_592_001, "announce_seconds: ")]
    [InlineData(TrustAnchorUse.Ca, true, 60, "announce_seconds: a revocation (`revocations add`, `--revoke`) has no announcement period")]
    public async Task Rotate_WithWhatCannotBe_IsRefused(TrustAnchorUse use, bool revoke, int announceSeconds, string why)
    {
        await using var fleet = await Fleet.StartAsync();
        var refused = await Assert.ThrowsAsync<RpcException>(() => RotateAsync(fleet, use, revoke, announceSeconds));
        Assert.Equal(StatusCode.InvalidArgument, refused.StatusCode);
        Assert.StartsWith(why, refused.Status.Detail, StringComparison.Ordinal);
        Assert.Equal(2, (await ListAsync(fleet)).Count);
    }

    private static async Task<string> NewTokenAsync(Fleet fleet) =>
        (await fleet.Sidecars.CreateJoinTokenAsync(new CreateJoinTokenRequest { Application = "documents" }, cancellationToken: Cancellation)).Token;

    private static async Task<TrustAnchor> RotateAsync(Fleet fleet, TrustAnchorUse use, bool revoke = false, int announceSeconds = 0) =>
        (await fleet.Keys.RotateTrustAnchorAsync(new RotateTrustAnchorRequest { Use = use, Revoke = revoke, AnnounceSeconds = announceSeconds }, cancellationToken: Cancellation)).Anchor;

    private static async Task<IReadOnlyList<TrustAnchor>> ListAsync(Fleet fleet) => (await fleet.Keys.ListTrustAnchorsAsync(new ListTrustAnchorsRequest(), cancellationToken: Cancellation)).Anchors;

    /// <summary>That a sidecar enforces what is written now, and has it as current.</summary>
    private static async Task DemandFollowingAsync(Fleet fleet, string sidecar)
    {
        var id = Guid.NewGuid().ToString("N");
        var written = await Writes.WriteAsync(fleet, Writes.User(id, "reader"));
        await Fleet.UntilAsync(async () => await Writes.AskAsync(fleet.ClientOf(sidecar), id, written.Revision) == Decision.Allow);
    }

    private static async Task<string> NewestAsync(Fleet fleet, string sidecar, string type) =>
        (await fleet.Sidecars.ListSidecarsAsync(new ListSidecarsRequest { Name = sidecar }, cancellationToken: Cancellation)).Sidecars.Single().DataTypes.Single(r => r.Type == type).AppliedRevision;

    private static List<string> KeysOf(string file)
    {
        using var json = System.Text.Json.JsonDocument.Parse(File.ReadAllText(file));
        return [.. json.RootElement.GetProperty("keys").EnumerateArray().Select(k => k.GetProperty("kid").GetString()!)];
    }

    private static X509Certificate2Collection Read(string file)
    {
        var certificates = new X509Certificate2Collection();
        certificates.ImportFromPemFile(file);
        return certificates;
    }

    private static int Count(string file) => Read(file).Count;

    private static string SerialOf(Fleet fleet, string sidecar)
    {
        using var certificate = X509Certificate2.CreateFromPem(File.ReadAllText(fleet.In($"{sidecar}/identity/certificate.pem")));
        return certificate.SerialNumber;
    }

    private static bool IsOfCa(Fleet fleet, string sidecar)
    {
        using var certificate = X509Certificate2.CreateFromPem(File.ReadAllText(fleet.In($"{sidecar}/identity/certificate.pem")));
        return Read(fleet.In("control/ca.pem")).Any(a => CryptographicOperations.FixedTimeEquals(a.SubjectName.RawData, certificate.IssuerName.RawData));
    }
}
