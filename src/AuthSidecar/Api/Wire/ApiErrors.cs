using Google.Protobuf.WellKnownTypes;
using Google.Rpc;
using Duration = Google.Protobuf.WellKnownTypes.Duration;
using Status = Google.Rpc.Status;

namespace AuthSidecar.Api.Wire;

/// <summary>The one place where a failure becomes a status. Each has an ErrorReason; none has the words of an exception.</summary>
internal static class ApiErrors
{
    public const string Domain = "authsidecar.dev";

    private static readonly Duration RetryAfter = Duration.FromTimeSpan(TimeSpan.FromSeconds(1));

    public static RpcException InvalidFields(IReadOnlyList<FieldViolation> violations)
    {
        var badRequest = new BadRequest();
        foreach (var violation in violations)
        {
            badRequest.FieldViolations.Add(
                new BadRequest.Types.FieldViolation { Field = violation.Field, Description = violation.Description });
        }

        return Failure(Code.InvalidArgument, V1.ErrorReason.InvalidField, $"{violations[0].Field}: {violations[0].Description}",
            badRequest);
    }

    public static RpcException MalformedMessage() =>
        Failure(Code.InvalidArgument, V1.ErrorReason.MalformedMessage, "malformed protobuf message");

    public static RpcException FieldGivenTwice() => Failure(
        Code.InvalidArgument, V1.ErrorReason.InvalidField, "duplicate field: a field that is not repeated occurs twice");

    public static RpcException Compressed() => Failure(
        Code.Unimplemented, V1.ErrorReason.MalformedMessage, "compressed messages are not supported: send with identity encoding");

    /// <summary>A flag that says compressed, of a call that names no encoding; or no flag that there is (Compression of gRPC).</summary>
    public static RpcException MalformedFrame() => Failure(
        Code.Internal, V1.ErrorReason.MalformedMessage, "compressed flag of the message conflicts with `grpc-encoding`");

    public static RpcException TooLarge(int mostBytes) => Failure(
        Code.ResourceExhausted, V1.ErrorReason.MalformedMessage, $"message too large: limit {mostBytes} bytes");

    /// <summary>A unary call has one message (Status codes of gRPC: request cardinality violation).</summary>
    public static RpcException NotOneMessage() => Failure(
        Code.Unimplemented, V1.ErrorReason.MalformedMessage, "expected exactly one message in a unary call");

    public static RpcException MalformedTimeout() => InvalidFields(
        [new FieldViolation("grpc-timeout", "1 to 8 digits and a unit: H, M, S, m, u or n")]);

    public static RpcException BodyTimeout(TimeSpan limit) => Failure(
        Code.DeadlineExceeded, V1.ErrorReason.DeadlineExceeded, $"the message did not arrive within {limit.TotalSeconds} seconds");

    public static RpcException TooManyBytes() => Failure(
        Code.ResourceExhausted, V1.ErrorReason.Overloaded, "too many bytes in unfinished messages",
        new RetryInfo { RetryDelay = RetryAfter });

    public static RpcException TooManyWaiting() => Failure(
        Code.ResourceExhausted, V1.ErrorReason.Overloaded, "too many calls waiting for a revision",
        new RetryInfo { RetryDelay = RetryAfter });

    public static RpcException TooManyCalls() => Failure(
        Code.ResourceExhausted, V1.ErrorReason.Overloaded, "too many concurrent calls of this kind",
        new RetryInfo { RetryDelay = RetryAfter });

    public static RpcException UnknownMethod() => Failure(
        Code.Unimplemented, V1.ErrorReason.MalformedMessage, "unknown method: paths are case-sensitive");

    /// <param name="problems">What keeps it from having one.</param>
    public static RpcException NoSnapshot(IReadOnlyList<string> problems) => Failure(
        Code.Unavailable, V1.ErrorReason.NoSnapshot, $"the sidecar has no snapshot yet{(problems.Count > 0 ? $": {problems[0]}" : "")}",
        new RetryInfo { RetryDelay = RetryAfter });

