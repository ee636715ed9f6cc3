using AuthSidecar.ControlPlane.Cli;

return await CommandLine.Create().Parse(args).InvokeAsync(ServeCommand.Failed);
