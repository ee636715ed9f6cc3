namespace AuthSidecar.Sync.Stream;

/// <summary>The clocks of sidecar and control plane, which have to agree about what is current.</summary>
internal static class Clocks
{
    /// <summary>How far they may be apart.</summary>
    public static readonly TimeSpan Tolerance = TimeSpan.FromMinutes(1);

    /// <summary>A difference, and what is to be done about it.</summary>
    /// <param name="ahead">How far the clock here is ahead.</param>
    public static string Describe(TimeSpan ahead) => string.Create(
        CultureInfo.InvariantCulture,
        $"clock skew: the local clock is {Text(ahead.Duration())} {(ahead > TimeSpan.Zero ? "ahead of" : "behind")} the control plane, "
            + $"limit {Text(Tolerance)}; synchronize the clocks (NTP)");

    private static string Text(TimeSpan span) => span switch
    {
        { TotalDays: >= 1 } => string.Create(CultureInfo.InvariantCulture, $"{(int)span.TotalDays} d {span.Hours} h"),
        { TotalHours: >= 1 } => string.Create(CultureInfo.InvariantCulture, $"{span.Hours} h {span.Minutes} min"),
        { TotalMinutes: >= 1 } => string.Create(CultureInfo.InvariantCulture, $"{span.Minutes} min {span.Seconds} s"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{span.TotalSeconds:F1} s"),
    };
}
