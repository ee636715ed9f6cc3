using System.Buffers;
using System.Buffers.Binary;
using System.Collections.Frozen;
using System.Diagnostics.Metrics;
using System.Globalization;
using System.IO.Pipelines;
using System.Text;
using Grpc.Core;
using Microsoft.AspNetCore.Http.Features;

namespace AuthSidecar.Services;

/// <summary>
/// Answers the calls of the contract over HTTP/2: one message in, one out, and a status (PROTOCOL-HTTP2 of gRPC). By hand, since a framework's objects and
/// interceptors around a call take longer than the call.
/// </summary>
internal sealed partial class UnaryCalls
{
    private const string Service = "/authsidecar.v1.AuthSidecarService/";
    private const string ContentType = "application/grpc";
    private const string StatusName = "grpc-status";
    private const string Ok = "0";

    /// <summary>Whether the message is compressed, and its length.</summary>
    private const int PrefixBytes = 5;

    private const int MaxMessageBytes = 256 * 1024;

    /// <summary>Of checks, which may have entities and come in batches.</summary>
    private const int MaxCheckBytes = 1024 * 1024;

    /// <summary>How long a message may take to arrive once its call has begun.</summary>
    private static readonly TimeSpan MaxBodyTime = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan LogEvery = TimeSpan.FromSeconds(1);

    private static readonly Counter<long> Cancelled = new Meter("AuthSidecar").CreateCounter<long>("authsidecar.calls.cancelled", "{call}", "Calls whose caller went away before there was an answer.");

    private readonly FrozenDictionary<string, RequestDelegate> _calls;
    private readonly UnfinishedMessages _unfinished = new();
    private readonly TimeProvider _time;
    private readonly ILogger<UnaryCalls> _logger;
    private long _loggedAt;
    private long _notLogged;

    public UnaryCalls(AuthSidecarService service, RequestReader reader, TimeProvider time, ILogger<UnaryCalls> logger)
    {
        (_time, _logger) = (time, logger);
        _loggedAt = time.GetTimestamp() - (long)(LogEvery.TotalSeconds * time.TimestampFrequency);
        _calls = new Dictionary<string, RequestDelegate>
        {
            [Service + "ValidateToken"] = Call(MaxMessageBytes, reader.ReadValidation, service.ValidateToken),
            [Service + "CheckPermission"] = Call(MaxCheckBytes, reader.ReadCheck, service.CheckPermission),
            [Service + "CheckPermissions"] = Call(MaxCheckBytes, reader.ReadBatch, service.CheckPermissions),
            [Service + "EvaluateRisk"] = Call(MaxMessageBytes, (payload, in _) => RequestReader.ReadRisk(payload), service.EvaluateRisk),
            [Service + "VerifyMfa"] = Call(MaxMessageBytes, (payload, in _) => RequestReader.ReadMfa(payload), service.VerifyMfa),
        }.ToFrozenDictionary(StringComparer.Ordinal);
    }

    private delegate TRequest Reader<TRequest>(ReadOnlySequence<byte> payload, in CallLimits limits);

    /// <summary>Answers these calls before anything else is asked what it might be: by their paths to the letter, as rules elsewhere name them.</summary>
    public void Use(IApplicationBuilder app) => app.Use(next => context =>
        _calls.TryGetValue(context.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget, out var call) ? call(context) : next(context));

    /// <summary>Refuses what routing takes for a method and is not its path to the letter, and in gRPC's terms also what it takes for nothing.</summary>
    public static void UseExactPaths(IApplicationBuilder app) => app.Use(next => context =>
    {
        var refused = context.GetEndpoint() is RouteEndpoint { RoutePattern.RawText: { } path }
            ? !path.Contains('{', StringComparison.Ordinal) && path != context.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget
            : IsGrpc(context.Request.ContentType);
        if (refused)
        {
            Fail(context.Response, Failures.UnknownMethod());
            return Task.CompletedTask;
        }

        return next(context);
    });

    private RequestDelegate Call<TRequest>(int maxBytes, Reader<TRequest> read, Func<TRequest, CallLimits, Task<Answer>> invoke) =>
        context => HandleAsync(context, maxBytes, read, invoke);

