using System.Globalization;

namespace AuthSidecar.Snapshots;

/// <summary>How old each type of resource may be and still be answered from. What is older is refused: it may have been taken back long since.</summary>
internal sealed record MaxStaleness
{
    /// <summary>However old it is.</summary>
    public static readonly MaxStaleness Unlimited = new(Enumerable.Repeat(TimeSpan.MaxValue, ResourceTypesExtensions.Count));

    /// <summary>Revocations 5 minutes, everything else 24 hours.</summary>
    public static readonly MaxStaleness Default =
        new(ResourceTypes.All.Each().Select(t => t == ResourceTypes.Revocations ? TimeSpan.FromMinutes(5) : TimeSpan.FromHours(24)));

    private readonly TimeSpan[] _limits;

    private MaxStaleness(IEnumerable<TimeSpan> limits) => _limits = [.. limits];

    /// <summary>The first of these types that is too old; none when all may be used.</summary>
    public ResourceTypes FindStale(ResourceTypes types, in ResourceAges ages)
    {
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
        var limits = _limits.ToArray();
        foreach (var text in texts)
        {
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
        return new MaxStaleness(limits);
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
