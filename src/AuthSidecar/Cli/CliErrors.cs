namespace AuthSidecar.Cli;

/// <summary>The one place where what went wrong in a command becomes a message and an exit code.</summary>
internal static class CliErrors
{
    public static int Guard(Func<int> command)
    {
        try
        {
            return command();
        }
        catch (Exception e) when (e is UsageException or IOException or InvalidDataException or UnauthorizedAccessException)
        {
            Console.Error.WriteLine(FileErrors.Describe(e));
            return ExitCode.Error;
        }
    }
}
