using BenchmarkDotNet.Running;
using Benchmarks;
using Benchmarks.Cedar;

return args switch
{
    // The host of load.sh: a whole sidecar with the sample's bundle, and an empty call beside the real ones.
    ["host", var folder, var port] => await LoadHost.RunAsync(folder, int.Parse(port, System.Globalization.CultureInfo.InvariantCulture)),
    // Where the time of a check goes.
    ["parts", var folder] => await Parts.RunAsync(folder, ""),
    ["parts", var folder, var filter] => await Parts.RunAsync(folder, filter),
    // What a million entities weigh.
    ["weigh"] => Print($"{ManyEntities.Weigh():F0} bytes an entity"),
    // BenchmarkDotNet's own command line: --list flat, --filter '*Decisions*', …
    _ => BenchmarkSwitcher.FromAssembly(typeof(LoadHost).Assembly).Run(args, new JitAndAot()).Any(s => s.HasCriticalValidationErrors) ? 1 : 0,
};

static int Print(string line)
{
    Console.WriteLine(line);
    return 0;
}
