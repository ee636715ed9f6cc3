using System.CommandLine;

namespace AuthSidecar.Cli.Quickstart;

/// <summary><c>authsidecar quickstart</c>: a sample application to try the sidecar with, and what to ask about it.</summary>
internal static class QuickstartCommand
{
    public static Command Create()
    {
        var folder = new Argument<string>("folder") { Description = "The folder of the sample." };
        var create = new Command("create", "Creates the sample unless it is there, and issues tokens that are good for twelve hours.") { folder };
        create.SetAction(parsed => Failures.Guard(() =>
        {
            new SampleApplication(parsed.GetValue(folder)!).Create();
            return ExitCode.Success;
        }));

        var address = new Option<string>("--address") { Description = "Where the sidecar of the sample is.", Required = true };
        var control = new Option<string?>("--control") { Description = "The binary of the sample's control plane, when it has one." };
        var adminSocket = new Option<string?>("--admin-socket") { Description = "The control plane's socket for administration." };
        var show = new Command("show", "Prints a token, and a line for each call with the answer that it gives.") { folder, address, control, adminSocket };
        show.SetAction(parsed => Failures.Guard(() =>
        {
            var commanded = parsed.GetValue(control) is { } binary && parsed.GetValue(adminSocket) is { } socket ? new SampleControl(binary, socket) : null;
            SampleCalls.Write(Console.Out, parsed.GetValue(folder)!, parsed.GetValue(address)!, commanded);
            return ExitCode.Success;
        }));

        var code = new Command("code", "Prints the code that alice's authenticator app shows now.") { folder };
        code.SetAction(parsed => Failures.Guard(() =>
        {
            Console.WriteLine(new SampleApplication(parsed.GetValue(folder)!).CurrentCode(TimeProvider.System.GetUtcNow()));
            return ExitCode.Success;
        }));
        return new Command("quickstart", "A sample application to try the sidecar with.") { create, show, code };
    }
}
