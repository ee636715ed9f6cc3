using System.Buffers;
using System.Buffers.Binary;
using System.Globalization;
using Grpc.Core;
using Microsoft.AspNetCore.Connections;

namespace AuthSidecar.Services;

/// <summary>
/// Answers the calls of the contract over HTTP/2: one message in, one out, and a status (PROTOCOL-HTTP2 of gRPC). By hand, since a framework's objects and
/// interceptors around a call take longer than the call.
/// </summary>
internal sealed partial class UnaryCalls(AuthSidecarService service, RequestReader reader, TimeProvider time, ILogger<UnaryCalls> logger)
{
    private const string Service = "/authsidecar.v1.AuthSidecarService/";
    private const string ContentType = "application/grpc";
    private const string StatusName = "grpc-status";
    private const string Ok = "0";

    /// <summary>Whether the message is compressed, and its length.</summary>
    private const int PrefixBytes = 5;

    /// <summary>As much as gRPC implementations take unless they are told otherwise.</summary>
    private const int MaxMessageBytes = 4 * 1024 * 1024;

    public void Map(IEndpointRouteBuilder endpoints)
    {
        Add(endpoints, "ValidateToken", reader.ReadValidation, service.ValidateToken);
        Add(endpoints, "CheckPermission", reader.ReadCheck, service.CheckPermission);
        Add(endpoints, "CheckPermissions", reader.ReadBatch, service.CheckPermissions);
        Add(endpoints, "EvaluateRisk", RequestReader.ReadRisk, service.EvaluateRisk);
        Add(endpoints, "VerifyMfa", RequestReader.ReadMfa, service.VerifyMfa);
    }

    private void Add<TRequest>(IEndpointRouteBuilder endpoints, string name, Func<ReadOnlySequence<byte>, TRequest> read, Func<TRequest, CallLimits, Task<Answer>> invoke) =>
        endpoints.MapPost(Service + name, context => HandleAsync(context, read, invoke));

    private async Task HandleAsync<TRequest>(HttpContext context, Func<ReadOnlySequence<byte>, TRequest> read, Func<TRequest, CallLimits, Task<Answer>> invoke)
    {
        if (context.Request.ContentType?.StartsWith(ContentType, StringComparison.OrdinalIgnoreCase) is not true)
        {
            context.Response.StatusCode = StatusCodes.Status415UnsupportedMediaType;
            return;
        }

        var limits = new CallLimits(context, context.Request.Headers["grpc-timeout"] is [{ } timeout] ? timeout : null, time);
        try
        {
            var answer = await invoke(await ReadAsync(context, read), limits);
            // Whoever has gone away gets nothing anyhow.
            limits.ThrowIfPastDeadline();
            Write(context.Response, answer);
        }
        catch (RpcException e)
        {
            Fail(context.Response, e);
        }
        // The caller went away: it cancelled, or its connection broke off within the message.
        catch (Exception e) when (e is OperationCanceledException or BadHttpRequestException or ConnectionResetException)
        {
            Fail(context.Response, Failures.Cancelled());
        }
        catch (Exception e)
        {
            Log.Escaped(logger, context.Request.Path, e);
            Fail(context.Response, Failures.Internal());
        }
    }

    private static async ValueTask<TRequest> ReadAsync<TRequest>(HttpContext context, Func<ReadOnlySequence<byte>, TRequest> read)
    {
        var body = context.Request.BodyReader;
        while (true)
        {
            // Without a token: the server ends the body when its caller goes away.
            var result = await body.ReadAsync(CancellationToken.None);
            var (buffer, length) = (result.Buffer, LengthOf(result.Buffer));
            if (length >= 0 && buffer.Length >= PrefixBytes + length)
            {
                if (buffer.Length > PrefixBytes + length)
                {
                    throw Failures.MalformedMessage();
                }

                // Read before the buffer is given back: what is kept of it is a copy.
                var request = read(buffer.Slice(PrefixBytes, length));
                body.AdvanceTo(buffer.End);
                return request;
            }

            if (result.IsCompleted)
            {
                throw Failures.MalformedMessage();
            }

            body.AdvanceTo(buffer.Start, buffer.End);
        }
    }

    /// <summary>The length of the message; negative: it is not there yet.</summary>
    private static long LengthOf(in ReadOnlySequence<byte> buffer)
    {
        if (buffer.Length < PrefixBytes)
        {
            return -1;
        }

        Span<byte> prefix = stackalloc byte[PrefixBytes];
        buffer.Slice(0, PrefixBytes).CopyTo(prefix);
        var length = BinaryPrimitives.ReadUInt32BigEndian(prefix[1..]);
        return prefix[0] != 0 ? throw Failures.Compressed() : length > MaxMessageBytes ? throw Failures.TooLarge(MaxMessageBytes) : length;
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
        response.Headers["grpc-message"] = Uri.EscapeDataString(failure.Status.Detail);
        foreach (var trailer in failure.Trailers)
        {
            response.Headers[trailer.Key] = trailer.IsBinary ? Convert.ToBase64String(trailer.ValueBytes) : trailer.Value;
        }
    }

    private static partial class Log
    {
        [LoggerMessage(10, LogLevel.Error, "{Method} failed", EventName = "CallFailed")]
        public static partial void Escaped(ILogger logger, string method, Exception exception);
    }
}
