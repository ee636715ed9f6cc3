using System.Security.Cryptography;
using AuthSidecar.Cedar;
using AuthSidecar.Mfa;
using AuthSidecar.Tests.Testing;
using AuthSidecar.Tokens;

namespace AuthSidecar.Tests.Mfa;

public sealed class MfaVerifierTests : IDisposable
{
    private static readonly EntityUid Alice = new("User", "alice");
    private static readonly DateTimeOffset Now = DateTimeOffset.FromUnixTimeSeconds(1_800_000_000);
    private static readonly byte[] Secret = RandomNumberGenerator.GetBytes(TotpCode.SecretBytes);

    private readonly TemporaryFolder _folder = new();
    private readonly string _backupCode = BackupCode.Generate();
    private readonly FactorSet _factors;
    private MfaAttemptStore _store;

    public MfaVerifierTests()
    {
        var totp = new FactorKey(Alice, "totp");
        _factors = new FactorSet(
        [
            new TotpFactor(totp, WrappedSecret.Wrap(Secret, totp, TestBundle.WrappingKey)),
            new BackupCodesFactor(new FactorKey(Alice, "backup"), [BackupCode.Hash(_backupCode), BackupCode.Hash(BackupCode.Generate())]),
        ],
            TestBundle.WrappingKey);
        _store = MfaAttemptStore.Open(_folder["claims"], new MfaAttemptLimits());
    }

    [Fact]
    public void Verify_RightTotpCode_VerifiedWithAProofForTheSubject()
    {
        using var proofs = Proofs();
        var result = Verify("totp", CodeAt(Now), Now);
        Assert.True(result.IsVerified);
        Assert.Equal(5, result.AttemptsLeft);
    }

    [Fact]
    public void Verify_SameTotpCodeTwice_SecondIsUsed()
    {
        Assert.True(Verify("totp", CodeAt(Now), Now).IsVerified);
        Assert.Equal(MfaRejection.CodeUsed, Verify("totp", CodeAt(Now), Now).Error);
        Assert.Equal(MfaRejection.CodeUsed, Verify("totp", CodeAt(Now).Insert(3, " "), Now.AddSeconds(20)).Error);
    }

    [Fact]
    public void Verify_CodeOfAnEarlierStepThanTheLastSpent_IsUsed()
    {
        Assert.True(Verify("totp", CodeAt(Now.AddSeconds(30)), Now).IsVerified);
        Assert.Equal(MfaRejection.CodeUsed, Verify("totp", CodeAt(Now), Now).Error);
    }

    [Fact]
    public void Verify_SixWrongCodes_LockedBeforeTheSixthAndEvenForTheRightOne()
    {
        for (var left = 4; left >= 0; left--)
        {
            var wrong = Verify("totp", "000000", Now);
            Assert.Equal(MfaRejection.CodeWrong, wrong.Error);
            Assert.Equal(left, wrong.AttemptsLeft);
        }

        var sixth = Verify("totp", CodeAt(Now), Now);
        Assert.Equal(MfaRejection.Locked, sixth.Error);
        Assert.Equal(Now.AddMinutes(5), sixth.LockedUntil);
        Assert.Equal(MfaRejection.Locked, Verify("totp", CodeAt(Now), Now.AddMinutes(5).AddMilliseconds(-1)).Error);
        Assert.True(Verify("totp", CodeAt(Now.AddMinutes(5)), Now.AddMinutes(5)).IsVerified);
    }

    [Fact]
    public void Verify_LockedAgainAndAgain_LocksGrowUpToADayAndNoLonger()
    {
        var now = Now;
        var lasted = new List<TimeSpan>();
        for (var round = 0; round < 12; round++)
        {
            MfaResult result;
            do
            {
                result = Verify("totp", "000000", now);
            }
            while (result.Error != MfaRejection.Locked);

            lasted.Add(result.LockedUntil!.Value - now);
            now = result.LockedUntil.Value;
        }

        Assert.Equal(lasted.Order(), lasted);
        Assert.True(lasted[1] > lasted[0]);
        Assert.Equal(TimeSpan.FromHours(24), lasted[^1]);
    }

    [Fact]
    public void Verify_WrongCodesOverSeveralFactors_AccountIsLockedForAll()
    {
        for (var i = 0; i < 4; i++)
        {
            Verify("totp", "000000", Now);
            Verify("backup", "wrong", Now);
        }

        Verify("totp", "000000", Now);
        Assert.Equal(0, Verify("backup", "wrong", Now).AttemptsLeft);
        Assert.Equal(MfaRejection.Locked, Verify("backup", _backupCode, Now).Error);
    }

    [Fact]
    public void Verify_BackupCodeTwice_SecondIsUsed()
    {
        Assert.True(Verify("backup", _backupCode.ToLowerInvariant(), Now).IsVerified);
        Assert.Equal(MfaRejection.CodeUsed, Verify("backup", _backupCode, Now).Error);
    }

