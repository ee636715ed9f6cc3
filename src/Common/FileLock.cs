namespace AuthSidecar.Common;

/// <summary>Keeps what is one process' alone from another (flock(2)): as long as it is held, and the process lives.</summary>
internal sealed class FileLock : IDisposable
{
    /// <summary>EWOULDBLOCK, which the runtime passes on.</summary>
    private const int WouldBlock = 11;

    private readonly FileStream _file;

    private FileLock(FileStream file) => _file = file;

    /// <param name="path">The file that stands for it, which is created and stays.</param>
    /// <param name="what">What it stands for, such as `the state folder X`.</param>
    /// <exception cref="IOException">Another process holds it.</exception>
    public static FileLock Take(string path, string what)
    {
        try
        {
            return new FileLock(new FileStream(path, new FileStreamOptions { Mode = FileMode.OpenOrCreate, Access = FileAccess.ReadWrite, Share = FileShare.None, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite }));
        }
        catch (IOException e) when (e.HResult == WouldBlock)
        {
            throw new IOException($"{what} is in use by another process", e);
        }
    }

    public void Dispose() => _file.Dispose();
}
