namespace AuthSidecar.Mfa;

/// <summary>What a code is. The default is a wrong one.</summary>
internal enum CodeKind
{
    Wrong = 0,

    /// <summary>It was right, and was redeemed before.</summary>
    Redeemed,

    /// <summary>It is right.</summary>
    Right,
}

/// <summary>A code that was looked at. What redeems it is its time step, or its hash.</summary>
internal readonly record struct CheckedCode(CodeKind Kind, long Step = 0, byte[]? Hash = null);

/// <summary>What came of an attempt. The default is a locked factor.</summary>
internal enum AttemptOutcome
{
    /// <summary>The code was not looked at.</summary>
    Locked = 0,
    Wrong,
    AlreadyRedeemed,
    Redeemed,
}

/// <param name="Outcome">What came of it.</param>
/// <param name="AttemptsLeft">How many more wrong codes there may be.</param>
/// <param name="LockedUntil">Until when the factor is locked; null: it is not.</param>
internal readonly record struct Attempt(AttemptOutcome Outcome, int AttemptsLeft, DateTimeOffset? LockedUntil);

/// <summary>Too many attempts wait for the disk already.</summary>
internal sealed class MfaAttemptStoreBusyException() : IOException("second-factor store overloaded: too many waiting attempts");
