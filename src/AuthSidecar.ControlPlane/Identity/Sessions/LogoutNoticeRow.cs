namespace AuthSidecar.ControlPlane.Identity.Sessions;

/// <summary>A client that is yet to be told that a session ended.</summary>
[Table("logout_notices")]
[PrimaryKey(nameof(Id))]
[Index(nameof(ClientId), nameof(DueAtMs))]
internal sealed class LogoutNoticeRow
{
    public required string Id { get; set; }
    public required string ClientId { get; set; }
    public required string AccountId { get; set; }
    public required string SessionId { get; set; }
    public required long CreatedAtMs { get; set; }

    /// <summary>When somebody is to try (again).</summary>
    public required long DueAtMs { get; set; }

    public required int Attempts { get; set; }
}

internal static class LogoutNoticeTable
{
    extension(StoreContext store)
    {
        public DbSet<LogoutNoticeRow> LogoutNotices => store.Set<LogoutNoticeRow>();
    }
}
