using AuthSidecar.ControlPlane.Hosting;
using AuthSidecar.ControlPlane.Store;
using AuthSidecar.ControlPlane.Sync;
using AuthSidecar.ControlPlane.V1;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Core.Interceptors;
using Grpc.Health.V1;

namespace AuthSidecar.ControlPlane.Administration.Access;

/// <summary>Asks whether a caller may do what is requested, and whether there is such an application, before the request is looked at. Sidecars are none of its business: they have their certificates.</summary>
internal sealed class AccessInterceptor(Applications applications, Feed feed) : Interceptor
{
    public override async Task<TResponse> UnaryServerHandler<TRequest, TResponse>(
        TRequest request, ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation)
    {
        if (CallerOf(context) is { } caller)
        {
            await CheckAsync(caller, request, context.CancellationToken);
        }

        return await continuation(request, context);
    }

    public override Task DuplexStreamingServerHandler<TRequest, TResponse>(
        IAsyncStreamReader<TRequest> requestStream, IServerStreamWriter<TResponse> responseStream, ServerCallContext context, DuplexStreamingServerMethod<TRequest, TResponse> continuation) =>
        continuation(Checked(requestStream, context), responseStream, context);

    public override Task<TResponse> ClientStreamingServerHandler<TRequest, TResponse>(
        IAsyncStreamReader<TRequest> requestStream, ServerCallContext context, ClientStreamingServerMethod<TRequest, TResponse> continuation) =>
        continuation(Checked(requestStream, context), context);

    public override async Task ServerStreamingServerHandler<TRequest, TResponse>(
        TRequest request, IServerStreamWriter<TResponse> responseStream, ServerCallContext context, ServerStreamingServerMethod<TRequest, TResponse> continuation)
    {
        if (CallerOf(context) is { } caller)
        {
            await CheckAsync(caller, request, context.CancellationToken);
        }

        await continuation(request, responseStream, context);
    }

    /// <returns>Null: it is a sidecar.</returns>
    private static Caller? CallerOf(ServerCallContext context) => Listeners.Of(context.GetHttpContext()) == Listener.Sidecars ? null : Caller.Of(context);

    private IAsyncStreamReader<T> Checked<T>(IAsyncStreamReader<T> reader, ServerCallContext context) =>
        CallerOf(context) is { } caller ? new CheckedReader<T>(reader, message => CheckAsync(caller, message, context.CancellationToken)) : reader;

    /// <summary>Holds a request against what its caller may do, the applications it names against those there are, and a write against what is known to be lost.</summary>
    /// <exception cref="RpcException">PERMISSION_DENIED, APPLICATION_UNKNOWN, or HISTORY_LOST.</exception>
    public async Task CheckAsync(Caller caller, object? request, CancellationToken cancellation)
    {
        if (caller is AnonymousCaller || request is HealthCheckRequest)
        {
            // The endpoint said that it is for everybody; or whoever may ask anything may ask for the node's health.
            return;
        }

        if (request is not IMessage message || Demands.Of(message) is not { } demand)
        {
            // To claim it by the socket is nobody's either: whoever is there is in already.
            throw Failures.PermissionDenied("claim", Placement.ControlPlane);
        }

        if (demand.Placement is { } placement && !caller.May(demand.Action, placement))
        {
            throw Failures.PermissionDenied(demand.Action, placement);
        }

        foreach (var target in Demands.PlacementsOf(message, demand))
        {
            // What exists is not told to those who may do nothing there: the write itself refuses them.
            var isTheirs = demand.Placement is not null || caller.May(demand.Action, target);
            if (isTheirs && !await applications.ExistsAsync(target.Application, cancellation))
            {
                throw Failures.ApplicationUnknown(target.Application);
            }
        }

        if (feed.Lost is { } lost && demand.IsWrite && message is not BeginHistoryRequest)
        {
            throw Failures.HistoryLost(lost, feed.Head);
        }
    }

    private sealed class CheckedReader<T>(IAsyncStreamReader<T> reader, Func<T, Task> check) : IAsyncStreamReader<T>
    {
        public T Current => reader.Current;

        public async Task<bool> MoveNext(CancellationToken cancellationToken)
        {
            if (!await reader.MoveNext(cancellationToken))
            {
                return false;
            }

            await check(reader.Current);
            return true;
        }
    }
}
