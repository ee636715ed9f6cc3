using AuthSidecar.Cedar;
using AuthSidecar.Mfa;
using AuthSidecar.Tests.Testing;

namespace AuthSidecar.Tests.Mfa;

public sealed class MfaAttemptStoreTests : IDisposable
{
    private static readonly FactorKey Factor = new(new EntityUid("User", "alice \"the\" first\n"), "totp");
    private static readonly DateTimeOffset Now = DateTimeOffset.FromUnixTimeSeconds(1_800_000_000);

    private readonly TemporaryFolder _folder = new();

    private string File => _folder["claims"];

    [Fact]
    public void Open_FileThatAnotherStoreHas_Refused()
    {
        using var first = Open();
        Assert.Throws<IOException>(Open);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(20)]
    public void Open_LastLineTorn_DroppedAndTheRestKept(int lost)
    {
        using (var store = Open())
        {
            TryRedeem(store, Factor, 1);
            TryRedeem(store, Factor, 2);
        }

        using (var file = System.IO.File.OpenWrite(File))
        {
            file.SetLength(file.Length - lost);
        }

        using var reopened = Open();
        Assert.False(TryRedeem(reopened, Factor, 2 - 1));
        Assert.True(TryRedeem(reopened, Factor, 3));
    }

    [Fact]
    public void Open_AnyOneByteChanged_RefusedWithTheLine()
    {
        using (var store = Open())
        {
            TryRedeem(store, Factor, 1);
            TryRedeem(store, Factor, 2);
        }

        var whole = System.IO.File.ReadAllBytes(File);
        for (var i = 0; i < whole.Length - 1; i++)
        {
            var damaged = whole.ToArray();
            damaged[i] = damaged[i] == (byte)'1' ? (byte)'2' : (byte)'1';
            System.IO.File.WriteAllBytes(File, damaged);
            var e = Assert.Throws<InvalidDataException>(Open);
            Assert.Matches("damaged in line [1-4]:", e.Message);
        }
    }

    [Fact]
    public void Open_LineLostInTheMiddle_Refused()
    {
        using (var store = Open())
        {
            TryRedeem(store, Factor, 1);
            TryRedeem(store, Factor, 2);
        }

        var lines = System.IO.File.ReadAllLines(File);
        System.IO.File.WriteAllText(File, string.Concat(lines.Where((_, i) => i != 1).Select(l => l + "\n")));
        Assert.Contains("line 2", Assert.Throws<InvalidDataException>(Open).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Open_NewFile_IsItsOwnersAlone()
    {
        using var store = Open();
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, System.IO.File.GetUnixFileMode(File));
    }

    [Fact]
    public async Task Open_AfterSoManyChangesThatTheJournalWasCompacted_NothingIsLost()
    {
        const int Claims = 30_000;
        using (var store = Open())
        {
            // Few enough subjects for the journal to be mostly history.
            foreach (var steps in Enumerable.Range(1, Claims).Chunk(700))
            {
                Assert.All(await Task.WhenAll(steps.Select(i => RedeemAsync(store, Factor with { FactorId = $"f{i % 7}" }, i))), a => Assert.Equal(AttemptOutcome.Redeemed, a.Outcome));
            }
        }

        Assert.True(new FileInfo(File).Length < 4 * 1024 * 1024 + 1024);
        using var reopened = Open();
        for (var i = Claims - 6; i <= Claims; i++)
        {
            Assert.False(TryRedeem(reopened, Factor with { FactorId = $"f{i % 7}" }, i));
        }
    }

    [Fact]
    public async Task Attempt_ClockThatStepsBack_DoesNotUnlock()
    {
        using var store = Open();
        while ((await FailAsync(store, Factor, Now)).Outcome != AttemptOutcome.Locked)
        {
        }

        Assert.Equal(AttemptOutcome.Locked, (await FailAsync(store, Factor, Now.AddDays(-1))).Outcome);
    }

    [Fact]
    public async Task Attempt_RedeemedCodeAgain_IsNoFailure()
    {
        using var store = Open();
        Assert.True(TryRedeem(store, Factor, 1));
        var again = await Task.WhenAll(Enumerable.Range(0, 60).Select(_ => RedeemAsync(store, Factor, 1)));
        Assert.All(again, a => Assert.Equal((AttemptOutcome.AlreadyRedeemed, 5), (a.Outcome, a.AttemptsLeft)));
        Assert.Equal(0, store.FailuresOf(Factor.Subject));
        Assert.True(TryRedeem(store, Factor, 2));
    }

    [Fact]
    public async Task Attempt_OfACallerWhoHasGone_DoesNotCount()
    {
        using var store = Open();
        using var gone = new CancellationTokenSource();
        // The writer is busy while the caller leaves.
        using var release = new ManualResetEventSlim();
        var busy = store.AttemptAsync(Factor with { FactorId = "other" }, Now, _ => { release.Wait(); return new CheckedCode(CodeKind.Right, 1); }, CancellationToken.None);
        var left = store.AttemptAsync(Factor, Now, _ => throw new InvalidOperationException("nobody is there to be told"), gone.Token);
        await gone.CancelAsync();
        release.Set();
        Assert.Equal(AttemptOutcome.Redeemed, (await busy).Outcome);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => left);
        Assert.Equal(0, store.FailuresOf(Factor.Subject));
    }

    [Fact]
    public async Task Attempt_MoreThanCanWait_RefusedAtOnce()
    {
        using var store = Open();
        using var release = new ManualResetEventSlim();
        var busy = store.AttemptAsync(Factor, Now, _ => { release.Wait(); return new CheckedCode(CodeKind.Right, 1); }, CancellationToken.None);
        // More than one batch that was taken already and one that is waited for: the writer may or may not have begun.
        var waiting = Enumerable.Range(0, 10_000).Select(i => RedeemAsync(store, Factor with { FactorId = $"f{i}" }, 1)).ToList();
        Assert.All(waiting.Where(w => w.IsCompleted), w => Assert.IsType<MfaAttemptStoreBusyException>(w.Exception!.InnerException));
        Assert.Contains(waiting, w => w.IsFaulted);
        release.Set();
        await busy;
        await Task.WhenAll(waiting.Where(w => !w.IsFaulted));
    }

    private static Task<Attempt> FailAsync(MfaAttemptStore store, FactorKey factor, DateTimeOffset now) =>
        store.AttemptAsync(factor, now, _ => new CheckedCode(CodeKind.Wrong), CancellationToken.None);

    private static Task<Attempt> RedeemAsync(MfaAttemptStore store, FactorKey factor, long step) =>
        store.AttemptAsync(factor, Now, redeemed => new CheckedCode(redeemed.Contains(step) ? CodeKind.Redeemed : CodeKind.Right, step), CancellationToken.None);

    private static bool TryRedeem(MfaAttemptStore store, FactorKey factor, long step) => RedeemAsync(store, factor, step).GetAwaiter().GetResult().Outcome == AttemptOutcome.Redeemed;

    private MfaAttemptStore Open() => MfaAttemptStore.Open(File, new MfaAttemptLimits());

    public void Dispose() => _folder.Dispose();
}
