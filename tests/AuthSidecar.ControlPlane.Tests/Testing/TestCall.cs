using AuthSidecar.ControlPlane.Api;
using Grpc.Core;
using Microsoft.AspNetCore.Http;

namespace AuthSidecar.ControlPlane.Tests.Testing;

/// <summary>A call of the administration API by somebody who may do everything: for what is tried thousands of times, and needs no listener.</summary>
internal sealed class TestCall : ServerCallContext
{
    protected override string MethodCore => "test";

    protected override string HostCore => "localhost";

    protected override string PeerCore => "unix";

    protected override DateTime DeadlineCore => DateTime.MaxValue;

    protected override Metadata RequestHeadersCore { get; } = [];

    protected override CancellationToken CancellationTokenCore => StoreTest.Cancellation;

    protected override Metadata ResponseTrailersCore { get; } = [];

    protected override Status StatusCore { get; set; }

    protected override WriteOptions? WriteOptionsCore { get; set; }

    protected override AuthContext AuthContextCore => throw new NotSupportedException();

    // Where services look for the request when there is no server.
    protected override IDictionary<object, object> UserStateCore { get; } = new Dictionary<object, object> { ["__HttpContext"] = NewRequest() };

    protected override ContextPropagationToken CreatePropagationTokenCore(ContextPropagationOptions? options) => throw new NotSupportedException();

    protected override Task WriteResponseHeadersAsyncCore(Metadata responseHeaders) => Task.CompletedTask;

    private static DefaultHttpContext NewRequest()
    {
        var request = new DefaultHttpContext();
        request.Features.Set<Caller>(new Everybody());
        return request;
    }

    private sealed class Everybody : Caller
    {
        public override string Name => "test";

        public override bool IsAllowed(string action, Placement placement) => true;
    }
}
