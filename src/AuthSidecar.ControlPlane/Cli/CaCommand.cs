using AuthSidecar.ControlPlane.State;

namespace AuthSidecar.ControlPlane.Cli;

/// <summary><c>authsidecar-control ca</c>: the CA of the control plane.</summary>
internal static class CaCommand
{
    /// <summary><c>authsidecar-control ca show</c>.</summary>
    public static Command Create()
    {
        var state = CliOption.Of<string>("--state", "FOLDER", "The state folder of a node.").Require();
        var command = new Command(
            "show", "Print the CA of the control plane in PEM, for `--ca` of sidecars and of administrators' commands.") { state };
        command.SetAction(parsed =>
        {
            try
            {
                Console.Out.Write(StateFolder.ReadCa(parsed.GetValue(state)!));
                return 0;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                Console.Error.WriteLine($"authsidecar-control: {e.Message}");
                return ServeCommand.Failed;
            }
        });
        command.WithExamples("authsidecar-control ca show --state /var/lib/authsidecar-control");
        return new Command("ca", "Show the CA of the control plane.") { command };
    }
}
