namespace AuthSidecar.ControlPlane.Identity.SignIn;

/// <summary>How often somebody has failed to sign in to an account, of late and in a row.</summary>
[Table("attempts")]
[PrimaryKey(nameof(AccountId), nameof(Authenticator), nameof(Source))]
[Index(nameof(FailedAtMs))]
internal sealed class AttemptRow
{
    /// <summary>The account; `?` and a number: names that are nobody's.</summary>
    public required string AccountId { get; set; }

    /// <summary>What was guessed at.</summary>
    public required string Authenticator { get; set; }

    /// <summary>Who failed; empty: all who are not known, together.</summary>
    public required string Source { get; set; }

    /// <summary>Of late: halved each hour.</summary>
    public int Failures { get; set; }

    /// <summary>Since the last success.</summary>
    public int InARow { get; set; }

    public long FailedAtMs { get; set; }

    /// <summary>Until when attempts are not looked at; 0: they are.</summary>
    public long LockedUntilMs { get; set; }
}

internal static class AttemptTable
{
    extension(StoreContext store)
    {
        public DbSet<AttemptRow> Attempts => store.Set<AttemptRow>();
    }
}
