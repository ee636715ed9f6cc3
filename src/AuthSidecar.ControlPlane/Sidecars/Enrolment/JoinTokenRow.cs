namespace AuthSidecar.ControlPlane.Sidecars.Enrolment;

/// <summary>A token that sidecars enrol with.</summary>
[Table("join_tokens")]
[PrimaryKey(nameof(Id))]
internal sealed class JoinTokenRow
{
    public required string Id { get; set; }

    /// <summary>No salt and no stretching: nobody guesses 256 random bits.</summary>
    public required byte[] SecretSha256 { get; set; }

    public required string Application { get; set; }
    public required string Tenant { get; set; }
    public required long ExpiresAtMs { get; set; }
    public required int UsesLeft { get; set; }

    /// <summary>How many sidecars it was made for.</summary>
    public required int Uses { get; set; }

    public required long CreatedAtMs { get; set; }

    /// <summary>Whether who enrols with it takes the name of a sidecar that is connected.</summary>
    public required bool IsReplacing { get; set; }

    /// <summary>The one name that it is good for; empty: any.</summary>
    public required string Name { get; set; }
}

internal static class JoinTokenTable
{
    extension(StoreContext store)
    {
        public DbSet<JoinTokenRow> JoinTokens => store.Set<JoinTokenRow>();
    }
}
