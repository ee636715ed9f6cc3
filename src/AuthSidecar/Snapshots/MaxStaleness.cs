using System.Globalization;

namespace AuthSidecar.Snapshots;

/// <summary>How old each type of resource may be and still be answered from. What is older is refused: it may have been taken back long since.</summary>
internal sealed record MaxStaleness
{
    private const string Source = "source";

    /// <summary>However old it is.</summary>
    public static readonly MaxStaleness Unlimited = new(Enumerable.Repeat(TimeSpan.MaxValue, ResourceTypesExtensions.Count), TimeSpan.MaxValue);

    /// <summary>Of a folder: however old, as long as the folder can be looked at. What cannot be for a minute may have changed.</summary>
    public static readonly MaxStaleness OfFolder = Unlimited with { SourceAway = TimeSpan.FromMinutes(1) };

    /// <summary>Revocations 5 minutes, everything else 24 hours.</summary>
    public static readonly MaxStaleness Default =
        new(ResourceTypes.All.Each().Select(t => t == ResourceTypes.Revocations ? TimeSpan.FromMinutes(5) : TimeSpan.FromHours(24)), TimeSpan.MaxValue);

    private readonly TimeSpan[] _limits;

    private MaxStaleness(IEnumerable<TimeSpan> limits, TimeSpan sourceAway) => (_limits, SourceAway) = ([.. limits], sourceAway);

    /// <summary>How long the source may not be there to be asked.</summary>
    public TimeSpan SourceAway { get; private init; }

    /// <summary>Whether the source has not been there to be asked for too long.</summary>
    public bool IsSourceAway(in ResourceAges ages) => SourceAway != TimeSpan.MaxValue && ages.SinceReached > SourceAway;

    /// <summary>The first of these types that is too old; none when all may be used.</summary>
    public ResourceTypes FindStale(ResourceTypes types, in ResourceAges ages)
    {
        if (IsSourceAway(ages))
        {
            return (ResourceTypes)((int)types & -(int)types);
        }

        for (var i = 0; i < _limits.Length; i++)
        {
            var type = (ResourceTypes)(1 << i);
            if ((types & type) != 0 && ages.Of(type) > _limits[i])
            {
                return type;
            }
        }

        return ResourceTypes.None;
    }

    /// <summary>With limits such as <c>revocations=5m</c>, <c>policies=24h</c>, <c>risk=unlimited</c>; null where one cannot be read.</summary>
    public MaxStaleness? With(IEnumerable<string> texts, out string? fault)
    {
        var (limits, sourceAway) = (_limits.ToArray(), SourceAway);
        foreach (var text in texts)
        {
            if (text.Split('=') is [Source, var away] && ReadTime(away) is { } most)
            {
                sourceAway = most;
                continue;
            }

            if (text.Split('=') is not [var name, var time]
                || ResourceTypes.All.Each().FirstOrDefault(t => t.ToString().Equals(name, StringComparison.OrdinalIgnoreCase)) is var type && type == ResourceTypes.None
                || ReadTime(time) is not { } limit)
            {
                fault = $"`{text}` is not a type of resource and a time, such as `revocations=5m`, `policies=24h` or `risk=unlimited`";
                return null;
            }

            limits[int.TrailingZeroCount((int)type)] = limit;
        }

        fault = null;
        return new MaxStaleness(limits, sourceAway);
    }

    private static TimeSpan? ReadTime(string text)
    {
        if (text == "unlimited")
        {
            return TimeSpan.MaxValue;
        }

        return text.Length > 1 && int.TryParse(text[..^1], NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number > 0
            ? text[^1] switch
            {
                's' => TimeSpan.FromSeconds(number),
                'm' => TimeSpan.FromMinutes(number),
                'h' => TimeSpan.FromHours(number),
                _ => null,
            }
            : null;
    }
}
