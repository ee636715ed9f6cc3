using AuthSidecar.ControlPlane.Directory;
using AuthSidecar.ControlPlane.Hosting;
using AuthSidecar.ControlPlane.Publications;
using AuthSidecar.ControlPlane.V1;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Core.Interceptors;

namespace AuthSidecar.ControlPlane.Administration.Access;

/// <summary>Finds out who administers and whether they may, before a request is looked at. Sidecars are none of its business: they have their certificates.</summary>
internal sealed class AccessInterceptor(AccessTokens tokens) : Interceptor
{
    public override async Task<TResponse> UnaryServerHandler<TRequest, TResponse>(
        TRequest request, ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation)
    {
        if (await IdentifyAsync(context, request is ClaimControlPlaneRequest) is { } caller)
        {
            Check(caller, request);
            caller.LetIn(context);
        }

        return await continuation(request, context);
    }

    public override async Task DuplexStreamingServerHandler<TRequest, TResponse>(
        IAsyncStreamReader<TRequest> requestStream, IServerStreamWriter<TResponse> responseStream, ServerCallContext context, DuplexStreamingServerMethod<TRequest, TResponse> continuation)
    {
        var caller = await IdentifyAsync(context, claims: false);
        caller?.LetIn(context);
        await continuation(caller is null ? requestStream : new CheckedReader<TRequest>(requestStream, caller), responseStream, context);
    }

    public override async Task<TResponse> ClientStreamingServerHandler<TRequest, TResponse>(
        IAsyncStreamReader<TRequest> requestStream, ServerCallContext context, ClientStreamingServerMethod<TRequest, TResponse> continuation)
    {
        var caller = await IdentifyAsync(context, claims: false);
        caller?.LetIn(context);
        return await continuation(caller is null ? requestStream : new CheckedReader<TRequest>(requestStream, caller), context);
    }

    public override async Task ServerStreamingServerHandler<TRequest, TResponse>(
        TRequest request, IServerStreamWriter<TResponse> responseStream, ServerCallContext context, ServerStreamingServerMethod<TRequest, TResponse> continuation)
    {
        if (await IdentifyAsync(context, claims: false) is { } caller)
        {
            Check(caller, request);
            caller.LetIn(context);
        }

        await continuation(request, responseStream, context);
    }

    /// <returns>Null: it is a sidecar.</returns>
    private async Task<Caller?> IdentifyAsync(ServerCallContext context, bool claims) => Listeners.Of(context.GetHttpContext()) switch
    {
        Listener.Sidecars => null,
        Listener.Administration => LocalCaller.OfSocket(context),
        Listener.Network when claims => new ClaimingCaller(),
        Listener.Network => await tokens.AuthenticateAsync(context.GetHttpContext()),
        _ => throw Failures.Internal(),
    };

    private static void Check(Caller caller, object? request)
    {
        if (caller is ClaimingCaller)
        {
            return;
        }

        if (request is not IMessage message || Demands.Of(message) is not { } demand)
        {
            // To claim it by the socket is nobody's either: whoever is there is in already.
            throw Failures.PermissionDenied("claim", new Placement(BuiltInPolicies.Application, ""));
        }

        if (demand.Placement is { } placement && !caller.May(demand.Action, placement))
        {
            throw Failures.PermissionDenied(demand.Action, placement);
        }
    }

    private sealed class CheckedReader<T>(IAsyncStreamReader<T> reader, Caller caller) : IAsyncStreamReader<T>
    {
        public T Current => reader.Current;

        public async Task<bool> MoveNext(CancellationToken cancellationToken)
        {
            if (!await reader.MoveNext(cancellationToken))
            {
                return false;
            }

            Check(caller, reader.Current);
            return true;
        }
    }
}
