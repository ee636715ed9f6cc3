using System.Text.Json.Serialization;

namespace AuthSidecar.Mfa;

/// <summary>The codes of a factor that are redeemed.</summary>
internal readonly struct RedeemedCodes(CounterState state)
{
    /// <summary>Whether this time step, or a later one, was redeemed.</summary>
    public bool Contains(long step) => state.LastStep >= step;

    /// <summary>Whether the code with this hash was redeemed.</summary>
    public bool Contains(byte[] hash) => state.Used.Contains(NameOf(hash), StringComparer.Ordinal);

    public static string NameOf(byte[] hash) => Convert.ToBase64String(hash);
}

/// <summary>The state of one counter: of a factor, or of an account where the factor is empty.</summary>
internal sealed record CounterState
{
    public required string Type { get; init; }
    public required string Id { get; init; }
    public required string Factor { get; init; }
    public int Failures { get; init; }
    public int Locks { get; init; }
    public long LockedUntilMs { get; init; }
    public long LastStep { get; init; }
    public IReadOnlyList<string> Used { get; set; } = [];

    [JsonIgnore]
    public FactorKey Key => new(new EntityUid(Type, Id), Factor);
}

[JsonSourceGenerationOptions(UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow, RespectNullableAnnotations = true)]
[JsonSerializable(typeof(CounterState))]
internal sealed partial class MfaAttemptJson : JsonSerializerContext;
