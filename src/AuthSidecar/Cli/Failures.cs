namespace AuthSidecar.Cli;

/// <summary>The one place where what went wrong in a command becomes a message and an exit code.</summary>
internal static class Failures
{
    public static int Guard(Func<int> command)
    {
        try
        {
            return command();
        }
        catch (Exception e) when (e is UsageException or IOException or InvalidDataException or UnauthorizedAccessException)
        {
            Console.Error.WriteLine(e.Message);
            return ExitCode.Error;
        }
        catch (ArgumentException e) when (e.ParamName == "path")
        {
            // What the runtime says of the name of a file or folder: that of a variable which is not set, as a rule.
            Console.Error.WriteLine("a file or folder name is empty, or contains a null character");
            return ExitCode.Error;
        }
    }
}
