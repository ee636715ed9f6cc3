namespace AuthSidecar.Snapshots;

/// <summary>How old each data type may be and still be answered from. What is older is refused: it may have been taken back long
/// since.</summary>
internal sealed record MaxStaleness
{
    private const string Source = "source";

    /// <summary>However old it is.</summary>
    public static readonly MaxStaleness Unlimited = new(_ => TimeSpan.MaxValue, TimeSpan.MaxValue);

    /// <summary>Of a folder: however old, as long as the folder can be looked at. What cannot be for a minute may have changed.</summary>
    public static readonly MaxStaleness OfFolder = Unlimited with { SourceAway = TimeSpan.FromMinutes(1) };

    /// <summary>Of a control plane: as each type has it.</summary>
    public static readonly MaxStaleness Default = new(t => t.MaxStaleness, TimeSpan.MaxValue);

    // By the number of the type.
    private readonly TimeSpan[] _limits;

    private MaxStaleness(Func<DataType, TimeSpan> limitOf, TimeSpan sourceAway) =>
        (_limits, SourceAway) = ([TimeSpan.MaxValue, .. DataTypes.All.Select(limitOf)], sourceAway);

    /// <summary>How long the source may not be there to be asked.</summary>
    public TimeSpan SourceAway { get; private init; }

    /// <summary>How old this type may be.</summary>
    public TimeSpan Of(DataType type) => _limits[type.Number];

    /// <summary>Whether the source has not been there to be asked for too long.</summary>
    public bool IsSourceAway(in DataAges ages) => SourceAway != TimeSpan.MaxValue && ages.SinceReached > SourceAway;

    /// <summary>The first of these types that is too old; null: all may be used.</summary>
    public DataType? FindStale(DataTypeSet types, in DataAges ages)
    {
        var isSourceAway = IsSourceAway(ages);
        foreach (var type in types)
        {
            if (isSourceAway || ages.Of(type) > _limits[type.Number])
                return type;
        }

        return null;
    }

    /// <summary>With limits such as <c>revocations=5m</c>, <c>policies=24h</c>, <c>risk=unlimited</c>; null where one cannot be
    /// read.</summary>
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
                || DataTypes.Find(name) is not { } type
                || ReadTime(time) is not { } limit)
            {
                fault = $"`{text}` is not a data type and a time, such as `revocations=5m`, `policies=24h` or `risk=unlimited`";
                return null;
            }

            limits[type.Number] = limit;
        }

        fault = null;
        return new MaxStaleness(t => limits[t.Number], sourceAway);
    }

    private static TimeSpan? ReadTime(string text)
    {
        if (text == "unlimited")
            return TimeSpan.MaxValue;

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
