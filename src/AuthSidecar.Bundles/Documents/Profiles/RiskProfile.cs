namespace AuthSidecar.Bundles;

/// <summary>What is known of a subject's habits. Immutable.</summary>
internal sealed record RiskProfile
{
    public IReadOnlyList<KnownDevice> Devices { get; init; } = [];

    /// <summary>Places the subject is usually at; the accuracy is the radius that counts as there.</summary>
    public IReadOnlyList<Place> Places { get; init; } = [];

    /// <summary>Countries the subject is usually in: ISO 3166-1, two letters.</summary>
    public IReadOnlyList<string> Countries { get; init; } = [];

    public LastSeen? LastSeen { get; init; }

    /// <summary>How often the subject was seen in each of the 24 hours of its own day; null: not learned yet.</summary>
    public IReadOnlyList<int>? Hours { get; init; }

    public TimeZoneInfo TimeZone { get; init; } = TimeZoneInfo.Utc;
}

/// <param name="DeviceId">The id it was registered under.</param>
/// <param name="KeyThumbprint">The thumbprint of the key it is bound to; null: it is bound to none.</param>
internal sealed record KnownDevice(string DeviceId, string? KeyThumbprint);

internal sealed record LastSeen(Place Place, DateTimeOffset At);
