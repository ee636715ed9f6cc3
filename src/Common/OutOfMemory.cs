namespace AuthSidecar.Common;

/// <summary>A process that has run out of memory ends, and whoever started it starts it anew: what goes on would fail at the same place
/// again, and look alive.</summary>
internal static class OutOfMemory
{
    public static void EndsTheProcess() => AppDomain.CurrentDomain.FirstChanceException += (_, e) =>
    {
        if (e.Exception is OutOfMemoryException)
            Environment.FailFast("out of memory: raise the memory limit (docs/operations.md has the sizes)");
    };
}
