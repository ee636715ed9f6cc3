using AuthSidecar.Hosting;
using Google.Rpc;
using Grpc.Net.Client;

namespace AuthSidecar.Cli;

/// <summary>What every command has that asks a running sidecar: where it is, how long to wait, how to print.</summary>
internal sealed class ClientCommand
{
    private const string AddressVariable = "AUTHSIDECAR_ADDRESS";

    private readonly Option<string> _address = CliOption.Of<string>("--address", "ADDRESS",
        $"The address of the sidecar: `unix:/path` or `http://127.0.0.1:port`. Default: ${AddressVariable}, else the default socket.")
        .WithDefault(() => Environment.GetEnvironmentVariable(AddressVariable) is { Length: > 0 } address ? address
            : $"unix:{ServeOptions.DefaultSocket}");

    private readonly Option<bool> _json = CliOption.Flag("--json", "Print the answer as JSON.");

    private readonly Option<int> _timeoutMs = CliOption.Of<int>("--timeout-ms", "MS", "Timeout in milliseconds, 1 to 3600000.")
        .WithDefault(() => 5_000).Range(1, 3_600_000);

    /// <summary>Makes a command that sends one request and prints its answer.</summary>
    /// <param name="name">The command's name.</param>
    /// <param name="description">What it does.</param>
    /// <param name="example">A command line with it.</param>
    /// <param name="exitCodes">What its exit codes mean.</param>
    /// <param name="options">Its own options.</param>
    /// <param name="call">Makes the call. A usage error in the options is a <see cref="UsageException"/>.</param>
    /// <param name="print">Prints the answer for people, and gives the exit code.</param>
    public static Command Create<TResponse>(
        string name,
        string description,
        string example,
        (int Code, string Meaning)[] exitCodes,
        IEnumerable<Option> options,
        Func<ParseResult, GrpcChannel, CallOptions, AsyncUnaryCall<TResponse>> call,
        Func<TResponse, TextWriter, int> print)
        where TResponse : IMessage
    {
        var shared = new ClientCommand();
        var command = new Command(name, description).WithExamples(example).WithExitCodes([.. exitCodes, (ExitCode.Error, "error")]);
        foreach (var option in options)
            command.Add(option);

        command.Add(shared._address);
        command.Add(shared._json);
        command.Add(shared._timeoutMs);
        command.SetAction((parsed, cancellation) => shared.RunAsync(parsed, call, print, cancellation));
        return command;
    }

    private async Task<int> RunAsync<TResponse>(
        ParseResult parsed,
        Func<ParseResult, GrpcChannel, CallOptions, AsyncUnaryCall<TResponse>> call,
        Func<TResponse, TextWriter, int> print,
        CancellationToken cancellation)
        where TResponse : IMessage
    {
        try
        {
            using var channel = SidecarClient.Connect(parsed.GetValue(_address)!);
#pragma warning disable RS0030 // A deadline is a moment of the machine's clock.
            var options = new CallOptions(
                deadline: DateTime.UtcNow.AddMilliseconds(parsed.GetValue(_timeoutMs)), cancellationToken: cancellation);
#pragma warning restore RS0030
            using var pending = call(parsed, channel, options);
            var response = await pending;
            if (!parsed.GetValue(_json))
                return print(response, Console.Out);

            Console.WriteLine(JsonFormatter.Default.Format(response));
            return print(response, TextWriter.Null);
        }
        catch (RpcException e)
        {
            Console.Error.WriteLine($"authsidecar: {Describe(e, parsed.GetValue(_address)!, parsed.GetValue(_timeoutMs))}");
        }
        catch (Exception e) when (e is UsageException or IOException or UnauthorizedAccessException or UriFormatException
            or ArgumentException or InvalidOperationException)
        {
            Console.Error.WriteLine($"authsidecar: {FileErrors.Describe(e)}");
        }

        return ExitCode.Error;
    }

    private static string Describe(RpcException e, string address, int timeoutMs)
    {
        var reason = e.GetRpcStatus()?.GetDetail<ErrorInfo>()?.Reason;
        if (reason is null && e.StatusCode == StatusCode.Unavailable)
            return UnixSockets.IsDenied(e.Status.DebugException) ? $"permission denied: {address}" : $"no sidecar answers at {address}";

        if (reason is null && e.StatusCode == StatusCode.DeadlineExceeded)
        {
            // The client's own clock ended it: there is no word of the sidecar's.
            return $"DeadlineExceeded: no answer within {timeoutMs} ms; see --timeout-ms";
        }

        // The message has the first of them.
        var violations = e.GetRpcStatus()?.GetDetail<BadRequest>()?.FieldViolations is { Count: > 0 } all ? all : [];
        var detail = violations.Count == 0 ? e.Status.Detail : RunningCommand.Rename(e.Status.Detail, violations[0].Field);
        var others = violations.Count < 2 ? []
            : violations.Select(v => $"\n  {RunningCommand.SymbolOf(v.Field) ?? v.Field}: {v.Description}");
        return $"{e.StatusCode}{(reason is null ? "" : $" ({reason})")}: {detail}{string.Concat(others)}";
    }
}

/// <summary>An option that cannot be understood.</summary>
internal sealed class UsageException(string message) : Exception(message);