    /// <param name="type">The data type.</param>
    /// <param name="age">How old its data is.</param>
    /// <param name="limit">How old it may be.</param>
    public static RpcException Stale(DataType type, TimeSpan age, TimeSpan limit) => Failure(
        Code.FailedPrecondition, V1.ErrorReason.Stale,
        $"{type} data is stale: {(long)age.TotalSeconds} s old, max_staleness is {(long)limit.TotalSeconds} s");

    /// <inheritdoc cref="Stale"/>
    public static RpcException SourceAway(DataType type, TimeSpan age, TimeSpan limit) => Failure(
        Code.FailedPrecondition, V1.ErrorReason.Stale,
        $"{type} data is stale: the source has been unreachable for {(long)age.TotalSeconds} s, "
            + $"max_staleness of `source` is {(long)limit.TotalSeconds} s");

    public static RpcException RevisionNotReached(Revision wanted, Revision current) => Failure(
        Code.FailedPrecondition, V1.ErrorReason.RevisionNotReached,
        $"revision {wanted} was not reached in time; the sidecar has {current}");

    public static RpcException RevisionOfAnotherHistory(Revision wanted, Revision current) => Failure(
        Code.FailedPrecondition,
        V1.ErrorReason.RevisionOfAnotherHistory,
        $"revision {wanted} belongs to another history than the served {current}: "
            + "the control plane was restored from a backup, or the revision is from another one");

    public static RpcException DeadlineExceeded() =>
        Failure(Code.DeadlineExceeded, V1.ErrorReason.DeadlineExceeded, "the deadline passed before there was an answer");

    public static RpcException Cancelled() => Failure(Code.Cancelled, V1.ErrorReason.Cancelled, "request cancelled by the client");

    public static RpcException MfaStoreUnavailable() => Failure(
        Code.Unavailable, V1.ErrorReason.MfaStoreUnavailable, "the code could not be marked as used, and so was not accepted",
        new RetryInfo { RetryDelay = RetryAfter });

    public static RpcException Internal() => Failure(Code.Internal, V1.ErrorReason.Internal, "internal error; see the sidecar log");

    private static RpcException Failure(Code code, V1.ErrorReason reason, string message, params IMessage[] details)
    {
        var info = new ErrorInfo { Domain = Domain, Reason = NameOf(reason) };
        var status = new Status { Code = (int)code, Message = message };
        status.Details.Add(Any.Pack(info));
        status.Details.Add(details.Select(Any.Pack));
        return status.ToRpcException();
    }

    /// <summary>The name in the contract, which is what callers in every language compare with.</summary>
    internal static string NameOf(V1.ErrorReason reason) => reason switch
    {
        V1.ErrorReason.InvalidField => "ERROR_REASON_INVALID_FIELD",
        V1.ErrorReason.MalformedMessage => "ERROR_REASON_MALFORMED_MESSAGE",
        V1.ErrorReason.NoSnapshot => "ERROR_REASON_NO_SNAPSHOT",
        V1.ErrorReason.Stale => "ERROR_REASON_STALE",
        V1.ErrorReason.RevisionNotReached => "ERROR_REASON_REVISION_NOT_REACHED",
        V1.ErrorReason.DeadlineExceeded => "ERROR_REASON_DEADLINE_EXCEEDED",
        V1.ErrorReason.Cancelled => "ERROR_REASON_CANCELLED",
        V1.ErrorReason.MfaStoreUnavailable => "ERROR_REASON_MFA_STORE_UNAVAILABLE",
        V1.ErrorReason.Internal => "ERROR_REASON_INTERNAL",
        V1.ErrorReason.Overloaded => "ERROR_REASON_OVERLOADED",
        V1.ErrorReason.RevisionOfAnotherHistory => "ERROR_REASON_REVISION_OF_ANOTHER_HISTORY",
        _ => "ERROR_REASON_UNSPECIFIED",
    };
}
