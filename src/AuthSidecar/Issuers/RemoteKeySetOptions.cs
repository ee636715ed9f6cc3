namespace AuthSidecar.Issuers;

/// <summary>How often issuers are asked for their key sets.</summary>
internal sealed record RemoteKeySetOptions
{
    /// <summary>How often a key set is fetched again.</summary>
    public TimeSpan RefreshEvery { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>How soon after the last time it may be fetched because of a key that is not in it.</summary>
    public TimeSpan Cooldown { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long one counts that cannot be fetched again.</summary>
    public TimeSpan GoodFor { get; init; } = TimeSpan.FromHours(24);
}
