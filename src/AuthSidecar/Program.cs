using AuthSidecar.Cli;
using AuthSidecar.Common;

return await CommandLine.Create().Parse(args).InvokeAsync(ExitCode.Error);
