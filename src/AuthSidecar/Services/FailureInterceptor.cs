using Grpc.Core;
using Grpc.Core.Interceptors;

namespace AuthSidecar.Services;

/// <summary>Catches what escapes, once, and turns it into a status without a word of it; the words go to the log.</summary>
internal sealed partial class FailureInterceptor(ILogger<FailureInterceptor> logger) : Interceptor
{
    public override async Task<TResponse> UnaryServerHandler<TRequest, TResponse>(
        TRequest request, ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation)
    {
        try
        {
            var response = await continuation(request, context);
            // A call that is over for its caller must not be answered as if it were not: an ALLOW that comes late may be enforced late.
            ThrowIfOver(context);
            return response;
        }
        catch (RpcException)
        {
            throw;
        }
        catch (OperationCanceledException)
        {
            throw IsPastDeadline(context) ? Failures.DeadlineExceeded() : Failures.Cancelled();
        }
        catch (Exception e)
        {
            Log.Escaped(logger, context.Method, e);
            throw Failures.Internal();
        }
    }

    private static void ThrowIfOver(ServerCallContext context)
    {
        if (context.CancellationToken.IsCancellationRequested)
        {
            throw IsPastDeadline(context) ? Failures.DeadlineExceeded() : Failures.Cancelled();
        }
    }

#pragma warning disable RS0030 // A deadline is a moment of the machine's clock, set by the transport.
    private static bool IsPastDeadline(ServerCallContext context) => context.Deadline <= DateTime.UtcNow;
#pragma warning restore RS0030

    private static partial class Log
    {
        [LoggerMessage(10, LogLevel.Error, "{Method} failed", EventName = "CallFailed")]
        public static partial void Escaped(ILogger logger, string method, Exception exception);
    }
}
