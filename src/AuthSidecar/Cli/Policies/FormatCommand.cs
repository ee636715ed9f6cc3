using System.CommandLine;
using AuthSidecar.Cedar;

namespace AuthSidecar.Cli.Policies;

/// <summary><c>policy format</c>: lays out files of policies, comments kept.</summary>
internal static class FormatCommand
{
    public static Command Create()
    {
        var policies = new Option<string[]>("--policies") { Description = "A file of policies in Cedar syntax, a folder of such, or a pattern; `-` for standard input. May be repeated.", Required = true };
        var write = new Option<bool>("--write") { Description = "Write the files instead of printing them." };
        var check = new Option<bool>("--check") { Description = "Only tell which files are laid out otherwise; end with 1 if there are any." };
        var width = new Option<int>("--line-width") { Description = "How many characters a line has. Default: 100.", DefaultValueFactory = _ => 100 };
        var indent = new Option<int>("--indent-width") { Description = "How many spaces an inner line stands further in. Default: 2.", DefaultValueFactory = _ => 2 };
        var command = new Command("format", "Lays out policies.") { policies, write, check, width, indent };
        command.SetAction(parsed => Failures.Guard(() =>
        {
            if (parsed.GetValue(width) < 1 || parsed.GetValue(indent) < 0)
            {
                throw new UsageException("--line-width is 1 or more, --indent-width 0 or more");
            }

            var changed = 0;
            // All are laid out before one is written: a fault in the last leaves the first as it is.
            foreach (var (file, text, formatted) in Sources.Expand(parsed.GetValue(policies)!).Select(f => Format(f, parsed.GetValue(width), parsed.GetValue(indent))).ToList())
            {
                changed += text == formatted ? 0 : 1;
                Finish(file, isChanged: text != formatted, formatted, parsed.GetValue(check), parsed.GetValue(write));
            }

            return parsed.GetValue(check) && changed > 0 ? ExitCode.Deny : ExitCode.Success;
        }));
        return command;
    }

    private static (string File, string Text, string Formatted) Format(string file, int width, int indent)
    {
        var source = Sources.Read(file);
        return PolicyFormatter.TryFormat(source, out var formatted, out var faults, width, indent)
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
