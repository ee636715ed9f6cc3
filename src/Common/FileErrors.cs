namespace AuthSidecar.Common;

/// <summary>Why a file cannot be read or written, in words that name the option that it was given by.</summary>
internal static partial class FileErrors
{
    /// <param name="e">What went wrong; of other kinds than these its own message is enough.</param>
    public static string Describe(Exception e)
    {
        var path = (e as FileNotFoundException)?.FileName ?? (Quoted().Match(e.Message) is { Success: true } match ? match.Value : null);
        if (path is null)
            return e.Message;

        var what = e switch
        {
            UnauthorizedAccessException when Directory.Exists(path) && IsListable(path) => "is a folder, not a file",
            DirectoryNotFoundException when Path.GetDirectoryName(path) is { } folder && !Directory.Exists(folder) =>
                $"cannot be written or read: the folder `{folder}` does not exist",
            FileNotFoundException or DirectoryNotFoundException => "not found",
            UnauthorizedAccessException => "permission denied",
            _ => null,
        };
        return what is null ? e.Message : $"{(RunningCommand.OptionWithPath(path) is { } option ? $"{option}: " : "")}`{path}` {what}";
    }

    private static bool IsListable(string folder)
    {
        try
        {
            return Directory.EnumerateFileSystemEntries(folder).Any() || true;
        }
        catch (UnauthorizedAccessException)
        {
            return false;
        }
    }

    /// <summary>Reads a file before it is needed.</summary>
    /// <returns>Why that fails; null: it does not.</returns>
    public static string? Find(Action read)
    {
        try
        {
            read();
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidDataException)
        {
            return Describe(e);
        }
    }

    [GeneratedRegex("(?<=')/[^']+(?=')")]
    private static partial Regex Quoted();
}
