using AuthSidecar.ControlPlane.Entities;
using AuthSidecar.ControlPlane.V1;
using Grpc.Core.Interceptors;
using Grpc.Health.V1;

namespace AuthSidecar.ControlPlane.Administrators.Access;

/// <summary>Asks whether a caller may do what is requested, and whether there is such an application, before the request is looked at.
/// Sidecars are none of its business: they have their certificates.</summary>
internal sealed class AccessInterceptor(Applications applications, StoreWatcher watcher) : Interceptor
{
    public override async Task<TResponse> UnaryServerHandler<TRequest, TResponse>(
        TRequest request, ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation)
    {
        if (CallerOf(context) is { } caller)
            await CheckAsync(caller, request, context.CancellationToken);

        return await continuation(request, context);
    }

    public override Task DuplexStreamingServerHandler<TRequest, TResponse>(
        IAsyncStreamReader<TRequest> requestStream, IServerStreamWriter<TResponse> responseStream, ServerCallContext context,
        DuplexStreamingServerMethod<TRequest, TResponse> continuation) =>
        continuation(Checked(requestStream, context), responseStream, context);

    public override Task<TResponse> ClientStreamingServerHandler<TRequest, TResponse>(
        IAsyncStreamReader<TRequest> requestStream, ServerCallContext context,
        ClientStreamingServerMethod<TRequest, TResponse> continuation) =>
        continuation(Checked(requestStream, context), context);

    public override async Task ServerStreamingServerHandler<TRequest, TResponse>(
        TRequest request, IServerStreamWriter<TResponse> responseStream, ServerCallContext context,
        ServerStreamingServerMethod<TRequest, TResponse> continuation)
    {
        if (CallerOf(context) is { } caller)
            await CheckAsync(caller, request, context.CancellationToken);

        await continuation(request, responseStream, context);
    }

    /// <returns>Null: it is a sidecar.</returns>
    private static Caller? CallerOf(ServerCallContext context) => context.GetHttpContext().Listener == Listener.Sidecars ? null
        : Caller.Of(context);

    private IAsyncStreamReader<T> Checked<T>(IAsyncStreamReader<T> reader, ServerCallContext context) =>
        CallerOf(context) is { } caller ? new CheckedReader<T>(reader, message => CheckAsync(caller, message, context.CancellationToken))
            : reader;

    /// <summary>Holds a request against what its caller may do, the applications it names against those there are, and a write against what
    /// is known to be lost.</summary>
    /// <exception cref="RpcException">PERMISSION_DENIED, APPLICATION_UNKNOWN, or HISTORY_LOST.</exception>
    public async Task CheckAsync(Caller caller, object? request, CancellationToken cancellation)
    {
        if (caller is AnonymousCaller || request is HealthCheckRequest)
        {
            // The endpoint said that it is for everybody; or whoever may ask anything may ask for the node's health.
            return;
        }

        if (request is not IMessage message || RequiredPermissions.Of(message) is not { } required)
        {
            // To claim it by the socket is nobody's either: whoever is there is in already.
            throw ApiErrors.PermissionDenied("bootstrap", Placement.ControlPlane);
        }

        if (required.Placement is { } placement && !caller.IsAllowed(required.Action, placement))
            throw ApiErrors.PermissionDenied(required.Action, placement);

        foreach (var target in RequiredPermissions.PlacementsOf(message, required))
        {
            // What exists is not told to those who may do nothing there: the write itself refuses them.
            var isTheirs = required.Placement is not null || caller.IsAllowed(required.Action, target);
            if (isTheirs && !await applications.ExistsAsync(target.Application, cancellation))
                throw ApiErrors.ApplicationUnknown(target.Application);
        }

        if (watcher.Lost is { } lost && required.IsWrite && message is not BeginHistoryRequest)
            throw ApiErrors.HistoryLost(lost, watcher.Head);
    }

    private sealed class CheckedReader<T>(IAsyncStreamReader<T> reader, Func<T, Task> check) : IAsyncStreamReader<T>
    {
        public T Current => reader.Current;

        public async Task<bool> MoveNext(CancellationToken cancellationToken)
        {
            if (!await reader.MoveNext(cancellationToken))
                return false;

            await check(reader.Current);
            return true;
        }
    }
}
