using AuthSidecar.ControlPlane.V1;
using Grpc.Core;

namespace EndToEnd.Tests;

/// <summary>How a sidecar comes to its certificate, and how it loses it.</summary>
public sealed class EnrolmentTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Join_WithAToken_GetsACertificateAndFollows_UntilItIsRemoved()
    {
        await using var fleet = await Fleet.StartAsync(ownCa: true);
        var token = await NewTokenAsync(fleet);
        var sidecar = await fleet.JoinAsync("one", token);
        Assert.Equal(["one"], (await ListAsync(fleet)).Select(s => s.Name));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(fleet.In("one/identity/key.pem")));

        // The token was good for one.
        var second = fleet.StartJoining("two", token);
        await Task.Delay(2_000, Cancellation);
        Assert.Equal(["one"], (await ListAsync(fleet)).Select(s => s.Name));
        Assert.False(second.HasExited);

        await fleet.Sidecars.RemoveSidecarAsync(new RemoveSidecarRequest { Application = "documents", Name = "one" }, cancellationToken: Cancellation);
        await Fleet.UntilAsync(async () => (await ListAsync(fleet)).Count == 0);
        // What it has, it goes on serving, for as long as its operator lets it.
        Assert.NotNull(await sidecar.CheckPermissionAsync(Fleet.Check("User", "nobody"), cancellationToken: Cancellation));
        await Task.Delay(1_000, Cancellation);
        Assert.Empty(await ListAsync(fleet));
        Assert.Equal(StatusCode.NotFound, (await Assert.ThrowsAsync<RpcException>(async () =>
            await fleet.Sidecars.RemoveSidecarAsync(new RemoveSidecarRequest { Application = "documents", Name = "one" }, cancellationToken: Cancellation))).StatusCode);

        // With another token, it is another sidecar of the same name.
        await fleet.JoinAsync("three", await NewTokenAsync(fleet));
        await Fleet.UntilAsync(async () => (await ListAsync(fleet)).Select(s => s.Name).SequenceEqual(["three"]));
    }

    [Fact]
    public async Task Join_WithATokenOfAnotherControlPlane_ConnectsToNoOther()
    {
        await using var fleet = await Fleet.StartAsync(ownCa: true);
        await using var other = await Fleet.StartAsync(ownCa: true);
        fleet.StartJoining("one", await NewTokenAsync(other));
        await Task.Delay(2_000, Cancellation);
        Assert.False(Directory.Exists(fleet.In("one/identity")));
        Assert.Empty(await ListAsync(fleet));
    }

    [Theory]
    [InlineData(0, -1)]
    [InlineData(-1, 0)]
    [InlineData(10_001, 0)]
    [InlineData(0, 31 * 86_400)]
    public async Task CreateJoinToken_BeyondItsLimits_Refused(int uses, int lifetime)
    {
        await using var fleet = await Fleet.StartAsync(ownCa: true);
        Assert.Equal(StatusCode.InvalidArgument, (await Assert.ThrowsAsync<RpcException>(async () => await fleet.Sidecars.CreateJoinTokenAsync(
            new CreateJoinTokenRequest { Application = "documents", Uses = uses, LifetimeSeconds = lifetime }, cancellationToken: Cancellation))).StatusCode);
    }

    private static async Task<string> NewTokenAsync(Fleet fleet) =>
        (await fleet.Sidecars.CreateJoinTokenAsync(new CreateJoinTokenRequest { Application = "documents" }, cancellationToken: Cancellation)).Token;

    private static async Task<IReadOnlyList<Sidecar>> ListAsync(Fleet fleet) =>
        (await fleet.Sidecars.ListSidecarsAsync(new ListSidecarsRequest(), cancellationToken: Cancellation)).Sidecars;
}
