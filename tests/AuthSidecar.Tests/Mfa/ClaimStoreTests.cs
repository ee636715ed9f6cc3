using AuthSidecar.Cedar;
using AuthSidecar.Mfa;
using AuthSidecar.Tests.Testing;

namespace AuthSidecar.Tests.Mfa;

public sealed class ClaimStoreTests : IDisposable
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
            store.TryClaim(Factor, 1);
            store.TryClaim(Factor, 2);
        }

        using (var file = System.IO.File.OpenWrite(File))
        {
            file.SetLength(file.Length - lost);
        }

        using var reopened = Open();
        Assert.False(reopened.TryClaim(Factor, 2 - 1));
        Assert.True(reopened.TryClaim(Factor, 3));
    }

    [Fact]
    public void Open_DamagedInTheMiddle_RefusedWithTheLine()
    {
        using (var store = Open())
        {
            store.TryClaim(Factor, 1);
            store.TryClaim(Factor, 2);
        }

        var lines = System.IO.File.ReadAllLines(File);
        lines[1] = lines[1].Replace('"', '\'');
        System.IO.File.WriteAllLines(File, lines);
        var e = Assert.Throws<InvalidDataException>(Open);
        Assert.Contains("line 2", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Open_AfterSoManyChangesThatTheJournalWasCompacted_NothingIsLost()
    {
        const int Claims = 30_000;
        using (var store = Open())
        {
            // Few enough subjects for the journal to be mostly history.
            for (var i = 1; i <= Claims; i++)
            {
                Assert.True(store.TryClaim(Factor with { FactorId = $"f{i % 7}" }, i));
            }
        }

        Assert.True(new FileInfo(File).Length < 4 * 1024 * 1024 + 1024);
        using var reopened = Open();
        for (var i = Claims - 6; i <= Claims; i++)
        {
            Assert.False(reopened.TryClaim(Factor with { FactorId = $"f{i % 7}" }, i));
        }
    }

    [Fact]
    public void BeginAttempt_ClockThatStepsBack_DoesNotUnlock()
    {
        using var store = Open();
        Attempt attempt;
        do
        {
            attempt = store.BeginAttempt(Factor, Now);
        }
        while (!attempt.IsLocked);

        Assert.True(store.BeginAttempt(Factor, Now.AddDays(-1)).IsLocked);
    }

    private ClaimStore Open() => ClaimStore.Open(File, new AttemptLimits());

    public void Dispose() => _folder.Dispose();
}
