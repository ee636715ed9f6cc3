namespace AuthSidecar.Mfa;

/// <summary>A second factor as it was given.</summary>
internal sealed record MfaRequest(EntityUid Subject, string FactorId, Secret Code, string SessionId);

/// <summary>Why a factor was not verified. The default is a failure.</summary>
internal enum MfaRejection
{
    Unset = 0,
    None,
    FactorUnknown,
    CodeWrong,
    CodeUsed,
    Locked,
}

/// <summary>The answer: verified and with a proof, or why not. The default is not verified.</summary>
internal readonly record struct MfaResult(
    MfaRejection Error, int AttemptsLeft, DateTimeOffset? LockedUntil, Secret Proof, DateTimeOffset ProofExpiresAt)
{
    public bool IsVerified => Error == MfaRejection.None && !Proof.IsEmpty;
}

/// <summary>Verifies second factors: a code is looked at, counted or redeemed, and on disk before anybody is told.</summary>
internal sealed class MfaVerifier(MfaAttemptStore store, MfaProofs proofs)
{
    /// <exception cref="IOException">The attempt could not be stored, and so was not made.</exception>
    /// <exception cref="OperationCanceledException">The caller has gone.</exception>
    public async Task<MfaResult> VerifyAsync(MfaRequest request, FactorSet factors, DateTimeOffset now, CancellationToken cancellation)
    {
        var key = new FactorKey(request.Subject, request.FactorId);
        if (factors.Find(key) is not { } factor)
            return new MfaResult(MfaRejection.FactorUnknown, 0, null, default, default);

        var attempt = await store.AttemptAsync(key, now, redeemed => Check(factor, factors, request.Code.Reveal(), redeemed, now),
            cancellation).WaitAsync(cancellation);
        if (attempt.Outcome != AttemptOutcome.Redeemed)
        {
            var error = attempt.Outcome switch
            {
                AttemptOutcome.Wrong => MfaRejection.CodeWrong,
                AttemptOutcome.AlreadyRedeemed => MfaRejection.CodeUsed,
                _ => MfaRejection.Locked,
            };
            return new MfaResult(error, attempt.AttemptsLeft, attempt.LockedUntil, default, default);
        }

        var (proof, expiresAt) = proofs.Issue(request.Subject, request.SessionId, now);
        return new MfaResult(MfaRejection.None, store.Limits.PerFactor, null, proof, expiresAt);
    }

    private static CheckedCode Check(Factor factor, FactorSet factors, string code, RedeemedCodes redeemed, DateTimeOffset now) =>
        factor switch
        {
            TotpFactor totp => CheckTotp(totp, factors, code, redeemed, now),
            BackupCodesFactor codes => CheckBackupCode(codes, code, redeemed),
            _ => throw new InvalidOperationException($"no verification for {factor.GetType().Name}"),
        };

    private static CheckedCode CheckTotp(TotpFactor factor, FactorSet factors, string code, RedeemedCodes redeemed, DateTimeOffset now)
    {
        var secret = factors.Unwrap(factor);
        try
        {
            return TotpCode.FindStep(secret, code, now) is not { } step ? new CheckedCode(CodeKind.Wrong)
                : new CheckedCode(redeemed.Contains(step) ? CodeKind.Redeemed : CodeKind.Right, Step: step);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(secret);
        }
    }

    private static CheckedCode CheckBackupCode(BackupCodesFactor factor, string code, RedeemedCodes redeemed)
    {
        var hash = BackupCode.Hash(code);
        // All are compared, each in constant time.
        var matches = factor.Hashes.Count(h => CryptographicOperations.FixedTimeEquals(h, hash));
        return matches == 0 ? new CheckedCode(CodeKind.Wrong)
            : new CheckedCode(redeemed.Contains(hash) ? CodeKind.Redeemed : CodeKind.Right, Hash: hash);
    }
}
