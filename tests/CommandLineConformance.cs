using System.CommandLine;
using System.CommandLine.Completions;
using System.CommandLine.Help;
using System.Text;
using AuthSidecar.Common;

namespace AuthSidecar.Testing;

/// <summary>What holds for every command of both binaries: help that says what to type, and command lines in help and docs that parse.</summary>
internal static class CommandLineConformance
{
    /// <summary>What is missing or wrong in the help of the commands, a line each.</summary>
    public static IEnumerable<string> FaultsOfHelp(RootCommand root, string program)
    {
        foreach (var (path, command) in CommandsOf(program, root))
        {
            var verb = command.Description!.Split(' ')[0];
            if (command != root && verb.EndsWith('s') && !verb.EndsWith("ss", StringComparison.Ordinal))
            {
                yield return $"{path}: the description is not in the imperative: {verb}";
            }

            foreach (var option in command.Options.Where(o => o is not HelpOption and not VersionOption && o.ValueType != typeof(bool)))
            {
                var type = Nullable.GetUnderlyingType(option.ValueType) ?? option.ValueType;
                if (option.HelpName is null && !type.IsEnum && option.CompletionSources.Count == 0)
                {
                    yield return $"{path} {option.Name}: its value has no name";
                }
            }

            if (command.Subcommands.Count == 0 && path != $"{program} completion" && command.Examples.Count == 0)
            {
                yield return $"{path}: no example";
            }

            foreach (var example in command.Examples)
            {
                if (!example.StartsWith(path, StringComparison.Ordinal))
                {
                    yield return $"{path}: an example of another command: {example}";
                }

                foreach (var fault in FaultsOf(root, example))
                {
                    yield return $"{path}: {fault}";
                }
            }
        }
    }

    /// <summary>The command lines of the documentation that the binary would refuse, a line each.</summary>
    public static IEnumerable<string> FaultsOfDocs(RootCommand root, string program, out int read)
    {
        var lines = LinesOfDocs(program).ToList();
        read = lines.Count;
        return lines.SelectMany(l => FaultsOf(root, l.Text).Select(f => $"{l.File}: {f}"));
    }

    /// <summary>Whether docs/configuration.md lists the commands with their options as they are; with <c>AUTHSIDECAR_WRITE_DOCS=1</c>, makes it so.</summary>
    public static bool IsListed(RootCommand root, string program)
    {
        var path = Path.Combine(Repository(), "docs", "configuration.md");
        var (text, marks) = (File.ReadAllText(path), (Begin: $"<!-- {program}: written by scripts/docs.sh -->", End: $"<!-- /{program} -->"));
        var (begin, end) = (text.IndexOf(marks.Begin, StringComparison.Ordinal), text.IndexOf(marks.End, StringComparison.Ordinal));
        var wanted = $"{text[..begin]}{marks.Begin}\n\n{Reference(root, program)}{text[end..]}";
        if (Environment.GetEnvironmentVariable("AUTHSIDECAR_WRITE_DOCS") == "1")
        {
            File.WriteAllText(path, wanted);
            return true;
        }

        return text == wanted;
    }

    private static string Reference(RootCommand root, string program)
    {
        var leaves = CommandsOf(program, root).Where(c => c.Command.Subcommands.Count == 0).ToList();
        var shared = leaves.SelectMany(c => c.Command.Options).Select(Row).GroupBy(r => r, StringComparer.Ordinal).Where(g => g.Count() > 10).Select(g => g.Key).ToHashSet(StringComparer.Ordinal);
        var text = new StringBuilder();
        if (shared.Count > 0)
        {
            text.Append($"Options of every command that calls the control plane:\n\n{Table(shared)}");
        }

        foreach (var (path, command) in leaves)
        {
            text.Append($"### {path}\n\n{command.Description}\n\n{string.Concat(command.Examples.Select(e => $"    {e}\n"))}{(command.Examples.Count > 0 ? "\n" : "")}");
            text.Append(Table(command.Arguments.Select(a => $"| `{a.Name.ToUpperInvariant()}` | {Cell(a.Description!)} |").Concat(command.Options.Select(Row).Where(r => !shared.Contains(r)))));
        }

        return text.ToString();
    }

    private static string Table(IEnumerable<string> rows) => rows.ToList() is { Count: > 0 } lines ? $"| Option | Meaning |\n| --- | --- |\n{string.Join('\n', lines)}\n\n" : "";

    private static string Row(Option option)
    {
        var value = option.ValueType == typeof(bool) ? ""
            : option.HelpName is { } name ? $" {name}"
            : $" {string.Join("\\|", option.GetCompletions(CompletionContext.Empty).Select(c => c.Label))}";
        // A default that the description tells may depend on the machine.
        var preset = option.HasDefaultValue && option.ValueType != typeof(bool) && !option.Description!.Contains("Default:", StringComparison.Ordinal) && option.GetDefaultValue() is { } at && $"{at}".Length > 0
            ? $" Default: {at}."
            : "";
        return $"| `{option.Name}{value}` | {(option.Required ? "Required. " : "")}{Cell(option.Description!)}{preset} |";
    }

    private static string Cell(string text) => text.Replace("|", "\\|", StringComparison.Ordinal);

    private static IEnumerable<string> FaultsOf(RootCommand root, string line) => root.Parse(Split(line)[1..]) is { Errors: [var error, ..] } ? [$"{line}: {error.Message}"] : [];

    private static IEnumerable<(string Path, Command Command)> CommandsOf(string path, Command command) =>
        command.Subcommands.SelectMany(c => CommandsOf($"{path} {c.Name}", c)).Prepend((path, command));

    private static IEnumerable<(string File, string Text)> LinesOfDocs(string program)
    {
        var repository = Repository();
        var files = new[] { "README.md", "CONTRIBUTING.md" }.Select(f => Path.Combine(repository, f))
            .Concat(new[] { "docs", "deploy", "samples" }.Select(f => Path.Combine(repository, f)).Where(Directory.Exists)
                .SelectMany(f => Directory.EnumerateFiles(f, "*.md", SearchOption.AllDirectories)));
        return from file in files
               from line in File.ReadAllText(file).Replace("\\\n", " ", StringComparison.Ordinal).Split('\n')
               let text = line.Trim()
               where line.StartsWith("    ", StringComparison.Ordinal) && text.StartsWith(program + " ", StringComparison.Ordinal) && !text.Contains(" ...", StringComparison.Ordinal)
               select (Path.GetRelativePath(repository, file), text);
    }

    internal static string Repository()
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "AuthSidecar.slnx")))
        {
            folder = Path.GetDirectoryName(folder) ?? throw new InvalidOperationException("no repository");
        }

        return folder;
    }

    /// <summary>The words of a shell's line, up to the end of its first command.</summary>
    private static string[] Split(string line)
    {
        var (words, word, quote) = (new List<string>(), (StringBuilder?)null, '\0');
        foreach (var c in line)
        {
            if (quote != '\0')
            {
                if (c == quote)
                {
                    quote = '\0';
                }
                else
                {
                    word!.Append(c);
                }
            }
            else if (c is '\'' or '"')
            {
                (quote, word) = (c, word ?? new StringBuilder());
            }
            else if (c is '|' or '>' or '<' or ';' or '&' || (c == '#' && word is null))
            {
                break;
            }
            else if (c == ' ')
            {
                if (word is not null)
                {
                    words.Add(word.ToString());
                }

                word = null;
            }
            else
            {
                (word ??= new StringBuilder()).Append(c);
            }
        }

        return word is null ? [.. words] : [.. words, word.ToString()];
    }
}
