using System.Net;
using System.Security.Cryptography.X509Certificates;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.AspNetCore.Server.Model;
using Grpc.Core;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;

namespace Benchmarks.Sync;

/// <summary>The floor of the sync stream: a server that writes the same bytes to every stream there is, over the same TLS, and knows nothing.</summary>
internal static class BroadcastHost
{
    /// <summary>What is said to it: the number of bytes to be sent to everyone.</summary>
    public static readonly Method<Int32Value, Empty> Send = new(MethodType.Unary, "benchmarks.Broadcast", "Send", Of<Int32Value>(), Of<Empty>());

    public static readonly Method<Empty, BytesValue> Receive = new(MethodType.ServerStreaming, "benchmarks.Broadcast", "Receive", Of<Empty>(), Of<BytesValue>());

    public static async Task<int> RunAsync(string folder, int port)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, port, listen =>
        {
            listen.Protocols = HttpProtocols.Http2;
            using var pem = X509Certificate2.CreateFromPemFile(Path.Combine(folder, "control.pem"), Path.Combine(folder, "control.key"));
            listen.UseHttps(new HttpsConnectionAdapterOptions { ServerCertificate = X509CertificateLoader.LoadPkcs12(pem.Export(X509ContentType.Pkcs12), null) });
        }));
        builder.Services.AddGrpc();
        builder.Services.AddSingleton<IServiceMethodProvider<Broadcast>, BroadcastMethods>().AddSingleton<Broadcast>();
        builder.WebHost.UseKestrelHttpsConfiguration();
        var app = builder.Build();
        app.MapGrpcService<Broadcast>();
        await app.RunAsync();
        return 0;
    }

    private static Marshaller<T> Of<T>()
        where T : IMessage<T>, new() => Marshallers.Create(m => m.ToByteArray(), bytes => new MessageParser<T>(() => new T()).ParseFrom(bytes));

    private sealed class Broadcast
    {
        private TaskCompletionSource<BytesValue> _next = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task<Empty> SendAsync(Int32Value size)
        {
            var now = Interlocked.Exchange(ref _next, new TaskCompletionSource<BytesValue>(TaskCreationOptions.RunContinuationsAsynchronously));
            now.SetResult(new BytesValue { Value = UnsafeByteOperations.UnsafeWrap(new byte[size.Value]) });
            return Task.FromResult(new Empty());
        }

        public async Task ReceiveAsync(IServerStreamWriter<BytesValue> stream, ServerCallContext context)
        {
            await context.WriteResponseHeadersAsync([]);
            while (true)
            {
                await stream.WriteAsync(await Volatile.Read(ref _next).Task.WaitAsync(context.CancellationToken));
            }
        }
    }

    private sealed class BroadcastMethods : IServiceMethodProvider<Broadcast>
    {
        public void OnServiceMethodDiscovery(ServiceMethodProviderContext<Broadcast> context)
        {
            context.AddUnaryMethod(Send, [], (service, size, _) => service.SendAsync(size));
            context.AddServerStreamingMethod(Receive, [], (service, _, stream, call) => service.ReceiveAsync(stream, call));
        }
    }
}
