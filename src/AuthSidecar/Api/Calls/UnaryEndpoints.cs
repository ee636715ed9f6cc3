using System.Diagnostics.Metrics;
using System.IO.Pipelines;
using AuthSidecar.Api.Wire;
using AuthSidecar.Decisions;
using Grpc.Health.V1;
using Grpc.HealthCheck;
using Microsoft.AspNetCore.Http.Features;

namespace AuthSidecar.Api.Calls;

/// <summary>Answers the calls of the contract over HTTP/2: one message in, one out, and a status (PROTOCOL-HTTP2 of gRPC). By hand, since a
/// framework's objects and interceptors around a call take longer than the call.</summary>
internal sealed partial class UnaryEndpoints
{
    private const string Service = "/authsidecar.v1.AuthSidecarService/";
    private const string HealthCheck = "/grpc.health.v1.Health/Check";
    private const int MaxMessageBytes = 256 * 1024;

    /// <summary>Of checks, which may have entities and come in batches.</summary>
    private const int MaxCheckBytes = 1024 * 1024;

    /// <summary>Of calls about the sidecar itself, which have the name of a service in them at most.</summary>
    public const int MaxHealthBytes = 4 * 1024;

    /// <summary>How many calls that are answered elsewhere may be under way: those that watch the health, and stay.</summary>
    private const int MaxOthers = 256;

    /// <summary>How long a message may take to arrive once its call has begun.</summary>
    private static readonly TimeSpan MaxBodyTime = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan LogEvery = TimeSpan.FromSeconds(1);

    private static readonly Counter<long> Cancelled = new Meter("AuthSidecar").CreateCounter<long>(
        "authsidecar.calls.cancelled", "{call}", "Calls cancelled by the client before they were answered.");

    private readonly FrozenDictionary<string, RequestDelegate> _calls;
    private readonly UnfinishedMessages _unfinished = new();
    private readonly TimeProvider _time;
    private readonly ILogger<UnaryEndpoints> _logger;
    private readonly LogPace _escaped;
    private int _others;

    public UnaryEndpoints(
        AuthSidecarService service, RequestReader reader, HealthServiceImpl health, TimeProvider time, ILogger<UnaryEndpoints> logger)
    {
        (_time, _logger, _escaped) = (time, logger, new LogPace(time, LogEvery));
        _calls = new Dictionary<string, RequestDelegate>
        {
            [Service + "ValidateToken"] = Call(
                MaxMessageBytes, (payload, in limits, _) => reader.ReadValidation(payload, limits), service.ValidateToken),
            [Service + "CheckPermission"] = Call(MaxCheckBytes, reader.ReadCheck, service.CheckPermission),
            [Service + "CheckPermissions"] = Call(MaxCheckBytes, reader.ReadBatch, service.CheckPermissions),
            [Service + "EvaluateRisk"] = Call(MaxMessageBytes, (payload, in _, _) => RequestReader.ReadRisk(payload), service.EvaluateRisk),
            [Service + "VerifyMfa"] = Call(MaxMessageBytes, (payload, in _, _) => RequestReader.ReadMfa(payload), service.VerifyMfa),
            // Probes go through the same limits, and are answered while others are at theirs.
            [HealthCheck] = Call(
                MaxHealthBytes,
                static (payload, in _, _) => RequestReader.Parse(HealthCheckRequest.Parser, payload.ToArray()),
                async (request, _) => new EncodedResponse((await health.Check(request, context: null!)).ToByteArray())),
        }.ToFrozenDictionary(StringComparer.Ordinal);
    }

    private delegate TRequest Reader<TRequest>(ReadOnlySequence<byte> payload, in CallDeadline limits, Caller? caller);

    /// <summary>Answers these calls before anything else is asked what it might be: by their paths to the letter, as rules elsewhere name
    /// them.</summary>
    public void Use(IApplicationBuilder app) => app.Use(next => context =>
        _calls.TryGetValue(context.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget, out var call)
            ? call(context)
            : next(context));

    /// <summary>Refuses what routing takes for a method and is not its path to the letter, in gRPC's terms also what it takes for nothing,
    /// and more calls than there may be.</summary>
    public void UseOthers(IApplicationBuilder app) => app.Use(next => async context =>
    {
        var refused = context.GetEndpoint() is RouteEndpoint { RoutePattern.RawText: { } path }
            ? !path.Contains('{', StringComparison.Ordinal) && path != context.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget
            : GrpcFraming.IsGrpc(context.Request.ContentType);
        if (refused)
        {
            GrpcFraming.Fail(context.Response, ApiErrors.UnknownMethod());
            return;
        }

        try
        {
            if (Interlocked.Increment(ref _others) > MaxOthers)
            {
                GrpcFraming.Fail(context.Response, ApiErrors.TooManyCalls());
                return;
            }

            await next(context);
        }
        finally
        {
            Interlocked.Decrement(ref _others);
        }
    });

    private RequestDelegate Call<TRequest>(
        int maxBytes, Reader<TRequest> read, Func<TRequest, CallDeadline, Task<EncodedResponse>> invoke) =>
        context => HandleAsync(context, maxBytes, read, invoke);

