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
    public void Open_AnyOneByteChanged_RefusedWithTheLine()
    {
        using (var store = Open())
        {
            store.TryClaim(Factor, 1);
            store.TryClaim(Factor, 2);
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
            store.TryClaim(Factor, 1);
            store.TryClaim(Factor, 2);
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
