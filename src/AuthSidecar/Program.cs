using System.CommandLine;
using AuthSidecar.Cli;

var parsed = CommandLine.Create().Parse(args);
// No limit on the time to end: how long a sidecar may drain is said by `serve` itself.
var exitCode = await parsed.InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = null });
// A line that was not understood got no answer, and must not pass for a denial.
return parsed.Errors.Count > 0 ? ExitCode.Error : exitCode;
