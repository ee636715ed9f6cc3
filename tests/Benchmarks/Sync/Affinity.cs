using System.Runtime.InteropServices;

namespace Benchmarks.Sync;

internal static partial class Affinity
{
    public const ulong FirstCore = 0b01;
    public const ulong SecondCore = 0b10;
    public const ulong Both = FirstCore | SecondCore;

    /// <summary>Keeps the calling thread to some cores: sched_setaffinity(2).</summary>
    public static void OfThread(ulong cores) => Set(0, cores);

    /// <summary>Keeps all threads that a process has to some cores, and those that they start.</summary>
    public static void OfProcess(int process, ulong cores)
    {
        foreach (var thread in Directory.EnumerateDirectories($"/proc/{process}/task").Select(Path.GetFileName))
        {
            Set(int.Parse(thread!, System.Globalization.CultureInfo.InvariantCulture), cores);
        }
    }

    private static void Set(int thread, ulong cores)
    {
        const int NoSuchThread = 3;
        if (SetAffinity(thread, sizeof(ulong), in cores) != 0 && Marshal.GetLastPInvokeError() is not NoSuchThread and var error)
        {
            throw new InvalidOperationException($"sched_setaffinity: {error}");
        }
    }

    [LibraryImport("libc", EntryPoint = "sched_setaffinity", SetLastError = true)]
    private static partial int SetAffinity(int thread, nuint size, in ulong mask);
}
