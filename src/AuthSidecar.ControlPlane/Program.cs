using System.CommandLine;
using AuthSidecar.ControlPlane.Cli;

var command = new RootCommand("The control plane of AuthSidecar.") { ServeCommand.Create() };
var parsed = command.Parse(args);
var exitCode = await parsed.InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = null });
return parsed.Errors.Count > 0 ? ServeCommand.Failed : exitCode;
