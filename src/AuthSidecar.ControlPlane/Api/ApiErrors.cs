using AuthSidecar.Tokens;
using Google.Protobuf.Reflection;
using Google.Protobuf.WellKnownTypes;
using Google.Rpc;
using Status = Google.Rpc.Status;

namespace AuthSidecar.ControlPlane.Api;

/// <summary>The one place where a failure of an administrator's call becomes a status.</summary>
internal static class ApiErrors
{
    private const string Domain = "authsidecar.dev";

    private static readonly EnumDescriptor Reasons = V1.ErrorReasonReflection.Descriptor.EnumTypes[0];

    /// <summary>The revision of a write; of one that changes nothing, the newest that there is.</summary>
    /// <exception cref="RpcException">It was refused, and this says why.</exception>
    public static string Committed(WriteResult result) => result.IsThere ? result.Revision.ToString() : throw Of(result.Refusal);

    public static RpcException Of(Refusal refusal) => refusal switch
    {
        Refusal.Stale stale => Failure(
            Code.Aborted,
            V1.ErrorReason.StaleRevision,
            stale.Current == default ? "revision conflict: it does not exist"
                : $"revision conflict: the current revision is {stale.Current}",
            metadata: ("revision", stale.Current == default ? "" : stale.Current.ToString())),
        Refusal.Invalid invalid => Invalid(invalid.Faults),
        Refusal.NotFound missing => NotFound(missing.What),
        Refusal.NotPermitted denied => PermissionDenied(denied.Action, denied.Placement),
        Refusal.Busy => Busy(),
        Refusal.AlreadyThere there => Failure(Code.AlreadyExists, V1.ErrorReason.AlreadyExists, $"{there.What} already exists"),
        _ => Internal(),
    };

    public static RpcException Invalid(IReadOnlyList<Fault> faults)
    {
        var badRequest = new BadRequest();
        badRequest.FieldViolations.AddRange(
            faults.Select(f => new BadRequest.Types.FieldViolation { Field = f.Source, Description = f.ToString() }));
        return Failure(Code.InvalidArgument, V1.ErrorReason.InvalidContent,
            $"{faults[0]}{(faults.Count > 1 ? $" (and {faults.Count - 1} more)" : "")}", badRequest);
    }

    public static RpcException InvalidField(string field, string description) => Failure(
        Code.InvalidArgument,
        V1.ErrorReason.InvalidField,
        $"{field}: {description}",
        new BadRequest { FieldViolations = { new BadRequest.Types.FieldViolation { Field = field, Description = description } } });

    public static RpcException NullCharacter() => Failure(
        Code.InvalidArgument, V1.ErrorReason.InvalidField, "text must not contain U+0000");

    public static RpcException NotFound(string what) => Failure(Code.NotFound, V1.ErrorReason.NotFound, $"{what} not found");

    public static RpcException ApplicationUnknown(string name) => Failure(
        Code.NotFound,
        V1.ErrorReason.ApplicationUnknown,
        $"application `{name}` not found; `import --create` and `policies publish --create` (field `create`) create applications",
        metadata: ("application", name));

    /// <summary>Who it is could not be found out. Why not is a word of ours, never a part of the token.</summary>
    public static RpcException Unauthenticated(TokenRejection error, string? detail) => Failure(
        Code.Unauthenticated,
        V1.ErrorReason.TokenRejected,
        error switch
        {
            TokenRejection.Missing => "access token missing",
            TokenRejection.SubjectMismatch => "access token rejected: its subject is not an administrator",
            _ => $"access token rejected: {error}{(detail is null ? "" : $": {detail}")}",
        },
        metadata: ("token_error", error.ToString()));

    /// <summary>The bootstrap code is not, or no longer, good.</summary>
    public static RpcException CodeRejected() => Failure(
        Code.Unauthenticated, V1.ErrorReason.CodeRejected, "invalid or expired bootstrap code, or an administrator exists");

    public static RpcException PermissionDenied(string action, Placement? placement)
    {
        var where = placement switch
        {
            null => "an existing entity",
            { Application: "" } => "all applications",
            { Application: var application } => $"application `{application}`",
        };
        var tenant = placement is { Tenant: { Length: > 0 } name } ? $", tenant `{name}`" : "";
        return Failure(Code.PermissionDenied, V1.ErrorReason.NotPermitted, $"`{action}` on {where}{tenant} is not permitted",
            metadata: ("action", action));
    }

    /// <summary>A revision of a history that has ended: what it stood for may not be there any more.</summary>
    public static RpcException AnotherHistory(string field, Revision given, Revision current) => Failure(
        Code.FailedPrecondition,
        V1.ErrorReason.RevisionOfAnotherHistory,
        $"{field}: revision {given} belongs to another history than the current {current.History}: "
            + "the database was restored from a backup, or the revision is from another control plane",
        metadata: ("history", current.History.ToString()));

    /// <summary>A join token is not good for what is asked.</summary>
    public static RpcException JoinRefused(V1.ErrorReason reason, string message) => Failure(Code.Unauthenticated, reason, message);

    /// <summary>Who has a name keeps it while it is there.</summary>
    public static RpcException NameInUse(string name) => Failure(
        Code.AlreadyExists, V1.ErrorReason.NameInUse,
        $"name `{name}` is in use by a connected sidecar with another key: use another `--name`, or a join token created with `--replace`");

