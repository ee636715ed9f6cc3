using Google.Protobuf.Reflection;
using Google.Rpc;

namespace AuthSidecar.ControlPlane.Api;

/// <summary>A failure as the answer to a request that the gRPC framework does not answer itself: in gRPC's own form to gRPC, and as JSON to
/// all others.</summary>
internal static class ErrorResponse
{
    private const string Grpc = "application/grpc";

    private static readonly JsonFormatter Json = new(
        JsonFormatter.Settings.Default.WithTypeRegistry(TypeRegistry.FromFiles(ErrorDetailsReflection.Descriptor)));

    /// <summary>Answers with nothing but the failure.</summary>
    public static Task WriteAsync(HttpContext context, RpcException failure)
    {
        var (response, status) = (context.Response, StatusOf(failure));
        if (context.Request.ContentType?.StartsWith(Grpc, StringComparison.OrdinalIgnoreCase) is true)
        {
            // Trailers alone, which go as headers (PROTOCOL-HTTP2 of gRPC, "Responses").
            (response.StatusCode, response.ContentType) = (StatusCodes.Status200OK, Grpc);
            response.Headers["grpc-status"] = status.Code.ToString(CultureInfo.InvariantCulture);
            response.Headers["grpc-message"] = Uri.EscapeDataString(status.Message);
            response.Headers["grpc-status-details-bin"] = Convert.ToBase64String(status.ToByteArray());
            return Task.CompletedTask;
        }

        (response.StatusCode, response.ContentType) = (HttpStatusOf(failure.StatusCode), "application/json");
        return response.WriteAsync(Json.Format(status));
    }

    /// <summary>The failure as `google.rpc.Status`, in JSON.</summary>
    public static string ToJson(RpcException failure) => Json.Format(StatusOf(failure));

    private static Google.Rpc.Status StatusOf(RpcException failure) =>
        failure.GetRpcStatus() ?? new Google.Rpc.Status { Code = (int)failure.StatusCode, Message = failure.Status.Detail };

    // As google.rpc.Code has it, and as the framework answers the other calls.
    private static int HttpStatusOf(StatusCode code) => code switch
    {
        StatusCode.InvalidArgument or StatusCode.FailedPrecondition or StatusCode.OutOfRange => StatusCodes.Status400BadRequest,
        StatusCode.Unauthenticated => StatusCodes.Status401Unauthorized,
        StatusCode.PermissionDenied => StatusCodes.Status403Forbidden,
        StatusCode.NotFound => StatusCodes.Status404NotFound,
        StatusCode.Aborted or StatusCode.AlreadyExists => StatusCodes.Status409Conflict,
        StatusCode.ResourceExhausted => StatusCodes.Status429TooManyRequests,
        StatusCode.Cancelled => StatusCodes.Status499ClientClosedRequest,
        StatusCode.Unimplemented => StatusCodes.Status501NotImplemented,
        StatusCode.DeadlineExceeded => StatusCodes.Status504GatewayTimeout,
        StatusCode.Unavailable => StatusCodes.Status503ServiceUnavailable,
        _ => StatusCodes.Status500InternalServerError,
    };
}