    private async Task HandleAsync<TRequest>(
        HttpContext context, int maxBytes, Reader<TRequest> read, Func<TRequest, CallDeadline, Task<EncodedResponse>> invoke)
    {
        if (!GrpcFraming.IsGrpc(context.Request.ContentType))
        {
            context.Response.StatusCode = StatusCodes.Status415UnsupportedMediaType;
            return;
        }

        if (!HttpMethods.IsPost(context.Request.Method))
        {
            context.Response.StatusCode = StatusCodes.Status405MethodNotAllowed;
            context.Response.Headers.Allow = HttpMethods.Post;
            return;
        }

        var connection = context.Features.Get<ConnectionUse>();
        var hasBegun = false;
        var status = StatusCode.OK;
        try
        {
            // Reading the body of a stream that was reset throws, and RequestAborted allocates: so it is looked at where the call before
            // was canceled. That bounds what rapid reset costs (CVE-2023-44487).
            if (connection is { LastWasCancelled: true } && context.RequestAborted.IsCancellationRequested)
            {
                status = StatusCode.Cancelled;
                return;
            }

            var limits = new CallDeadline(context, GrpcFraming.TimeoutOf(context.Request), _time);
            if (await TryReceiveAsync(context, maxBytes) is not { } message)
            {
                status = StatusCode.Cancelled;
                GrpcFraming.Fail(context.Response, ApiErrors.Cancelled());
                return;
            }

            // Not before: a connection on which calls begin and never end is of no use to anybody.
            connection?.Begin();
            hasBegun = true;
            var request = read(message, limits, connection?.Caller);
            Release(context.Request.BodyReader, message.End);
            var answer = await invoke(request, limits);
            // Whoever has gone away gets nothing anyhow.
            limits.ThrowIfPastDeadline();
            ThrowIfThereIsMore(context.Request.BodyReader);
            GrpcFraming.Write(context.Response, answer);
        }
        catch (RpcException e)
        {
            status = e.StatusCode;
            GrpcFraming.Fail(context.Response, e);
        }
        catch (OperationCanceledException)
        {
            status = StatusCode.Cancelled;
            GrpcFraming.Fail(context.Response, ApiErrors.Cancelled());
        }
        catch (Exception e)
        {
            status = StatusCode.Internal;
            LogEscaped(context.Request.Path, e);
            GrpcFraming.Fail(context.Response, ApiErrors.Internal());
        }
        finally
        {
            if (hasBegun)
                connection?.End();

            if (status == StatusCode.Cancelled)
            {
                Cancelled.Add(1);
                connection?.MarkCancelled();
            }

            if (_logger.IsEnabled(LogLevel.Debug))
                Log.Called(_logger, context.Request.Path, connection?.Describe() ?? "a TCP connection", status);
        }
    }

    /// <summary>The one message of a call, whole; still in the pipe, which is to be told that it was read. Null: the client has
    /// cancelled.</summary>
    private async ValueTask<ReadOnlySequence<byte>?> TryReceiveAsync(HttpContext context, int maxBytes)
    {
        var body = context.Request.BodyReader;
        UnfinishedMessages.Room? room = null;
        CancellationTokenSource? patience = null;
        try
        {
            while (true)
            {
                if (!body.TryRead(out var result))
                {
                    // Mostly all of it is there. Where it is not, the client may never send the rest, or send a byte a minute.
                    patience ??= new CancellationTokenSource(MaxBodyTime, _time);
                    result = await body.ReadAsync(patience.Token);
                }

                var (buffer, length) = (result.Buffer, GrpcFraming.LengthOf(context.Request, result.Buffer, maxBytes));
                var end = GrpcFraming.PrefixBytes + length;
                if (length >= 0 && buffer.Length >= end)
                    return buffer.Length == end ? buffer.Slice(GrpcFraming.PrefixBytes) : throw ApiErrors.NotOneMessage();

                if (result.IsCompleted)
                    throw buffer.IsEmpty ? ApiErrors.NotOneMessage() : ApiErrors.MalformedMessage();

                if (!buffer.IsEmpty)
                    _unfinished.Take(ref room, Math.Max(0, length));

                body.AdvanceTo(buffer.Start, buffer.End);
            }
        }
        catch (OperationCanceledException) when (patience is { IsCancellationRequested: true }
            && !context.RequestAborted.IsCancellationRequested)
        {
            throw ApiErrors.BodyTimeout(MaxBodyTime);
        }
        catch (Exception e) when (e is not RpcException)
        {
            // It cancelled, or its connection broke off within the message. Whatever the server calls it.
            return null;
        }
        finally
        {
            patience?.Dispose();
            room?.Dispose();
        }
    }

    /// <summary>Gives the message back to the pipe: what is kept of it was copied.</summary>
    private static void Release(PipeReader body, SequencePosition end)
    {
        try
        {
            body.AdvanceTo(end);
        }
        catch (Exception)
        {
            // The pipe has no other user: its caller went away.
            throw ApiErrors.Cancelled();
        }
    }

    /// <summary>A second message that has come meanwhile.</summary>
    private static void ThrowIfThereIsMore(PipeReader body)
    {
        ReadResult result;
        try
        {
            if (!body.TryRead(out result))
                return;
        }
        catch (Exception)
        {
            throw ApiErrors.Cancelled();
        }

        var isMore = !result.Buffer.IsEmpty;
        Release(body, result.Buffer.End);
        if (isMore)
            throw ApiErrors.NotOneMessage();
    }

    /// <summary>At most once a second: whoever finds a way to make calls fail fills no disk with it.</summary>
    private void LogEscaped(string method, Exception exception)
    {
        if (_escaped.TryTake(out var suppressed))
            Log.Escaped(_logger, method, suppressed, exception);
    }

    private static partial class Log
    {
        [LoggerMessage(10, LogLevel.Error, "{Method} failed ({Suppressed} similar errors suppressed)", EventName = "CallFailed")]
        public static partial void Escaped(ILogger logger, string method, long suppressed, Exception exception);

        [LoggerMessage(11, LogLevel.Debug, "{Method} called by {Peer}: {Status}", EventName = "Called")]
        public static partial void Called(ILogger logger, string method, string peer, StatusCode status);
    }
}
