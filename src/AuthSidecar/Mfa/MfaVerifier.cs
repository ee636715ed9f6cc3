using System.Security.Cryptography;
using AuthSidecar.Cedar;
using AuthSidecar.Tokens;

namespace AuthSidecar.Mfa;

/// <summary>A second factor as it was given.</summary>
internal sealed record MfaRequest(EntityUid Subject, string FactorId, Secret Code, string SessionId);

/// <summary>Why a factor was not verified. The default is a failure.</summary>
internal enum MfaError
{
    Unset = 0,
    None,
    FactorUnknown,
    CodeWrong,
    CodeUsed,
    Locked,
}

/// <summary>The answer: verified and with a proof, or why not. The default is not verified.</summary>
internal readonly record struct MfaResult(MfaError Error, int AttemptsLeft, DateTimeOffset? LockedUntil, Secret Proof, DateTimeOffset ProofExpiresAt)
{
    public bool IsVerified => Error == MfaError.None && !Proof.IsEmpty;
}

/// <summary>Verifies second factors: count first, then compare, then claim, and only then say yes.</summary>
internal sealed class MfaVerifier(ClaimStore store, MfaProofs proofs)
{
    /// <exception cref="IOException">The claim could not be stored, and so was not made.</exception>
    public MfaResult Verify(MfaRequest request, FactorSet factors, DateTimeOffset now)
    {
        var key = new FactorKey(request.Subject, request.FactorId);
        if (factors.Find(key) is not { } factor)
        {
            return new MfaResult(MfaError.FactorUnknown, 0, null, default, default);
        }

        var attempt = store.BeginAttempt(key, now);
        if (attempt.IsLocked)
        {
            return new MfaResult(MfaError.Locked, 0, attempt.LockedUntil, default, default);
        }

        var error = factor switch
        {
            TotpFactor totp => SpendTotp(totp, factors, request.Code.Reveal(), now),
            BackupCodesFactor codes => SpendBackupCode(codes, request.Code.Reveal()),
            _ => throw new InvalidOperationException($"no verification for {factor.GetType().Name}"),
        };
        if (error != MfaError.None)
        {
            return new MfaResult(error, attempt.AttemptsLeft, attempt.LockedUntil, default, default);
        }

        var (proof, expiresAt) = proofs.Issue(request.Subject, request.SessionId, now);
        return new MfaResult(MfaError.None, store.Limits.PerFactor, null, proof, expiresAt);
    }

    private MfaError SpendTotp(TotpFactor factor, FactorSet factors, string code, DateTimeOffset now)
    {
        var secret = factors.Unwrap(factor);
        try
        {
            return TotpCode.FindStep(secret, code, now) is not { } step ? MfaError.CodeWrong
                : store.TryClaim(factor.Key, step) ? MfaError.None
                : MfaError.CodeUsed;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(secret);
        }
    }

    private MfaError SpendBackupCode(BackupCodesFactor factor, string code)
    {
        var hash = BackupCode.Hash(code);
        // All are compared, each in constant time.
        var matches = factor.Hashes.Count(h => CryptographicOperations.FixedTimeEquals(h, hash));
        return matches == 0 ? MfaError.CodeWrong
            : store.TryClaim(factor.Key, hash) ? MfaError.None
            : MfaError.CodeUsed;
    }
}
