using System.Buffers.Binary;
using System.Net;
using AuthSidecar.Cli;
using AuthSidecar.Cli.Quickstart;
using AuthSidecar.Common;
using AuthSidecar.Hosting;
using AuthSidecar.Snapshots;
using AuthSidecar.V1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.AspNetCore.Server.Model;
using Grpc.Core;

namespace Benchmarks;

/// <summary>
/// A whole sidecar on one TCP port, with a call that does nothing beside the four that do: the same server and host, and
/// for the empty one the gRPC framework, as anybody would write it. What is left between the two is our work.
/// </summary>
internal static class LoadHost
{
    public static async Task<int> RunAsync(string folder, int port)
    {
        var sample = new SampleApplication(folder);
        sample.Create();
        var app = SidecarHost.Build(
            new ServeOptions { Bundle = sample.Bundle, State = sample.State, Listen = new IPEndPoint(IPAddress.Loopback, port), Log = LogFormat.None },
            services => services.AddSingleton<IServiceMethodProvider<EmptyService>, EmptyMethods>().AddSingleton<EmptyService>());
        app.MapGrpcService<EmptyService>();
        await app.StartAsync();
        await app.Services.GetRequiredService<SnapshotCache>().WaitForAsync(new Revision(default, 1), CancellationToken.None);
        await WriteBodiesAsync(folder, port, sample);
        await app.WaitForShutdownAsync();
        return 0;
    }

    /// <summary>Writes each request as a file that h2load can send, once a real client has seen it answered as it should be.</summary>
    private static async Task WriteBodiesAsync(string folder, int port, SampleApplication sample)
    {
        using var channel = SidecarClient.Connect($"http://127.0.0.1:{port}");
        var client = new AuthSidecarService.AuthSidecarServiceClient(channel);
        foreach (var (name, request) in new[] { ("principal", SampleRequests.CheckPrincipal()), ("token", SampleRequests.CheckToken(sample)) })
        {
            CheckPermissionResponse response;
            do
            {
                response = await client.CheckPermissionAsync(request, new CallOptions().WithWaitForReady());
            }
            while (response.Decision == Decision.Unspecified);

            if (response.Decision != Decision.Allow)
            {
                throw new InvalidOperationException($"expected ALLOW, got {response}");
            }

            Write($"check-{name}", request);
        }

        var validate = SampleRequests.ValidateToken(sample);
        if (!(await client.ValidateTokenAsync(validate)).Valid)
        {
            throw new InvalidOperationException("expected a valid token");
        }

        // What is refused in trailers looks to h2load like any other answer.
        await channel.CreateCallInvoker().AsyncUnaryCall(EmptyMethods.Method, host: null, new CallOptions(), new Empty());
        Write("validate-token", validate);
        Write("empty", new Empty());
        await File.WriteAllTextAsync(Path.Combine(folder, "ready"), "");

        void Write(string name, IMessage message)
        {
            // The gRPC frame: not compressed, length, message.
            var frame = new byte[5 + message.CalculateSize()];
            BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(1), message.CalculateSize());
            message.WriteTo(frame.AsSpan(5));
            File.WriteAllBytes(Path.Combine(folder, $"{name}.grpc"), frame);
        }
    }

    private sealed class EmptyService;

    private sealed class EmptyMethods : IServiceMethodProvider<EmptyService>
    {
        private static readonly Task<Empty> Answer = Task.FromResult(new Empty());

        private static readonly Marshaller<Empty> Marshaller = Marshallers.Create(
            (message, c) =>
            {
                c.SetPayloadLength(message.CalculateSize());
                message.WriteTo(c.GetBufferWriter());
                c.Complete();
            },
            c => Empty.Parser.ParseFrom(c.PayloadAsReadOnlySequence()));

        public static readonly Method<Empty, Empty> Method = new(MethodType.Unary, "benchmarks.Empty", "Call", Marshaller, Marshaller);

        public void OnServiceMethodDiscovery(ServiceMethodProviderContext<EmptyService> context) => context.AddUnaryMethod(Method, [], (_, _, _) => Answer);
    }
}
