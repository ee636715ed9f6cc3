namespace AuthSidecar.ControlPlane.Identity.Sessions;

/// <summary>Somebody's session with a browser: it ends when nobody uses it, at its absolute end, or when somebody ends it.</summary>
[Table("sessions")]
[PrimaryKey(nameof(Id))]
[Index(nameof(SecretSha256), IsUnique = true)]
[Index(nameof(AccountId))]
[Index(nameof(EndsAtMs))]
internal sealed class SessionRow
{
    public required string Id { get; set; }
    public required string AccountId { get; set; }

    /// <summary>What the browser has is found by its hash: nobody guesses 256 random bits.</summary>
    public required string SecretSha256 { get; set; }

    public required long AuthenticatedAtMs { get; set; }

    /// <summary>When it was last used; to the minute.</summary>
    public required long SeenAtMs { get; set; }

    /// <summary>When it ends, however much it is used.</summary>
    public required long EndsAtMs { get; set; }

    /// <summary>How they have authenticated (RFC 8176), with spaces between.</summary>
    public required string Methods { get; set; }

    /// <summary>What the browser says of itself.</summary>
    public required string UserAgent { get; set; }

    public required string Address { get; set; }
    public long? EndedAtMs { get; set; }

    /// <summary>Why it was ended, for the one whom it is ended for.</summary>
    public string EndedBecause { get; set; } = "";
}

internal static class SessionTable
{
    extension(StoreContext store)
    {
        public DbSet<SessionRow> Sessions => store.Set<SessionRow>();
    }
}
