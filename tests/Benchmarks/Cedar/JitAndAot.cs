using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Environments;
using BenchmarkDotNet.Exporters;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Loggers;
using BenchmarkDotNet.Toolchains.NativeAot;
using Perfolizer.Horology;

namespace Benchmarks.Cedar;

/// <summary>Runs every benchmark twice: compiled at run time, as a library is mostly used, and ahead of time, as the sidecar is.</summary>
internal sealed class JitAndAot : ManualConfig
{
    public JitAndAot()
    {
        // An ILCompiler as old as the runtime, from wherever packages come from on this machine.
        var aot = NativeAotToolchain.CreateBuilder()
            .UseNuGet(Environment.Version.ToString(3), "")
            .TargetFrameworkMoniker("net10.0")
            .DisplayName("AOT")
            .ToToolchain();
        var job = Job.Default.WithWarmupCount(4).WithIterationCount(7).WithIterationTime(TimeInterval.FromMilliseconds(250));
        AddJob(job.WithRuntime(CoreRuntime.Core10_0).WithId("JIT"), job.WithToolchain(aot).WithId("AOT"));
        // The two share projects that they build.
        WithOptions(ConfigOptions.DisableParallelBuild);
        // Ahead of time on two cores, it takes longer than the two minutes that are the default.
        WithBuildTimeout(TimeSpan.FromMinutes(15));
        AddLogger(ConsoleLogger.Default);
        AddExporter(MarkdownExporter.GitHub);
        AddColumnProvider(DefaultColumnProviders.Instance);
        // What it takes while nobody else on the machine is in the way.
        AddColumn(StatisticColumn.Min);
        HideColumns(Column.Error, Column.StdDev, Column.Median, Column.RatioSD, Column.Gen0, Column.Gen1, Column.Gen2, Column.Runtime, Column.Toolchain);
    }
}
