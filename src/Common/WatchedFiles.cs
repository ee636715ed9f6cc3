namespace AuthSidecar.Common;

/// <summary>A value that is made from files, and made again when one of them is another than it was: cert-manager, SPIRE and Kubernetes replace files while we run.</summary>
/// <remarks>Safe to share between threads. Files that cannot be used, such as half-written ones, leave the value what it was.</remarks>
/// <param name="paths">The files.</param>
/// <param name="read">Makes the value.</param>
/// <param name="failed">Told once for every state of the files that cannot be used.</param>
internal sealed class WatchedFiles<T>(IReadOnlyList<string> paths, Func<T> read, Action<Exception> failed)
    where T : class
{
    private readonly Lock _reading = new();
    private string? _stamp;
    private T? _value;

    /// <summary>The value, from the files as they are now.</summary>
    /// <exception cref="Exception">The first value cannot be made, and why.</exception>
    public T Current
    {
        get
        {
            lock (_reading)
            {
                // Before they are read: whatever changes meanwhile is seen the next time.
                var stamp = FileStatus.StampOf(paths);
                if (_value is null)
                {
                    (_value, _stamp) = (read(), stamp);
                }
                else if (stamp != _stamp)
                {
                    _stamp = stamp;
                    try
                    {
                        _value = read();
                    }
                    catch (Exception e)
                    {
                        failed(e);
                    }
                }

                return _value;
            }
        }
    }
}
