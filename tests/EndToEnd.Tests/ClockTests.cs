using System.Globalization;
using AuthSidecar.ControlPlane.V1;
using Google.Rpc;
using Grpc.Core;
using static EndToEnd.Tests.Writes;
using Decision = AuthSidecar.V1.Decision;

namespace EndToEnd.Tests;

/// <summary>A clock that is wrong, an address where nobody is, a certificate of somebody else: whatever keeps a sidecar from its control plane is said, once, with what to do.</summary>
public sealed class ClockTests
{
    internal const string FakeTime = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task ClockWithinAMinute_Answers()
    {
        await using var fleet = await StartAsync();
        SetClock(fleet, "-30s");
        var sidecar = await fleet.JoinAsync("one", await TokenAsync(fleet));
        await Fleet.UntilAsync(async () => await AskAsync(sidecar, "alice") == Decision.Allow);
        var listed = Assert.Single((await fleet.Sidecars.ListSidecarsAsync(new ListSidecarsRequest(), cancellationToken: Cancellation)).Sidecars);
        Assert.True(listed.HasClockAheadMs);
        Assert.InRange(listed.ClockAheadMs, -35_000, -25_000);
    }

    /// <summary>Not enrolled yet: nothing of the token is spent on a certificate that could not be used.</summary>
    [Theory]
    [InlineData("+2m", "ahead of")]
    [InlineData("-10m", "behind")]
    [InlineData("+1d", "ahead of")]
    public async Task Enrol_WithAClockThatIsWrong_SaidOnceAndNoUseSpent(string clock, string direction)
    {
        await using var fleet = await StartAsync();
        var token = await TokenAsync(fleet);
        SetClock(fleet, clock);
        fleet.StartJoining("one", token);
        await Fleet.UntilAsync(() => Task.FromResult(fleet.OutputOf("one").Any(l => l.Contains("not connected to", StringComparison.Ordinal))));
        // For as long as it takes to try again several times.
        await Task.Delay(TimeSpan.FromSeconds(5), Cancellation);
        var said = Assert.Single(fleet.OutputOf("one"), l => l.Contains("control plane", StringComparison.Ordinal) && l.Contains("Warning", StringComparison.Ordinal));
        Assert.Contains("enrolment failed: clock skew: the local clock is ", said, StringComparison.Ordinal);
        Assert.Contains($" {direction} the control plane, limit 1 min 0 s; synchronize the clocks (NTP)", said, StringComparison.Ordinal);
        var asked = await Assert.ThrowsAsync<RpcException>(() => AskAsync(fleet.ClientOf("one"), "alice"));
        Assert.Equal((StatusCode.Unavailable, "ERROR_REASON_NO_SNAPSHOT"), (asked.StatusCode, asked.GetRpcStatus()!.GetDetail<ErrorInfo>()!.Reason));
        Assert.Contains("clock skew: the local clock is", asked.Status.Detail, StringComparison.Ordinal);

        fleet.SidecarEnvironment = null;
        await fleet.JoinAsync("two", token);
    }

    /// <summary>Enrolled already, or by a CA of its own: what it serves grows old, and everybody hears why.</summary>
    [Fact]
    public async Task Heartbeats_WithAClockThatIsWrong_SaidOnceReportedAndShown()
    {
        await using var fleet = await Fleet.StartAsync();
        await WriteAsync(fleet, User("alice", "reader"));
        await PublishAsync(fleet, "", ReadersRead);
        SetClock(fleet, "+10m");
        fleet.StartSidecar("one");
        await Fleet.UntilAsync(async () => (await fleet.Sidecars.ListSidecarsAsync(new ListSidecarsRequest(), cancellationToken: Cancellation)).Sidecars.Any(s => s.RefusedHeartbeats > 1));
        var listed = Assert.Single((await fleet.Sidecars.ListSidecarsAsync(new ListSidecarsRequest(), cancellationToken: Cancellation)).Sidecars);
        Assert.False(listed.IsCurrent);
        Assert.InRange(listed.ClockAheadMs, 595_000, 660_000);
        Assert.Contains("heartbeats rejected: clock skew: the local clock is 1", Assert.Single(listed.Problems), StringComparison.Ordinal);
        var said = Assert.Single(fleet.OutputOf("one"), l => l.Contains("heartbeats rejected", StringComparison.Ordinal));
        Assert.Contains("\"LogLevel\":\"Error\"", said, StringComparison.Ordinal);
        var shown = await Binary.RunControlAsync("sidecars", "list", "--admin-socket", fleet.In("control.sock"));
        Assert.Matches("stale for \\d+ s, .*clock \\+10 min", shown.Output);
        Assert.Contains("  problem: heartbeats rejected: ", shown.Output, StringComparison.Ordinal);
        var health = await Binary.RunAsync("health", "--address", $"unix:{fleet.In("one.sock")}");
        Assert.NotEqual(0, health.ExitCode);
    }

