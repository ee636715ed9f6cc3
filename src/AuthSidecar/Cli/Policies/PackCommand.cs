namespace AuthSidecar.Cli.Policies;

/// <summary><c>authsidecar packs show</c>: prints a built-in pack, to begin policies of one's own with.</summary>
internal static class PackCommand
{
    public static Command Create()
    {
        var name = new Argument<string>("name") { Description = $"The pack: {string.Join(", ", PolicyPacks.Names)}." };
        var command = new Command("show", "Print a built-in pack of policies.") { name }.WithExamples("authsidecar packs show rbac");
        command.SetAction(parsed =>
        {
            if (PolicyPacks.Find(parsed.GetValue(name)!) is { } pack)
            {
                using var output = Console.OpenStandardOutput();
                output.Write(pack);
                return ExitCode.Success;
            }

            Console.Error.WriteLine(
                $"authsidecar: unknown pack `{parsed.GetValue(name)}`; known packs: {string.Join(", ", PolicyPacks.Names)}");
            return ExitCode.Error;
        });
        var list = new Command("list", "List the built-in packs of policies.").WithExamples("authsidecar packs list");
        list.SetAction(_ =>
        {
            foreach (var each in PolicyPacks.Names)
                Console.Out.WriteLine(each);
        });
        return new Command("packs", "List and show built-in packs of policies.") { list, command };
    }
}
