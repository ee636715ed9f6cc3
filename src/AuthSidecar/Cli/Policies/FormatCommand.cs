namespace AuthSidecar.Cli.Policies;

/// <summary><c>policies format</c>: formats files of policies; comments are kept.</summary>
internal static class FormatCommand
{
    public static Command Create()
    {
        var policies = CliOption.Of<string[]>("--policies", "FILE",
            "A file of policies in Cedar syntax, a folder of such, or a pattern; `-` for standard input. May be repeated.").Require();
        var write = CliOption.Flag("--write", "Write the files instead of printing the result.");
        var check = CliOption.Flag("--check", "List the files that are not formatted; write nothing.");
        var width = CliOption.Of<int>(
            "--line-width", "COLUMNS", "The maximum line width in characters. Default: 100.").WithDefault(() => 100);
        var indent = CliOption.Of<int>("--indent-width", "COLUMNS", "The indentation width in spaces. Default: 2.").WithDefault(() => 2);
        var compat = CompatOption.Create(ofBundle: false);
        var command = new Command("format", "Format policies; comments are kept.") { policies, write, check, width, indent, compat }
            .WithExamples("authsidecar policies format --policies app/policies --write")
            .WithExitCodes((0, "success; with --check, all are formatted"), (1, "with --check, some are not formatted"), (2, "error"));
        command.SetAction(parsed => CliErrors.Guard(() =>
        {
            if (parsed.GetValue(width) < 1 || parsed.GetValue(indent) < 0)
                throw new UsageException("--line-width must be 1 or more, --indent-width 0 or more");

            if (parsed.GetValue(write) && parsed.GetValue(check))
                throw new UsageException("--check excludes --write");

            var changed = 0;
            var release = CompatOption.Read(parsed, compat) ?? CedarReleases.Latest;
            // All are formatted before one is written: a fault in the last leaves the first as it is.
            foreach (var (file, text, formatted) in Sources.Expand(
                parsed.GetValue(policies)!).Select(f => Format(f, parsed.GetValue(width), parsed.GetValue(indent), release)).ToList())
            {
                changed += text == formatted ? 0 : 1;
                Finish(file, isChanged: text != formatted, formatted, parsed.GetValue(check), parsed.GetValue(write));
            }

            return parsed.GetValue(check) && changed > 0 ? ExitCode.Deny : ExitCode.Success;
        }));
        return command;
    }

    private static (string File, string Text, string Formatted) Format(string file, int width, int indent, CedarRelease release)
    {
        var source = Sources.Read(file);
        return PolicyFormatter.TryFormat(source, out var formatted, out var faults, width, indent, release)
            ? (file, System.Text.Encoding.UTF8.GetString(source.Utf8), formatted)
            : throw Sources.Refused(faults);
    }

    private static void Finish(string file, bool isChanged, string formatted, bool isCheck, bool isWrite)
    {
        if (isCheck)
        {
            if (isChanged)
                Console.Out.WriteLine(file);
        }
        else if (!isWrite || file == "-")
        {
            Console.Out.Write(formatted);
        }
        else if (isChanged)
        {
            File.WriteAllText(file, formatted);
        }
    }
}