    private async Task HandleAsync<TRequest>(HttpContext context, int maxBytes, Reader<TRequest> read, Func<TRequest, CallLimits, Task<Answer>> invoke)
    {
        if (!IsGrpc(context.Request.ContentType))
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
        connection?.Begin();
        try
        {
            var limits = new CallLimits(context, TimeoutOf(context.Request), _time);
            var answer = await invoke(await ReadAsync(context, maxBytes, read, limits), limits);
            // Whoever has gone away gets nothing anyhow.
            limits.ThrowIfPastDeadline();
            ThrowIfThereIsMore(context.Request.BodyReader);
            Write(context.Response, answer);
        }
        catch (RpcException e)
        {
            if (e.StatusCode == StatusCode.Cancelled)
            {
                Cancelled.Add(1);
            }

            Fail(context.Response, e);
        }
        catch (OperationCanceledException)
        {
            Cancelled.Add(1);
            Fail(context.Response, Failures.Cancelled());
        }
        catch (Exception e)
        {
            LogEscaped(context.Request.Path, e);
            Fail(context.Response, Failures.Internal());
        }
        finally
        {
            connection?.End();
        }
    }

    /// <summary>PROTOCOL-HTTP2 of gRPC, "Requests": the content type and its one other form; not `application/grpc-web`.</summary>
    private static bool IsGrpc(string? contentType)
    {
        const string Proto = "+proto";
        if (contentType?.StartsWith(ContentType, StringComparison.OrdinalIgnoreCase) is not true)
        {
            return false;
        }

        var rest = contentType.AsSpan(ContentType.Length);
        if (rest.StartsWith(Proto, StringComparison.OrdinalIgnoreCase))
        {
            rest = rest[Proto.Length..];
        }

        return rest.IsEmpty || rest[0] is ';' or ' ';
    }

    private static string? TimeoutOf(HttpRequest request) => request.Headers["grpc-timeout"] switch
    {
        [] => null,
        [{ } timeout] => timeout,
        _ => throw Failures.MalformedTimeout(),
    };

    private async ValueTask<TRequest> ReadAsync<TRequest>(HttpContext context, int maxBytes, Reader<TRequest> read, CallLimits limits)
    {
        var body = context.Request.BodyReader;
        UnfinishedMessages.Room? room = null;
        ITimer? timer = null;
        try
        {
            while (true)
            {
                ReadResult result;
                try
                {
                    var pending = body.ReadAsync(CancellationToken.None);
                    if (!pending.IsCompleted)
                    {
                        // Mostly all of it is there. Where it is not, somebody might send the rest never, or a byte a minute.
                        timer ??= _time.CreateTimer(static b => ((PipeReader)b!).CancelPendingRead(), body, MaxBodyTime, Timeout.InfiniteTimeSpan);
                    }

                    result = await pending;
                }
                catch (Exception e) when (e is not RpcException)
                {
                    // The caller went away: it cancelled, or its connection broke off within the message. Whatever the server calls it.
                    throw Failures.Cancelled();
                }

                if (result.IsCanceled)
                {
                    throw Failures.BodyTimeout(MaxBodyTime);
                }

                var (buffer, length) = (result.Buffer, LengthOf(context.Request, result.Buffer, maxBytes));
                if (length >= 0 && buffer.Length >= PrefixBytes + length)
                {
                    if (buffer.Length > PrefixBytes + length)
                    {
                        throw Failures.NotOneMessage();
                    }

                    // Read before the buffer is given back: what is kept of it is a copy.
                    var request = read(buffer.Slice(PrefixBytes, length), limits);
                    body.AdvanceTo(buffer.End);
                    return request;
                }

                if (result.IsCompleted)
                {
                    throw buffer.IsEmpty ? Failures.NotOneMessage() : Failures.MalformedMessage();
                }

                room ??= length < 0 ? null : _unfinished.TryTake(length) ?? throw Failures.TooManyBytes();
                body.AdvanceTo(buffer.Start, buffer.End);
            }
        }
        finally
        {
            timer?.Dispose();
            room?.Dispose();
        }
    }

