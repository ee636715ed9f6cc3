using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace AuthSidecar.Common;

/// <summary>What the help of a command has beside its options: examples, and what its exit codes mean.</summary>
internal static class CommandHelp
{
    private static readonly (int Code, string Meaning)[] UsualExitCodes = [(0, "success"), (2, "error")];

    private static readonly ConditionalWeakTable<Command, Notes> NotesOf = [];

    extension<T>(T command)
        where T : Command
    {
        /// <summary>Adds command lines that can be pasted once their names are replaced. Tests parse them.</summary>
        public T WithExamples(params IEnumerable<string> lines)
        {
            NotesOf.GetOrCreateValue(command).Examples.AddRange(lines);
            return command;
        }

        /// <summary>Says what the exit codes mean where there are others than 0 (success) and 2 (error).</summary>
        public T WithExitCodes(params (int Code, string Meaning)[] codes)
        {
            NotesOf.GetOrCreateValue(command).ExitCodes = codes;
            return command;
        }
    }

    extension(Command command)
    {
        public IReadOnlyList<string> Examples => NotesOf.TryGetValue(command, out var notes) ? notes.Examples : [];
    }

    /// <summary>Makes <c>--help</c> of every command tell its examples and exit codes, and adds <c>completion</c>.</summary>
    public static RootCommand Complete(this RootCommand root)
    {
        root.Add(CompletionCommand.Create());
        var help = root.Options.OfType<HelpOption>().Single();
        // Where paths begin with a slash, these are files.
        help.Aliases.Remove("/h");
        help.Aliases.Remove("/?");
        help.Action = new Action((HelpAction)help.Action!);
        return root;
    }

    private sealed class Notes
    {
        public List<string> Examples { get; } = [];

        public (int Code, string Meaning)[] ExitCodes { get; set; } = UsualExitCodes;
    }

    private sealed class Action(HelpAction inner) : SynchronousCommandLineAction
    {
        public override int Invoke(ParseResult parseResult)
        {
            var result = inner.Invoke(parseResult);
            var (command, output) = (parseResult.CommandResult.Command, parseResult.InvocationConfiguration.Output);
            if (command.Examples is { Count: > 0 } examples)
                output.WriteLine($"Examples:\n{string.Concat(examples.Select(e => $"  {e}\n"))}");

            if (command.Subcommands.Count == 0)
            {
                var codes = NotesOf.TryGetValue(command, out var notes) ? notes.ExitCodes : UsualExitCodes;
                output.WriteLine($"Exit codes:\n{string.Concat(codes.Select(c => $"  {c.Code}  {c.Meaning}\n"))}");
            }

            return result;
        }
    }
}
