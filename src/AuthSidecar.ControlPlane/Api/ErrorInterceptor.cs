using Grpc.Core.Interceptors;

namespace AuthSidecar.ControlPlane.Api;

/// <summary>Catches what escapes, once, and turns it into a status without a word of it; the words go to the log.</summary>
internal sealed partial class ErrorInterceptor(TimeProvider time, ILogger<ErrorInterceptor> logger) : Interceptor
{
    private readonly Outage _store = new(time);

    public override Task<TResponse> UnaryServerHandler<TRequest, TResponse>(
        TRequest request, ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation) =>
        GuardAsync(context.Method, () => continuation(request, context), context.CancellationToken);

    public override Task<TResponse> ClientStreamingServerHandler<TRequest, TResponse>(IAsyncStreamReader<TRequest> requestStream,
        ServerCallContext context, ClientStreamingServerMethod<TRequest, TResponse> continuation) =>
        GuardAsync(context.Method, () => continuation(requestStream, context), context.CancellationToken);

    public override Task ServerStreamingServerHandler<TRequest, TResponse>(TRequest request,
        IServerStreamWriter<TResponse> responseStream, ServerCallContext context,
        ServerStreamingServerMethod<TRequest, TResponse> continuation) =>
        GuardAsync(
            context.Method,
            async () =>
            {
                await continuation(request, responseStream, context);
                return true;
            },
            context.CancellationToken);

    public override Task DuplexStreamingServerHandler<TRequest, TResponse>(
        IAsyncStreamReader<TRequest> requestStream, IServerStreamWriter<TResponse> responseStream, ServerCallContext context,
        DuplexStreamingServerMethod<TRequest, TResponse> continuation) =>
        GuardAsync(
            context.Method,
            async () =>
            {
                await continuation(requestStream, responseStream, context);
                return true;
            },
            context.CancellationToken);

    /// <summary>Calls, and lets nothing but statuses out.</summary>
    public async Task<T> GuardAsync<T>(string method, Func<Task<T>> call, CancellationToken callerAway)
    {
        try
        {
            return await call();
        }
        catch (RpcException)
        {
            throw;
        }
        catch (OperationCanceledException)
        {
            throw ApiErrors.Cancelled();
        }
        catch (IOException) when (callerAway.IsCancellationRequested)
        {
            throw ApiErrors.Cancelled();
        }
        catch (Exception e) when (Database.IsAway(e))
        {
            lock (_store)
            {
                if (_store.Fail())
                    Log.StoreAway(logger, method, ConnectionFailure.Describe(e));
            }

            throw ApiErrors.StoreUnavailable();
        }
        catch (Exception e) when (NullCharacterException.IsIn(e))
        {
            throw ApiErrors.NullCharacter();
        }
        catch (Exception e)
        {
            Log.Escaped(logger, method, e);
            throw ApiErrors.Internal();
        }
    }

    private static partial class Log
    {
        [LoggerMessage(11, LogLevel.Warning, "{Method}: the database does not answer: {Error}", EventName = "DatabaseUnavailable")]
        public static partial void StoreAway(ILogger logger, string method, string error);

        [LoggerMessage(10, LogLevel.Error, "{Method} failed", EventName = "CallFailed")]
        public static partial void Escaped(ILogger logger, string method, Exception exception);
    }
}
