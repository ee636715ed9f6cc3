using System.Buffers.Binary;
using AuthSidecar.Api.Wire;

namespace AuthSidecar.Api.Calls;

/// <summary>How a call with one message each way is written in HTTP/2 (PROTOCOL-HTTP2 of gRPC): its headers, the prefix of a message, and
/// its status.</summary>
internal static class GrpcFraming
{
    /// <summary>Whether the message is compressed, and its length.</summary>
    public const int PrefixBytes = 5;

    private const string ContentType = "application/grpc";
    private const string StatusName = "grpc-status";
    private const string Ok = "0";

    /// <summary>PROTOCOL-HTTP2 of gRPC, "Requests": the content type and its one other form; not `application/grpc-web`.</summary>
    public static bool IsGrpc(string? contentType)
    {
        const string Proto = "+proto";
        if (contentType?.StartsWith(ContentType, StringComparison.OrdinalIgnoreCase) is not true)
            return false;

        var rest = contentType.AsSpan(ContentType.Length);
        if (rest.StartsWith(Proto, StringComparison.OrdinalIgnoreCase))
            rest = rest[Proto.Length..];

        return rest.IsEmpty || rest[0] is ';' or ' ';
    }

    /// <exception cref="RpcException">The header is repeated.</exception>
    public static string? TimeoutOf(HttpRequest request) => request.Headers["grpc-timeout"] switch
    {
        [] => null,
        [{ } timeout] => timeout,
        _ => throw ApiErrors.MalformedTimeout(),
    };

    /// <summary>The length of the message; negative: it is not there yet.</summary>
    public static long LengthOf(HttpRequest request, in ReadOnlySequence<byte> buffer, int maxBytes)
    {
        if (buffer.Length < PrefixBytes)
            return -1;

        Span<byte> prefix = stackalloc byte[PrefixBytes];
        buffer.Slice(0, PrefixBytes).CopyTo(prefix);
        var length = BinaryPrimitives.ReadUInt32BigEndian(prefix[1..]);
        return prefix[0] != 0 ? throw RefuseFlag(request, prefix[0]) : length > maxBytes ? throw ApiErrors.TooLarge(maxBytes) : length;
    }

    private static RpcException RefuseFlag(HttpRequest request, byte flag)
    {
        var isCompressed = flag == 1 && request.Headers["grpc-encoding"] is [{ } encoding] && encoding != "identity";
        return isCompressed ? ApiErrors.Compressed() : ApiErrors.MalformedFrame();
    }

    /// <summary>One message, and the status in the trailers.</summary>
    public static void Write(HttpResponse response, EncodedResponse answer)
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
    public static void Fail(HttpResponse response, RpcException failure)
    {
        if (response.HasStarted)
            return;

        response.ContentType = ContentType;
        response.Headers[StatusName] = ((int)failure.StatusCode).ToString(CultureInfo.InvariantCulture);
        response.Headers["grpc-message"] = PercentEncode(failure.Status.Detail);
        // Whoever has sent something that is not taken learns what is.
        response.Headers["grpc-accept-encoding"] = "identity";
        foreach (var trailer in failure.Trailers)
            response.Headers[trailer.Key] = trailer.IsBinary ? Convert.ToBase64String(trailer.ValueBytes) : trailer.Value;
    }

    /// <summary>PROTOCOL-HTTP2 of gRPC, "Responses": all but printable ASCII, and the percent sign.</summary>
    internal static string PercentEncode(string text)
    {
        var encoded = new StringBuilder(text.Length);
        foreach (var b in Encoding.UTF8.GetBytes(text))
        {
            if (b is >= 0x20 and <= 0x7e and not (byte)'%')
                encoded.Append((char)b);
            else
                encoded.Append(CultureInfo.InvariantCulture, $"%{b:X2}");
        }

        return encoded.ToString();
    }
}
