namespace AuthSidecar.ControlPlane.Cli;

/// <summary><c>authsidecar-control backup</c>: an online backup of an SQLite database, for machines and images without
/// <c>sqlite3</c>.</summary>
internal static class BackupCommand
{
    public static Command Create()
    {
        var file = new Argument<string>("file") { Description = "The backup file; it must not exist." };
        var state = CliOption.Of<string?>("--state", "FOLDER", "The state folder of the control plane.");
        var database = CliOption.Of<string?>(
            "--database", "DATABASE", "`sqlite:PATH`, as given to `serve`. Default: SQLite in the state folder.");
        var command = new Command("backup",
            "Back up the SQLite database while the control plane runs or is stopped. The master key is not in the backup.")
        {
            file, state, database,
        }.WithExamples("authsidecar-control backup control.bak --state /var/lib/authsidecar-control");
        command.SetAction(async (parsed, cancellation) =>
        {
            try
            {
                var (folder, given) = (parsed.GetValue(state), parsed.GetValue(database));
                if (folder is null == given is null)
                    throw new FormatException($"specify either `{state.Name}` or `{database.Name}`");

                var path = parsed.GetValue(file)!;
                await Database.Parse(given ?? $"sqlite:{Path.Combine(folder!, "control.db")}").BackUpAsync(path, cancellation);
                Console.WriteLine($"{path}: {new FileInfo(path).Length} bytes");
                return 0;
            }
            catch (Exception e) when (e is FormatException or IOException or InvalidDataException or UnauthorizedAccessException
                or System.Data.Common.DbException)
            {
                Console.Error.WriteLine($"authsidecar-control: {FileErrors.Describe(e)}");
                return ServeCommand.Failed;
            }
        });
        return command;
    }
}
