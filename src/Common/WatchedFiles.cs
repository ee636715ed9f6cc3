namespace AuthSidecar.Common;

/// <summary>A value that is made from files, and made again when one of them is another than it was: cert-manager, SPIRE and Kubernetes
/// replace files while we run.</summary>
/// <remarks>Safe to share between threads. Files that cannot be used, such as half-written ones, leave the value as it was. Reading the
/// value never waits for a file: a network mount that hangs blocks only the background check.</remarks>
internal sealed class WatchedFiles<T> : IDisposable
    where T : class
{
    public static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(1);

    private readonly Lock _looking = new();
    private readonly IReadOnlyList<string> _paths;
    private readonly Func<T> _read;
    private readonly Action<Exception> _failed;
    private string _stamp;
    private string _reported = "";
    private volatile T _value;
    private Timer? _timer;

    /// <param name="read">Makes the value.</param>
    /// <param name="failed">Told once for every state of the files that cannot be used.</param>
    /// <exception cref="Exception">The first value cannot be made, and why.</exception>
    public WatchedFiles(IReadOnlyList<string> paths, Func<T> read, Action<Exception> failed)
    {
        (_paths, _read, _failed) = (paths, read, failed);
        // Before they are read: whatever changes meanwhile is seen the next time.
        (_stamp, _value) = (FileStatus.StampOf(paths), read());
    }

    /// <summary>The value, from the files as they were when they were looked at last.</summary>
    public T Current => _value;

    /// <summary>Looks by itself from now on.</summary>
    public WatchedFiles<T> Watch()
    {
        _timer ??= _paths.Count > 0 ? new Timer(_ => Look(), null, LookEvery, LookEvery) : null;
        return this;
    }

    /// <summary>Looks whether the files are others; returns at once while another looks.</summary>
    public void Look()
    {
        if (!_looking.TryEnter())
            return;

        try
        {
            var stamp = FileStatus.StampOf(_paths);
            if (stamp != _stamp)
                Read(stamp);
        }
        finally
        {
            _looking.Exit();
        }
    }

    public void Dispose() => _timer?.Dispose();

    private void Read(string stamp)
    {
        try
        {
            _value = _read();
            _stamp = stamp;
        }
        catch (Exception e)
        {
            // Tried again, since not every reason is in the files: a process may be out of file descriptors.
            if (_reported != stamp)
                _failed(e);

            _reported = stamp;
        }
    }
}
