using AuthSidecar.ControlPlane.V1;

namespace AuthSidecar.ControlPlane.Cli;

/// <summary><c>authsidecar-control restore</c>: the history of the database, and a new one after a restore from backup.</summary>
internal static class RestoreCommand
{
    public static Command Create()
    {
        var confirm = CliOption.Flag("--confirm",
            "Begin a new history: all sidecars resynchronize in full, and data newer than the backup is discarded. Refused if no rollback "
                + "was detected.");
        var force = CliOption.Flag("--force", "With --confirm: also if no rollback was detected.");
        return AdminCommand.Create("restore",
            "Show the history of the database; with --confirm, begin a new one after a restore from backup, and print its first revision.",
            "authsidecar-control restore --confirm", [confirm, force], async (parsed, channel, output, cancellation) =>
        {
            if (parsed.GetValue(force) && !parsed.GetValue(confirm))
                throw new InvalidDataException($"`{force.Name}` requires `{confirm.Name}`");

            var client = new HistoryService.HistoryServiceClient(channel);
            var history = await client.GetHistoryAsync(new GetHistoryRequest(), cancellationToken: cancellation);
            if (parsed.GetValue(confirm))
            {
                var request = new BeginHistoryRequest { ExpectedHistory = history.History, Force = parsed.GetValue(force) };
                output.WriteLine((await client.BeginHistoryAsync(request, cancellationToken: cancellation)).Revision);
                return 0;
            }

            output.WriteLine(
                $"history {history.History}, begun {history.BeganAt.ToDateTimeOffset():u}, newest revision {history.Revision}");
            output.WriteLine(history.LostRevision.Length == 0
                ? "no rollback detected"
                : LostHistory(history.LostRevision));
            return history.LostRevision.Length == 0 ? 0 : AdminCommand.Faulty;
        }).WithExitCodes((0, "no rollback detected, or confirmed"), (1, "rollback detected"), (2, "error"));
    }

    public static string LostHistory(string lost) =>
        $"database rollback detected: sidecars have revision {lost}, which the database does not have. Writes are refused until "
            + "`authsidecar-control restore --confirm` begins a new history";
}
