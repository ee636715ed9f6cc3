namespace AuthSidecar.ControlPlane.Identity.SignIn;

/// <summary>Failed attempts to sign in to an account within a minute, for its owner to see.</summary>
[Table("failed_sign_ins")]
[PrimaryKey(nameof(AccountId), nameof(MinuteMs), nameof(Address), nameof(Reason))]
[Index(nameof(MinuteMs))]
internal sealed class FailedSignInRow
{
    public required string AccountId { get; set; }

    /// <summary>The beginning of the minute.</summary>
    public required long MinuteMs { get; set; }

    /// <summary>From where; empty: several addresses.</summary>
    public required string Address { get; set; }

    /// <summary>Why they failed.</summary>
    public required string Reason { get; set; }

    public required int Count { get; set; }
}

internal static class FailedSignInTable
{
    extension(StoreContext store)
    {
        public DbSet<FailedSignInRow> FailedSignIns => store.Set<FailedSignInRow>();
    }
}
