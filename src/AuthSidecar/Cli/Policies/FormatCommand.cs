using System.CommandLine;
using AuthSidecar.Cedar;

namespace AuthSidecar.Cli.Policies;

/// <summary><c>policy format</c>: formats files of policies; comments are kept.</summary>
internal static class FormatCommand
{
    public static Command Create()
    {
        var policies = new Option<string[]>("--policies") { Description = "A file of policies in Cedar syntax, a folder of such, or a pattern; `-` for standard input. May be repeated.", Required = true };
        var write = new Option<bool>("--write") { Description = "Write the files instead of printing the result." };
        var check = new Option<bool>("--check") { Description = "List the files that are not formatted; write nothing. Exit code: 0 none, 1 some, 2 error." };
        var width = new Option<int>("--line-width") { Description = "The maximum line width in characters. Default: 100.", DefaultValueFactory = _ => 100 };
        var indent = new Option<int>("--indent-width") { Description = "The indentation width in spaces. Default: 2.", DefaultValueFactory = _ => 2 };
        var compat = CompatOption.Create(ofBundle: false);
        var command = new Command("format", "Formats policies; comments are kept.") { policies, write, check, width, indent, compat };
        command.SetAction(parsed => Failures.Guard(() =>
        {
            if (parsed.GetValue(width) < 1 || parsed.GetValue(indent) < 0)
            {
                throw new UsageException("--line-width is 1 or more, --indent-width 0 or more");
            }

            var changed = 0;
            var release = CompatOption.Read(parsed, compat) ?? CedarReleases.Latest;
            // All are formatted before one is written: a fault in the last leaves the first as it is.
            foreach (var (file, text, formatted) in Sources.Expand(parsed.GetValue(policies)!).Select(f => Format(f, parsed.GetValue(width), parsed.GetValue(indent), release)).ToList())
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
            {
                Console.Out.WriteLine(file);
            }
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
