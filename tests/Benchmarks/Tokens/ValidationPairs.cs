using System.Diagnostics;

namespace Benchmarks.Tokens;

/// <summary>The ratio of a token's first sight to the bare check of its signature, both in turns in one process: a machine whose speed drifts drifts for
/// both.</summary>
internal static class ValidationPairs
{
    private const int Rounds = 15;
    private const int Times = 2_000;

    public static int Run()
    {
        Console.WriteLine($"| KiB | first sight, µs | bare signature, µs | ratio (median of {Rounds} pairs; lowest to highest) | cached, ns |");
        Console.WriteLine("| --- | --- | --- | --- | --- |");
        foreach (var size in new[] { 1, 2, 4, 8, 16 })
        {
            var validation = new Validation { KiB = size };
            validation.Setup();
            var (first, bare, cached, ratios) = (new List<double>(), new List<double>(), new List<double>(), new List<double>());
            // The first rounds are those of code that is still compiled.
            for (var round = -10; round < Rounds; round++)
            {
                var (own, floor) = (Measure(validation.FirstSight, Times), Measure(validation.BareSignature, Times));
                var remembered = Measure(validation.Cached, 100 * Times);
                if (round < 0)
                    continue;

                first.Add(own);
                bare.Add(floor);
                cached.Add(remembered);
                ratios.Add(own / floor);
            }

            Console.WriteLine(FormattableString.Invariant(
                $"| {size} | {Median(first) / 1000:F1} | {Median(bare) / 1000:F1} | {Median(ratios):F3} ({ratios.Min():F3} to {ratios.Max():F3}) | {Median(cached):F0} |"));
        }

        return 0;
    }

    private static double Measure(Func<bool> act, int times)
    {
        var started = Stopwatch.GetTimestamp();
        for (var i = 0; i < times; i++)
        {
            if (!act())
                throw new InvalidOperationException("the token is good");
        }

        return Stopwatch.GetElapsedTime(started).TotalNanoseconds / times;
    }

    private static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);
}