    /// <summary>A pod asks for the name of a sidecar that is not of its own namespace.</summary>
    public static RpcException NameOfAnotherNamespace(string name, string longName) => Failure(
        Code.AlreadyExists, V1.ErrorReason.NameInUse,
        $"name `{name}` is in use by a sidecar of another namespace, or by a connected one that enrolled with a join token: use `--name "
            + $"{longName}`");

    /// <summary>Whatever was written would be confirmed by sidecars that do not have it.</summary>
    public static RpcException HistoryLost(Revision lost, Revision head) => Failure(
        Code.FailedPrecondition,
        V1.ErrorReason.HistoryLost,
        $"database rollback detected: sidecars have revision {lost}, the newest in the database is {head}. Writes are refused until "
            + "`authsidecar-control restore --confirm` begins a new history",
        metadata: ("lost", lost.ToString()));

    /// <summary>A sidecar has what this database has lost.</summary>
    public static RpcException RolledBack(Revision proven, Revision certain) => Failure(
        Code.FailedPrecondition,
        V1.ErrorReason.HistoryLost,
        $"database rollback detected: the control plane had revision {certain} when that was found out, this sidecar has {proven}; "
            + "`authsidecar-control restore --confirm` begins a new history",
        metadata: ("lost", proven.ToString()));

    /// <summary>A new history makes all sidecars resynchronize in full.</summary>
    public static RpcException NoRollback() => Failure(
        Code.FailedPrecondition, V1.ErrorReason.NoRollback,
        "no rollback detected: no connected sidecar has proved a later revision; to begin a new history anyway, use `authsidecar-control "
            + "restore --confirm --force` (field `force`)");

    /// <summary>Whether a write was made is not known when this comes in its midst: ask before writing again.</summary>
    public static RpcException StoreUnavailable() => Failure(
        Code.Unavailable, V1.ErrorReason.StoreUnavailable, "the control plane's database does not answer", new RetryInfo
        {
            RetryDelay = Google.Protobuf.WellKnownTypes.Duration.FromTimeSpan(TimeSpan.FromSeconds(1)),
        });

    /// <summary>There are no pages: nobody signs in here.</summary>
    public static RpcException NoUrl() => Failure(
        Code.FailedPrecondition, V1.ErrorReason.NoUrl, "the control plane was started without `--url`, so that it has no sign-in pages");

    /// <summary>Passwords take their time to hash, and too many are being hashed.</summary>
    public static RpcException Busy() => Failure(
        Code.ResourceExhausted, V1.ErrorReason.Overloaded, "overloaded, retry later", new RetryInfo
        {
            RetryDelay = Google.Protobuf.WellKnownTypes.Duration.FromTimeSpan(TimeSpan.FromSeconds(1)),
        });

    public static RpcException Cancelled() => Failure(Code.Cancelled, V1.ErrorReason.Cancelled, "request cancelled by the client");
    public static RpcException ShuttingDown() => Failure(Code.Unavailable, V1.ErrorReason.ShuttingDown, "the node is shutting down");
    public static RpcException ClusterUnavailable(string message) => Failure(Code.Unavailable, V1.ErrorReason.ClusterUnavailable, message);

    public static RpcException CertificateRejected(string message) => Failure(Code.Unauthenticated, V1.ErrorReason.CertificateRejected,
        message);

    public static RpcException DuplicateIdentity(string name, DateTimeOffset since) => Failure(
        Code.AlreadyExists,
        V1.ErrorReason.DuplicateIdentity,
        $"duplicate identity `{name}`: another process has been connected with it since {since:u} (copied state folder?); delete the "
            + "`identity` folder of one and enrol it again");

    /// <summary>A message of a sync stream that does not follow the contract.</summary>
    public static RpcException ProtocolViolation(string message) => Failure(Code.InvalidArgument, V1.ErrorReason.ProtocolViolation,
        message);

    public static RpcException NothingReceived(string message) => Failure(Code.DeadlineExceeded, V1.ErrorReason.StreamTimeout, message);

    public static RpcException NotRead() => Failure(
        Code.ResourceExhausted, V1.ErrorReason.StreamTimeout, "timeout: the sidecar does not read from the stream");

    public static RpcException StreamEnded(string message) => Failure(Code.Aborted, V1.ErrorReason.StreamEnded, message);

    public static RpcException HistoryBegun() => Failure(
        Code.Unavailable, V1.ErrorReason.StreamEnded, "a new history was begun: reconnect");

    public static RpcException Internal() => Failure(
        Code.Internal, V1.ErrorReason.Internal, "internal error; see the log of the control plane");

    private static RpcException Failure(
        Code code, V1.ErrorReason reason, string message, IMessage? detail = null, (string Key, string Value)? metadata = null)
    {
        var info = new ErrorInfo { Domain = Domain, Reason = NameOf(reason) };
        if (metadata is var (key, value))
            info.Metadata.Add(key, value);

        var status = new Status { Code = (int)code, Message = message, Details = { Any.Pack(info) } };
        if (detail is not null)
            status.Details.Add(Any.Pack(detail));

        return status.ToRpcException();
    }

    /// <summary>The name in the contract, which is what callers in every language compare with.</summary>
    internal static string NameOf(V1.ErrorReason reason) => Reasons.FindValueByNumber((int)reason).Name;

    /// <summary>The name of the reason in an error of this class.</summary>
    public static string ReasonOf(RpcException error) => error.GetRpcStatus()!.GetDetail<ErrorInfo>()!.Reason;
}
