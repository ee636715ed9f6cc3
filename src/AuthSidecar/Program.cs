using System.CommandLine;
using AuthSidecar.Cli;

// No limit on the time to end: how long a sidecar may drain is said by `serve` itself.
return await CommandLine.Create().Parse(args).InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = null });
