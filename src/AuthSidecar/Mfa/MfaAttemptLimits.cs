namespace AuthSidecar.Mfa;

/// <summary>How often codes may be wrong.</summary>
internal sealed record MfaAttemptLimits
{
    /// <summary>Wrong codes in a row before a factor is locked.</summary>
    public int PerFactor { get; init; } = 5;

    /// <summary>Wrong codes in a row, over all of a subject's factors, before the account is locked.</summary>
    public int PerAccount { get; init; } = 10;

    /// <summary>How long the first lock lasts; each further one lasts twice as long.</summary>
    public TimeSpan FirstLock { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>No lock lasts longer, or anyone could lock anyone out for good.</summary>
    public TimeSpan LongestLock { get; init; } = TimeSpan.FromHours(24);
}
