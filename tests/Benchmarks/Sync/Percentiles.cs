namespace Benchmarks.Sync;

internal static class Percentiles
{
    /// <summary>The smallest value that so many of all are not above.</summary>
    public static double Of(IEnumerable<double> values, double percentile)
    {
        var sorted = values.Order().ToList();
        return sorted[(int)Math.Max(0, Math.Ceiling(sorted.Count * percentile) - 1)];
    }
}
