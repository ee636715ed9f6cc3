using System.CommandLine;

namespace AuthSidecar.Cli.Policies;

/// <summary><c>authsidecar policy pack</c>: prints a built-in pack, to begin policies of one's own with.</summary>
internal static class PackCommand
{
    public static Command Create()
    {
        var name = new Argument<string>("name") { Description = $"The pack: {string.Join(", ", PolicyPacks.Names)}." };
        var command = new Command("pack", "Prints a built-in pack of policies.") { name };
        command.SetAction(parsed =>
        {
            if (PolicyPacks.Find(parsed.GetValue(name)!) is { } pack)
            {
                using var output = Console.OpenStandardOutput();
                output.Write(pack);
                return ExitCode.Success;
            }

            Console.Error.WriteLine($"authsidecar: unknown pack `{parsed.GetValue(name)}`; known packs: {string.Join(", ", PolicyPacks.Names)}");
            return ExitCode.Error;
        });
        return command;
    }
}
