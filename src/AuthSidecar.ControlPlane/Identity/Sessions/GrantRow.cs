namespace AuthSidecar.ControlPlane.Identity.Sessions;

/// <summary>What an account has granted a client in a session, and the family of its refresh tokens: one generation of them is good, and
/// the next one takes its place.</summary>
[Table("grants")]
[PrimaryKey(nameof(Id))]
[Index(nameof(SessionId))]
[Index(nameof(AccountId))]
[Index(nameof(ExpiresAtMs))]
internal sealed class GrantRow
{
    /// <summary>Random; the <c>sid</c> of its access tokens.</summary>
    public required string Id { get; set; }

    public required string SessionId { get; set; }
    public required string AccountId { get; set; }
    public required string ClientId { get; set; }

    /// <summary>With spaces between.</summary>
    public required string Scopes { get; set; }

    /// <summary>When they had authenticated as it began: in its session they may have done so again since (OpenID Connect Core, section
    /// 12.2).</summary>
    public required long AuthenticatedAtMs { get; set; }

    /// <summary>How they had authenticated as it began (RFC 8176), with spaces between.</summary>
    public required string Methods { get; set; }

    /// <summary>The thumbprint of the key that its refresh tokens are bound to; empty: they are bound to the client, which
    /// authenticates.</summary>
    public required string DeviceKey { get; set; }

    /// <summary>That of the refresh token that is good.</summary>
    public required long Generation { get; set; }

    /// <summary>When that one was made.</summary>
    public required long RotatedAtMs { get; set; }

    /// <summary>When it expires.</summary>
    public required long ExpiresAtMs { get; set; }

    public long? EndedAtMs { get; set; }
}

internal static class GrantTable
{
    extension(StoreContext store)
    {
        public DbSet<GrantRow> Grants => store.Set<GrantRow>();
    }
}
