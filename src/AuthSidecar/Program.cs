using AuthSidecar.Cli;

return await CommandLine.Create().Parse(args).InvokeAsync(ExitCode.Error);
