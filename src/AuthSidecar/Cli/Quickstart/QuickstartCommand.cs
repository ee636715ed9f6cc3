namespace AuthSidecar.Cli.Quickstart;

/// <summary><c>authsidecar quickstart</c>: a sample application to try the sidecar with, and what to ask about it.</summary>
internal static class QuickstartCommand
{
    public static Command Create()
    {
        var folder = new Argument<string>("folder") { Description = "The folder of the sample." };
        var create = new Command("create", "Create the sample if it does not exist, and issue tokens that are valid for twelve hours.")
        {
            folder,
        }.WithExamples("authsidecar quickstart create sample");
        create.SetAction(parsed => CliErrors.Guard(() =>
        {
            new SampleApplication(parsed.GetValue(folder)!).Create();
            return ExitCode.Success;
        }));

        var address = CliOption.Of<string>("--address", "ADDRESS", "Where the sidecar of the sample is.").Require();
        var control = CliOption.Of<string?>("--control", "FILE", "The binary of the sample's control plane, when it has one.");
        var adminSocket = CliOption.Of<string?>("--admin-socket", "PATH", "The control plane's socket for administration.");
        var show = new Command("show", "Print a token, and a command line for each call with its answer.")
        {
            folder, address, control, adminSocket,
        }.WithExamples("authsidecar quickstart show sample --address unix:/tmp/authsidecar.sock");
        show.SetAction(parsed => CliErrors.Guard(() =>
        {
            var commanded = parsed.GetValue(control) is { } binary && parsed.GetValue(adminSocket) is { } socket
                ? new SampleControl(binary, socket) : null;
            SampleCalls.Write(Console.Out, parsed.GetValue(folder)!, parsed.GetValue(address)!, commanded);
            return ExitCode.Success;
        }));

        var code = new Command("show-code", "Print the code that alice's authenticator app shows now.") { folder }.WithExamples(
            "authsidecar quickstart show-code sample");
        code.SetAction(parsed => CliErrors.Guard(() =>
        {
            Console.WriteLine(new SampleApplication(parsed.GetValue(folder)!).CurrentCode(TimeProvider.System.GetUtcNow()));
            return ExitCode.Success;
        }));
        return new Command("quickstart", "A sample application to try the sidecar with.") { create, show, code };
    }
}
