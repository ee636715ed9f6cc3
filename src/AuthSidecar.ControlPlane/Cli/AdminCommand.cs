using System.CommandLine;
using System.Net.Sockets;
using AuthSidecar.ControlPlane.Hosting;
using Google.Protobuf;
using Google.Rpc;
using Grpc.Core;
using Grpc.Net.Client;

namespace AuthSidecar.ControlPlane.Cli;

/// <summary>What every command has that asks a running control plane: where its socket is, how to print.</summary>
internal static class AdminCommand
{
    /// <summary>Makes a command that asks, and prints what it is answered.</summary>
    /// <param name="name">The command's name.</param>
    /// <param name="description">What it does.</param>
    /// <param name="symbols">Its own arguments and options.</param>
    /// <param name="run">Asks, and prints for people.</param>
    public static Command Create(string name, string description, IEnumerable<Symbol> symbols, Func<ParseResult, GrpcChannel, TextWriter, CancellationToken, Task> run)
    {
        var socket = new Option<string>("--admin-socket") { Description = "The control plane's socket for administration.", DefaultValueFactory = _ => ServeOptions.DefaultAdminSocket };
        var command = new Command(name, description);
        foreach (var symbol in symbols)
        {
            switch (symbol)
            {
                case Argument argument: command.Add(argument); break;
                case Option option: command.Add(option); break;
            }
        }

        command.Add(socket);
        command.SetAction(async (parsed, cancellation) =>
        {
            var path = parsed.GetValue(socket)!;
            try
            {
                using var channel = Connect(path);
                await run(parsed, channel, Console.Out, cancellation);
                return 0;
            }
            catch (RpcException e)
            {
                Console.Error.WriteLine($"authsidecar-control: {Describe(e, path)}");
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidDataException or InvalidProtocolBufferException or System.Text.Json.JsonException)
            {
                Console.Error.WriteLine($"authsidecar-control: {e.Message}");
            }

            return ServeCommand.Failed;
        });
        return command;
    }

    private static GrpcChannel Connect(string socket) => GrpcChannel.ForAddress("http://localhost", new GrpcChannelOptions
    {
        HttpHandler = new SocketsHttpHandler
        {
            ConnectCallback = async (_, cancellation) =>
            {
                var connection = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                try
                {
                    await connection.ConnectAsync(new UnixDomainSocketEndPoint(socket), cancellation);
                    return new NetworkStream(connection, ownsSocket: true);
                }
                catch
                {
                    connection.Dispose();
                    throw;
                }
            },
        },
    });

    private static string Describe(RpcException e, string socket)
    {
        if (e.GetRpcStatus() is not { } status)
        {
            return e.StatusCode == StatusCode.Unavailable ? $"no control plane answers at `{socket}`" : e.Status.Detail;
        }

        var faults = status.GetDetail<BadRequest>()?.FieldViolations.Select(v => $"\n  {v.Description}") ?? [];
        return $"{e.Status.Detail}{string.Concat(faults)}";
    }
}