    /// <summary>A second message that has come meanwhile.</summary>
    private static void ThrowIfThereIsMore(PipeReader body)
    {
        if (body.TryRead(out var result))
        {
            var isMore = !result.Buffer.IsEmpty;
            body.AdvanceTo(result.Buffer.End);
            if (isMore)
            {
                throw Failures.NotOneMessage();
            }
        }
    }

    /// <summary>The length of the message; negative: it is not there yet.</summary>
    private static long LengthOf(HttpRequest request, in ReadOnlySequence<byte> buffer, int maxBytes)
    {
        if (buffer.Length < PrefixBytes)
        {
            return -1;
        }

        Span<byte> prefix = stackalloc byte[PrefixBytes];
        buffer.Slice(0, PrefixBytes).CopyTo(prefix);
        var length = BinaryPrimitives.ReadUInt32BigEndian(prefix[1..]);
        return prefix[0] != 0 ? throw RefuseFlag(request, prefix[0]) : length > maxBytes ? throw Failures.TooLarge(maxBytes) : length;
    }

    private static RpcException RefuseFlag(HttpRequest request, byte flag)
    {
        var isCompressed = flag == 1 && request.Headers["grpc-encoding"] is [{ } encoding] && encoding != "identity";
        return isCompressed ? Failures.Compressed() : Failures.MalformedFrame();
    }

    private static void Write(HttpResponse response, Answer answer)
    {
        response.ContentType = ContentType;
        var output = response.BodyWriter;
        var bytes = output.GetSpan(PrefixBytes + answer.Bytes.Length);
        bytes[0] = 0;
        BinaryPrimitives.WriteUInt32BigEndian(bytes[1..], (uint)answer.Bytes.Length);
        answer.Bytes.CopyTo(bytes[PrefixBytes..]);
        output.Advance(PrefixBytes + answer.Bytes.Length);
        response.AppendTrailer(StatusName, Ok);
    }

    /// <summary>A status and nothing else: "Trailers-Only", which goes as headers.</summary>
    private static void Fail(HttpResponse response, RpcException failure)
    {
        if (response.HasStarted)
        {
            return;
        }

        response.ContentType = ContentType;
        response.Headers[StatusName] = ((int)failure.StatusCode).ToString(CultureInfo.InvariantCulture);
        response.Headers["grpc-message"] = PercentEncode(failure.Status.Detail);
        // Whoever has sent something that is not taken learns what is.
        response.Headers["grpc-accept-encoding"] = "identity";
        foreach (var trailer in failure.Trailers)
        {
            response.Headers[trailer.Key] = trailer.IsBinary ? Convert.ToBase64String(trailer.ValueBytes) : trailer.Value;
        }
    }

    /// <summary>PROTOCOL-HTTP2 of gRPC, "Responses": all but printable ASCII, and the percent sign.</summary>
    internal static string PercentEncode(string text)
    {
        var encoded = new StringBuilder(text.Length);
        foreach (var b in Encoding.UTF8.GetBytes(text))
        {
            if (b is >= 0x20 and <= 0x7e and not (byte)'%')
            {
                encoded.Append((char)b);
            }
            else
            {
                encoded.Append(CultureInfo.InvariantCulture, $"%{b:X2}");
            }
        }

        return encoded.ToString();
    }

    /// <summary>At most once a second: whoever finds a way to make calls fail fills no disk with it.</summary>
    private void LogEscaped(string method, Exception exception)
    {
        var last = Volatile.Read(ref _loggedAt);
        var now = _time.GetTimestamp();
        if (_time.GetElapsedTime(last, now) < LogEvery || Interlocked.CompareExchange(ref _loggedAt, now, last) != last)
        {
            Interlocked.Increment(ref _notLogged);
            return;
        }

        Log.Escaped(_logger, method, Interlocked.Exchange(ref _notLogged, 0), exception);
    }

    private static partial class Log
    {
        [LoggerMessage(10, LogLevel.Error, "{Method} failed ({Suppressed} similar errors suppressed)", EventName = "CallFailed")]
        public static partial void Escaped(ILogger logger, string method, long suppressed, Exception exception);
    }
}
