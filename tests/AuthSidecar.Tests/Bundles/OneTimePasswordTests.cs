using System.Text;
using OtpNet;

namespace AuthSidecar.Tests.Bundles;

public sealed class OneTimePasswordTests
{
    private static readonly byte[] Sha1Secret = Encoding.ASCII.GetBytes("12345678901234567890");

    /// <summary>RFC 4226, appendix D.</summary>
    [Theory]
    [InlineData(0, "755224")]
    [InlineData(1, "287082")]
    [InlineData(2, "359152")]
    [InlineData(3, "969429")]
    [InlineData(4, "338314")]
    [InlineData(5, "254676")]
    [InlineData(6, "287922")]
    [InlineData(7, "162583")]
    [InlineData(8, "399871")]
    [InlineData(9, "520489")]
    public void Compute_CountersOfRfc4226_GiveItsCodes(long counter, string code) => Assert.Equal(code, TotpCode.Compute(Sha1Secret, counter));

    /// <summary>
    /// RFC 6238, appendix B. Its codes have eight digits, and ours are the last six of them; its secrets for SHA-256 and SHA-512 have 32 and
    /// 64 bytes (erratum 2866). We enrol SHA-1 only, so the others go through the library beneath.
    /// </summary>
    [Theory]
    [InlineData(59, "94287082", "46119246", "90693936")]
    [InlineData(1111111109, "07081804", "68084774", "25091201")]
    [InlineData(1111111111, "14050471", "67062674", "99943326")]
    [InlineData(1234567890, "89005924", "91819424", "93441116")]
    [InlineData(2000000000, "69279037", "90698825", "38618901")]
    [InlineData(20000000000, "65353130", "77737706", "47863826")]
    public void Compute_TimesOfRfc6238_GiveItsCodes(long seconds, string sha1, string sha256, string sha512)
    {
        var time = DateTimeOffset.FromUnixTimeSeconds(seconds);
        Assert.Equal(sha1[2..], TotpCode.Compute(Sha1Secret, TotpCode.StepAt(time)));
        Assert.Equal(sha1, Code(OtpHashMode.Sha1, 20));
        Assert.Equal(sha256, Code(OtpHashMode.Sha256, 32));
        Assert.Equal(sha512, Code(OtpHashMode.Sha512, 64));

        string Code(OtpHashMode mode, int bytes) =>
            new Hotp([.. Enumerable.Range(0, bytes).Select(i => Sha1Secret[i % 20])], mode, 8).ComputeHOTP(TotpCode.StepAt(time));
    }

    [Theory]
    [InlineData(-31, false)]
    [InlineData(-30, true)]
    [InlineData(0, true)]
    [InlineData(59, true)]
    [InlineData(60, false)]
    public void FindStep_CodeOfAnotherMoment_AcceptedOneStepEachWay(int seconds, bool accepted)
    {
        // The first second of a step.
        var issued = DateTimeOffset.FromUnixTimeSeconds(1_000_000_020);
        var step = TotpCode.StepAt(issued);
        var found = TotpCode.FindStep(Sha1Secret, TotpCode.Compute(Sha1Secret, step), issued.AddSeconds(seconds));
        Assert.Equal(accepted ? step : null, found);
    }

    [Theory]
    [InlineData("287 082")]
    [InlineData("287-082")]
    [InlineData(" 287082 ")]
    public void FindStep_CodeTypedInGroups_IsTheSameCode(string typed) =>
        Assert.Equal(1, TotpCode.FindStep(Sha1Secret, typed, DateTimeOffset.FromUnixTimeSeconds(30)));

    [Theory]
    [InlineData("")]
    [InlineData("28708")]
    [InlineData("2870820")]
    [InlineData("28708a")]
    [InlineData("٢٨٧٠٨٢")]
    [InlineData("287082\0")]
    [InlineData("xxxxxx")]
    public void FindStep_WhatIsNoCode_MatchesNothing(string typed) =>
        Assert.Null(TotpCode.FindStep(Sha1Secret, typed, DateTimeOffset.FromUnixTimeSeconds(30)));

    [Fact]
    public void GenerateBackupCode_Always_Has128BitsAndIsReadBackHoweverItIsTyped()
    {
        var code = BackupCode.Generate();
        Assert.Equal(26, code.Replace("-", "", StringComparison.Ordinal).Length);
        Assert.Equal(16, Base32Encoding.ToBytes(code.Replace("-", "", StringComparison.Ordinal)).Length);
        Assert.Equal(BackupCode.Hash(code), BackupCode.Hash(code.ToLowerInvariant().Replace('-', ' ')));
        Assert.NotEqual(BackupCode.Hash(code), BackupCode.Hash(BackupCode.Generate()));
    }
}
