namespace AuthSidecar.Common;

/// <summary><c>completion</c>: prints a script by which a shell completes command lines. It asks the binary itself, by its <c>[suggest]</c>
/// directive.</summary>
internal static class CompletionCommand
{
    private static readonly Dictionary<string, string> Scripts = new(StringComparer.Ordinal)
    {
        ["bash"] = """
            _NAME() {
              local IFS=$'\n'
              COMPREPLY=($(compgen -W "$(PROGRAM "[suggest:${COMP_POINT}]" "${COMP_LINE}" 2>/dev/null)" -- "${COMP_WORDS[COMP_CWORD]}"))
            }
            complete -o default -F _NAME PROGRAM
            """,
        ["fish"] = """
            complete -c PROGRAM -a '(PROGRAM "[suggest:"(string length -- (commandline -cp))"]" (commandline -cp) 2>/dev/null)'
            """,
        ["zsh"] = """
            #compdef PROGRAM
            _NAME() {
              local -a suggestions
              suggestions=("${(@f)$(PROGRAM "[suggest:${CURSOR}]" "${BUFFER}" 2>/dev/null)}")
              compadd -- "${suggestions[@]}"
              _files
            }
            compdef _NAME PROGRAM
            """,
    };

    public static Command Create()
    {
        var shell = new Argument<string>("shell") { Description = "The shell: bash, fish or zsh." };
        shell.AcceptOnlyFromAmong([.. Scripts.Keys]);
        var command = new Command("completion", "Print a completion script for a shell.") { shell };
        command.SetAction(parsed =>
        {
            var program = parsed.RootCommandResult.Command.Name;
            Console.Out.WriteLine(Scripts[parsed.GetValue(shell)!]
                .Replace("NAME", program.Replace('-', '_'), StringComparison.Ordinal)
                .Replace("PROGRAM", program, StringComparison.Ordinal));
        });
        return command;
    }
}
