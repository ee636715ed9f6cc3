namespace AuthSidecar.Common;

/// <summary>An exclusive lock between processes (flock(2)), held until it is disposed of or the process ends.</summary>
internal sealed class FileLock : IDisposable
{
    /// <summary>EWOULDBLOCK, which the runtime passes on.</summary>
    private const int WouldBlock = 11;

    private readonly FileStream _file;

    private FileLock(FileStream file) => _file = file;

    /// <param name="path">The lock file, which is created and stays.</param>
    /// <param name="what">What is locked, for the message, such as `the state folder X`.</param>
    /// <exception cref="IOException">Another process holds it.</exception>
    public static FileLock Take(string path, string what)
    {
        try
        {
            return new FileLock(new FileStream(path, new FileStreamOptions
            {
                Mode = FileMode.OpenOrCreate,
                Access = FileAccess.ReadWrite,
                Share = FileShare.None,
                UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
            }));
        }
        catch (IOException e) when (e.HResult == WouldBlock)
        {
            throw new IOException($"{what} is in use by another process", e);
        }
    }

    public void Dispose() => _file.Dispose();
}
