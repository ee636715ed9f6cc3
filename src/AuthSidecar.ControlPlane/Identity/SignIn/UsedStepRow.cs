namespace AuthSidecar.ControlPlane.Identity.SignIn;

/// <summary>The newest step of an authenticator app that somebody has signed in with: none up to it is good any more.</summary>
[Table("used_steps")]
[PrimaryKey(nameof(AccountId), nameof(FactorId))]
internal sealed class UsedStepRow
{
    public required string AccountId { get; set; }
    public required string FactorId { get; set; }
    public required long Step { get; set; }
}

internal static class UsedStepTable
{
    extension(StoreContext store)
    {
        public DbSet<UsedStepRow> UsedSteps => store.Set<UsedStepRow>();
    }
}