    /// <summary>A clock that is set right: what was refused before is had now, and not when it happens to be written again.</summary>
    [Fact]
    public async Task ClockSetRight_WhatWasRefusedIsHadAgain()
    {
        await using var fleet = await Fleet.StartAsync();
        await WriteAsync(fleet, User("alice", "reader"));
        await PublishAsync(fleet, "", ReadersRead);
        SetClock(fleet, "-2m");
        var file = fleet.In("clock");
        await File.WriteAllTextAsync(file, "-2m\n", Cancellation);
        fleet.SidecarEnvironment = new Dictionary<string, string>(fleet.SidecarEnvironment!) { ["FAKETIME_TIMESTAMP_FILE"] = file, ["FAKETIME_NO_CACHE"] = "1" };
        ((Dictionary<string, string>)fleet.SidecarEnvironment).Remove("FAKETIME");
        fleet.StartSidecar("one");
        await Fleet.UntilAsync(() => Task.FromResult(fleet.OutputOf("one").Any(l => l.Contains("using the previous one: Expired", StringComparison.Ordinal))));
        await File.WriteAllTextAsync(file, "+0s\n", Cancellation);
        await Fleet.UntilAsync(async () => await AskAsync(fleet.ClientOf("one"), "alice") == Decision.Allow);
        Assert.Contains(fleet.OutputOf("one"), l => l.Contains("heartbeats accepted again", StringComparison.Ordinal));
    }

    /// <summary>One line when it is lost, and one when it is found again; never one without a cause.</summary>
    [Fact]
    public async Task ControlPlane_AwayForAWhile_SaidOnceWhenLostAndOnceWhenFound()
    {
        await using var fleet = await Fleet.StartAsync();
        await PublishAsync(fleet, "", ReadersRead);
        await fleet.StartSidecarAsync("one");
        fleet.KillControlPlane();
        await Task.Delay(TimeSpan.FromSeconds(8), Cancellation);
        await fleet.StartControlPlaneAsync();
        await Fleet.UntilAsync(() => Task.FromResult(fleet.OutputOf("one").Any(l => l.Contains(" again, after ", StringComparison.Ordinal))));
        var lines = fleet.OutputOf("one").Where(l => l.Contains("control plane at", StringComparison.Ordinal)).ToList();
        Assert.Equal(2, lines.Count);
        Assert.Matches(string.Create(CultureInfo.InvariantCulture, $"not connected to the control plane at https://127\\.0\\.0\\.1:{fleet.Port}/: .+\","), lines[0]);
        Assert.DoesNotContain(lines, l => l.Contains("subchannel", StringComparison.Ordinal) || l.Contains("inner exception", StringComparison.Ordinal));
    }

    [Fact]
    public async Task ControlPlane_ThatIsNotThere_SaysSoWithTheCause()
    {
        await using var fleet = await Fleet.StartAsync();
        fleet.Addresses = ["https://127.0.0.1:1"];
        fleet.StartSidecar("one");
        await Fleet.UntilAsync(() => Task.FromResult(fleet.OutputOf("one").Any(l => l.Contains("not connected to the control plane at https://127.0.0.1:1/: Connection refused", StringComparison.Ordinal))));
        var asked = await Assert.ThrowsAsync<RpcException>(() => AskAsync(fleet.ClientOf("one"), "alice"));
        Assert.Contains("not connected to the control plane at https://127.0.0.1:1/: Connection refused", asked.Status.Detail, StringComparison.Ordinal);
    }

    /// <summary>Pinned keys of some other control plane: nothing of this one counts.</summary>
    [Fact]
    public async Task ControlPlane_OfOthers_HeartbeatsAreSaidToBeRefused()
    {
        await using var fleet = await Fleet.StartAsync();
        await PublishAsync(fleet, "", ReadersRead);
        fleet.StartSidecarOfOthers("one");
        await Fleet.UntilAsync(() => Task.FromResult(fleet.OutputOf("one").Any(l => l.Contains("heartbeats rejected", StringComparison.Ordinal) && l.Contains("not signed by a pinned key", StringComparison.Ordinal))));
    }

    private static async Task<Fleet> StartAsync()
    {
        var fleet = await Fleet.StartAsync(ownCa: true);
        await WriteAsync(fleet, User("alice", "reader"));
        await PublishAsync(fleet, "", ReadersRead);
        return fleet;
    }

    private static async Task<string> TokenAsync(Fleet fleet) =>
        (await fleet.Sidecars.CreateJoinTokenAsync(new CreateJoinTokenRequest { Application = "documents" }, cancellationToken: Cancellation)).Token;

    private static void SetClock(Fleet fleet, string offset)
    {
        Assert.SkipUnless(File.Exists(FakeTime), $"there is no {FakeTime}; ./test.sh installs it, as Debian's `faketime`");
        fleet.SidecarEnvironment = new Dictionary<string, string> { ["LD_PRELOAD"] = FakeTime, ["FAKETIME"] = offset, ["DONT_FAKE_MONOTONIC"] = "1", ["FAKETIME_DONT_FAKE_MONOTONIC"] = "1" };
    }
}
