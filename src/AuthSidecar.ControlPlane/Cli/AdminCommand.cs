using AuthSidecar.ControlPlane.Hosting;
using Google.Rpc;
using Grpc.Net.Client;

namespace AuthSidecar.ControlPlane.Cli;

/// <summary>What every command has that asks a running control plane: where its socket is, how to print.</summary>
internal static class AdminCommand
{
    private const string CredentialsVariable = "AUTHSIDECAR_CONTROL_CREDENTIALS";

    /// <summary>The exit code of a command whose answer is that something is wrong with what it was given.</summary>
    public const int Faulty = 1;

    /// <summary>Makes a command that asks, and prints what it is answered.</summary>
    public static Command Create(
        string name, string description, string example, IEnumerable<Symbol> symbols,
        Func<ParseResult, GrpcChannel, TextWriter, CancellationToken, Task> run) =>
        Create(name, description, example, symbols, async (parsed, channel, output, cancellation) =>
        {
            await run(parsed, channel, output, cancellation);
            return 0;
        });

    /// <summary>Makes a command that asks, prints what it is answered, and says with its exit code how that is.</summary>
    /// <param name="name">The command's name.</param>
    /// <param name="description">What it does.</param>
    /// <param name="example">A command line with it.</param>
    /// <param name="symbols">Its own arguments and options.</param>
    /// <param name="run">Asks, and prints for people.</param>
    public static Command Create(
        string name, string description, string example, IEnumerable<Symbol> symbols,
        Func<ParseResult, GrpcChannel, TextWriter, CancellationToken, Task<int>> run)
    {
        var socket = CliOption.Of<string?>("--admin-socket", "PATH",
            "The control plane's socket for administration. Default: $AUTHSIDECAR_CONTROL_SOCKET, else `control.sock` in $XDG_RUNTIME_DIR "
                + "or /run/authsidecar.");
        var credentials = CliOption.Of<string?>("--credentials", "FILE",
            $"A file with an administrator's credentials: connects over HTTPS instead of the socket. Default: ${CredentialsVariable}.")
            .WithDefault(() => Environment.GetEnvironmentVariable(CredentialsVariable) is { Length: > 0 } file ? file : null);
        var command = new Command(name, description).WithExamples(example);
        foreach (var symbol in symbols)
        {
            switch (symbol)
            {
                case Argument argument: command.Add(argument); break;
                case Option option: command.Add(option); break;
            }
        }

        command.Add(socket);
        command.Add(credentials);
        command.SetAction((parsed, cancellation) =>
            parsed.GetResult(credentials) is { Implicit: false } && parsed.GetResult(socket) is { Implicit: false }
            ? RunAsync("", () => throw new InvalidDataException($"`{credentials.Name}` excludes `{socket.Name}`"))
            // What is said here counts more than what the environment says.
            : parsed.GetValue(credentials) is { } file && parsed.GetResult(socket) is not { Implicit: false }
            ? RunAsync(file, async () =>
            {
                var loaded = Credentials.Load(file);
                return await RunAsync(loaded.Url.ToString(), async () =>
                {
                    using var channel = await ConnectAsync(loaded, cancellation);
                    return await run(parsed, channel, Console.Out, cancellation);
                });
            })
            : RunAsync(parsed.GetValue(socket) ?? ServeOptions.DefaultAdminSocket, async () =>
            {
                using var channel = Connect(parsed.GetValue(socket) ?? ServeOptions.DefaultAdminSocket);
                return await run(parsed, channel, Console.Out, cancellation);
            }));
        return command;
    }

    /// <summary>Runs what asks a control plane, and tells what went wrong in words.</summary>
    /// <param name="where">Where the control plane is asked for, for the words.</param>
    /// <param name="run">Asks.</param>
    public static Task<int> RunAsync(string where, Func<Task> run) => RunAsync(where, async () =>
    {
        await run();
        return 0;
    });

    /// <inheritdoc cref="RunAsync(string, Func{Task})"/>
    public static async Task<int> RunAsync(string where, Func<Task<int>> run)
    {
        try
        {
            return await run();
        }
        catch (RpcException e)
        {
            Console.Error.WriteLine($"authsidecar-control: {Describe(e, where)}");
        }
        catch (HttpRequestException e)
        {
            Console.Error.WriteLine($"authsidecar-control: {NoAnswer(e, where)}");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidDataException or InvalidProtocolBufferException
            or System.Text.Json.JsonException or System.Security.Cryptography.CryptographicException)
        {
            Console.Error.WriteLine($"authsidecar-control: {FileErrors.Describe(e)}");
        }

        return ServeCommand.Failed;
    }

    private static async Task<GrpcChannel> ConnectAsync(Credentials credentials, CancellationToken cancellation)
    {
        using var http = new HttpMessageInvoker(credentials.CreateHandler());
        var token = await credentials.GetTokenAsync(http, TimeProvider.System, cancellation);
        var bearer = CallCredentials.FromInterceptor((_, metadata) =>
        {
            metadata.Add("authorization", $"Bearer {token}");
            return Task.CompletedTask;
        });
        return GrpcChannel.ForAddress(credentials.Url, new GrpcChannelOptions
        {
            HttpHandler = credentials.CreateHandler(),
            Credentials = ChannelCredentials.Create(ChannelCredentials.SecureSsl, bearer),
        });
    }

    private static GrpcChannel Connect(string socket) =>
        GrpcChannel.ForAddress(
            "http://localhost", new GrpcChannelOptions { DisposeHttpClient = true, HttpHandler = UnixSockets.CreateHandler(socket) });

    /// <summary>What is asked for; null: it is not there.</summary>
    public static async Task<T?> FindAsync<T>(AsyncUnaryCall<T> call)
        where T : class
    {
        try
        {
            return await call;
        }
        catch (RpcException e) when (e.StatusCode == StatusCode.NotFound)
        {
            return null;
        }
    }

    /// <summary>Tells what became of an object.</summary>
    public static void WriteResult(TextWriter output, bool isNew, string revision) =>
        output.WriteLine($"{(isNew ? "added" : "changed")}: revision {revision}");

    /// <summary>Whether a request never left: there was no connection to send it on.</summary>
    public static bool WasNotSent(RpcException e) =>
        e.Status.DebugException is SocketException or HttpRequestException
        {
            HttpRequestError: HttpRequestError.ConnectionError
            or HttpRequestError.SecureConnectionError or HttpRequestError.NameResolutionError
        };

    private static string NoAnswer(Exception e, string where) => $"no control plane answers at `{where}`: {ConnectionFailure.Describe(e)}";

    private static string Describe(RpcException e, string where)
    {
        if (e.GetRpcStatus() is not { } status)
        {
            return UnixSockets.IsDenied(e.Status.DebugException) ? $"permission denied: `{where}`"
                : e.StatusCode == StatusCode.Unavailable || WasNotSent(e) ? NoAnswer(e, where)
                : ConnectionFailure.DescribeDetail(e.Status.Detail);
        }

        // One error once: the message has the first, and where there are more all of them are told.
        var violations = status.GetDetail<BadRequest>()?.FieldViolations is { Count: > 0 } all ? all : [];
        var detail = violations.Count == 0 ? e.Status.Detail : RunningCommand.Rename(e.Status.Detail, violations[0].Field);
        var others = violations.Count < 2 ? [] : violations.Select(v => $"\n  {v.Description}");
        return $"{detail}{string.Concat(others)}";
    }
}