    [Theory]
    [InlineData("backup")]
    [InlineData("totp")]
    public async Task Verify_SameCodeInManyCallsAtOnce_ExactlyOneIsVerified(string factor)
    {
        var code = factor == "totp" ? CodeAt(Now) : _backupCode;
        using var store = MfaAttemptStore.Open(_folder["parallel"], new MfaAttemptLimits());
        using var proofs = Proofs();
        var verifier = new MfaVerifier(store, proofs);
        var start = new TaskCompletionSource();
        var calls = Enumerable.Range(0, 64).Select(_ => Task.Run(async () =>
        {
            await start.Task;
            return await verifier.VerifyAsync(new MfaRequest(Alice, factor, new Secret(code), ""), _factors, Now, CancellationToken.None);
        })).ToList();
        start.SetResult();
        var results = await Task.WhenAll(calls);
        Assert.Single(results, r => r.IsVerified);
        // Whoever asks twice has not guessed wrong.
        Assert.Equal(63, results.Count(r => r.Error == MfaRejection.CodeUsed && r.AttemptsLeft == 5));
    }

    [Theory]
    [InlineData("totp", "bob")]
    [InlineData("sms", "alice")]
    public async Task Verify_FactorThatIsNotEnrolled_Unknown(string factor, string subject)
    {
        using var proofs = Proofs();
        var result = await new MfaVerifier(_store, proofs)
            .VerifyAsync(new MfaRequest(new EntityUid("User", subject), factor, new Secret("000000"), ""), _factors, Now, CancellationToken.None);
        Assert.Equal(MfaRejection.FactorUnknown, result.Error);
        Assert.False(result.IsVerified);
    }

    [Fact]
    public void Verify_AfterARestart_SpentCodesAndCountsAreStillThere()
    {
        Assert.True(Verify("totp", CodeAt(Now), Now).IsVerified);
        Verify("backup", "wrong", Now);
        _store.Dispose();
        _store = MfaAttemptStore.Open(_folder["claims"], new MfaAttemptLimits());
        Assert.Equal(MfaRejection.CodeUsed, Verify("totp", CodeAt(Now), Now).Error);
        Assert.Equal(3, Verify("backup", "wrong", Now).AttemptsLeft);
    }

    [Fact]
    public void ValidateProof_OfAnotherSubjectSessionOrTime_NotAccepted()
    {
        using var proofs = Proofs();
        var (proof, expiresAt) = proofs.Issue(Alice, "session-1", Now);
        Assert.True(proofs.Validate(proof, Alice, "session-1", Now).IsValid);
        Assert.Equal(TokenRejection.SubjectMismatch, proofs.Validate(proof, new EntityUid("User", "bob"), "session-1", Now).Error);
        Assert.Equal(TokenRejection.SubjectMismatch, proofs.Validate(proof, new EntityUid("Admin", "alice"), "session-1", Now).Error);
        Assert.Equal(TokenRejection.SubjectMismatch, proofs.Validate(proof, Alice, "session-2", Now).Error);
        Assert.Equal(TokenRejection.SubjectMismatch, proofs.Validate(proof, Alice, null, Now).Error);
        Assert.Equal(TokenRejection.Expired, proofs.Validate(proof, Alice, "session-1", expiresAt).Error);
        using var others = Proofs();
        Assert.Equal(TokenRejection.KeyUnknown, others.Validate(proof, Alice, "session-1", Now).Error);
    }

    [Fact]
    public void Unwrap_SecretOfAnotherFactorOrKey_IsNotOpened()
    {
        var key = new FactorKey(Alice, "totp");
        var wrapped = WrappedSecret.Wrap(Secret, key, TestBundle.WrappingKey);
        Assert.Equal(Secret, wrapped.TryUnwrap(key, TestBundle.WrappingKey));
        Assert.Null(wrapped.TryUnwrap(key with { FactorId = "totp2" }, TestBundle.WrappingKey));
        Assert.Null(wrapped.TryUnwrap(new FactorKey(new EntityUid("User", "bob"), "totp"), TestBundle.WrappingKey));
        Assert.Null(wrapped.TryUnwrap(key, RandomNumberGenerator.GetBytes(32)));
        Assert.Null(new WrappedSecret([]).TryUnwrap(key, TestBundle.WrappingKey));
        Assert.Equal("***", wrapped.ToString());
    }

    [Fact]
    public void Default_OfAResult_IsNotVerified()
    {
        Assert.False(default(MfaResult).IsVerified);
        Assert.NotEqual(MfaRejection.None, default);
    }

    private static string CodeAt(DateTimeOffset time) => TotpCode.Compute(Secret, TotpCode.StepAt(time));

    private MfaResult Verify(string factor, string code, DateTimeOffset now)
    {
        using var proofs = Proofs();
        return new MfaVerifier(_store, proofs).VerifyAsync(new MfaRequest(Alice, factor, new Secret(code), ""), _factors, now, CancellationToken.None).GetAwaiter().GetResult();
    }

    private static MfaProofs Proofs() =>
        new(ECDsa.Create(ECCurve.NamedCurves.nistP256), new TokenValidator(new VerifiedTokenCache(10), new DpopVerifier()), TimeSpan.FromMinutes(15));

    public void Dispose()
    {
        _store.Dispose();
        _folder.Dispose();
    }
}
