using AuthSidecar.Cedar;
using AuthSidecar.Common;
using AuthSidecar.ControlPlane.Store;
using AuthSidecar.Tokens;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Google.Rpc;
using Grpc.Core;
using Status = Google.Rpc.Status;

namespace AuthSidecar.ControlPlane.Administration;

/// <summary>The one place where a failure of an administrator's call becomes a status.</summary>
internal static class Failures
{
    private const string Domain = "authsidecar.dev";

    /// <summary>The revision of a write; of one that changes nothing, the newest that there is.</summary>
    /// <exception cref="RpcException">It was refused, and this says why.</exception>
    public static string Committed(WriteResult result) => result.IsThere ? result.Revision.ToString() : throw Of(result.Refusal);

    public static RpcException Of(Refusal refusal) => refusal switch
    {
        Refusal.Stale stale => Failure(
            Code.Aborted,
            "STALE_REVISION",
            stale.Current == default ? "revision conflict: it does not exist" : $"revision conflict: the current revision is {stale.Current}",
            metadata: ("revision", stale.Current == default ? "" : stale.Current.ToString())),
        Refusal.Invalid invalid => Invalid(invalid.Faults),
        Refusal.NotFound missing => NotFound(missing.What),
        Refusal.NotPermitted denied => PermissionDenied(denied.Action, denied.Placement),
        Refusal.Busy => Busy(),
        Refusal.AlreadyThere there => Failure(Code.AlreadyExists, "ALREADY_EXISTS", $"{there.What} already exists"),
        _ => Internal(),
    };

    public static RpcException Invalid(IReadOnlyList<Fault> faults)
    {
        var badRequest = new BadRequest();
        badRequest.FieldViolations.AddRange(faults.Select(f => new BadRequest.Types.FieldViolation { Field = f.Source, Description = f.ToString() }));
        return Failure(Code.InvalidArgument, "INVALID_CONTENT", $"{faults[0]}{(faults.Count > 1 ? $" (and {faults.Count - 1} more)" : "")}", badRequest);
    }

    public static RpcException InvalidField(string field, string description) => Failure(
        Code.InvalidArgument,
        "INVALID_FIELD",
        $"{field}: {description}",
        new BadRequest { FieldViolations = { new BadRequest.Types.FieldViolation { Field = field, Description = description } } });

    public static RpcException NullCharacter() => Failure(Code.InvalidArgument, "INVALID_FIELD", "text must not contain U+0000");

    public static RpcException NotFound(string what) => Failure(Code.NotFound, "NOT_FOUND", $"{what} not found");

    public static RpcException ApplicationUnknown(string name) => Failure(
        Code.NotFound,
        "APPLICATION_UNKNOWN",
        $"application `{name}` not found; `import --create` and `policies publish --create` (field `create`) create applications",
        metadata: ("application", name));

    /// <summary>Who it is could not be found out. Why not is a word of ours, never a part of the token.</summary>
    public static RpcException Unauthenticated(TokenError error, string? detail) => Failure(
        Code.Unauthenticated,
        "TOKEN_REJECTED",
        $"no administrator: the access token is {error switch { TokenError.Missing => "missing", TokenError.SubjectMismatch => "not that of an administrator", _ => $"not accepted ({error}{(detail is null ? "" : $": {detail}")})" }}",
        metadata: ("token_error", error.ToString()));

    /// <summary>The code to claim the control plane with is not, or no longer, good.</summary>
    public static RpcException CodeRejected() => Failure(
        Code.Unauthenticated, "CODE_REJECTED", "invalid or expired claim code, or there is an administrator already");

    public static RpcException PermissionDenied(string action, Placement? placement)
    {
        var where = placement switch
        {
            null => "an existing entity",
            { Application: "" } => "all applications",
            { Application: var application } => $"application `{application}`",
        };
        var tenant = placement is { Tenant: { Length: > 0 } name } ? $", tenant `{name}`" : "";
        return Failure(Code.PermissionDenied, "NOT_PERMITTED", $"`{action}` on {where}{tenant} is not permitted", metadata: ("action", action));
    }

    /// <summary>A revision of a history that has ended: what it stood for may not be there any more.</summary>
    public static RpcException AnotherHistory(string field, Revision given, Revision current) => Failure(
        Code.FailedPrecondition,
        "REVISION_OF_ANOTHER_HISTORY",
        $"{field}: revision {given} belongs to another history than the current {current.History}: the database was restored from a backup, or the revision is from another control plane",
        metadata: ("history", current.History.ToString()));

    /// <summary>A join token is not good for what is asked.</summary>
    public static RpcException JoinRefused(string reason, string message) => Failure(Code.Unauthenticated, reason, message);

    /// <summary>Who has a name keeps it while it is there.</summary>
    public static RpcException NameInUse(string name) => Failure(
        Code.AlreadyExists, "NAME_IN_USE", $"name `{name}` is in use by a connected sidecar with another key: use another `--name`, or a join token created with `--replace`");

    /// <summary>A pod asks for the name of a sidecar that is not of its own namespace.</summary>
    public static RpcException NameOfAnotherNamespace(string name, string longName) => Failure(
        Code.AlreadyExists, "NAME_IN_USE", $"name `{name}` is in use by a sidecar of another namespace, or by a connected one that enrolled with a join token: use `--name {longName}`");

    /// <summary>Whatever was written would be confirmed by sidecars that do not have it.</summary>
    public static RpcException HistoryLost(Revision lost, Revision head) => Failure(
        Code.FailedPrecondition,
        "HISTORY_LOST",
        $"database rollback detected: sidecars have revision {lost}, the newest in the database is {head}. Writes are refused until `authsidecar-control restore --confirm` begins a new history",
        metadata: ("lost", lost.ToString()));

    /// <summary>A new history makes all sidecars resynchronize in full.</summary>
    public static RpcException NoRollback() => Failure(
        Code.FailedPrecondition, "NO_ROLLBACK", "no rollback detected: no connected sidecar has proved a later revision; to begin a new history anyway, use `authsidecar-control restore --confirm --force` (field `force`)");

    /// <summary>Whether a write was made is not known when this comes in its midst: ask before writing again.</summary>
    public static RpcException StoreUnavailable() => Failure(
        Code.Unavailable, "STORE_UNAVAILABLE", "the control plane's database does not answer", new RetryInfo { RetryDelay = Google.Protobuf.WellKnownTypes.Duration.FromTimeSpan(TimeSpan.FromSeconds(1)) });

    /// <summary>There are no pages: nobody signs in here.</summary>
    public static RpcException NoUrl() => Failure(Code.FailedPrecondition, "NO_URL", "the control plane was started without `--url`, so that it has no sign-in pages");

    /// <summary>Passwords take their time to hash, and too many are being hashed.</summary>
    public static RpcException Busy() => Failure(
        Code.ResourceExhausted, "BUSY", "there is too much to do at the moment", new RetryInfo { RetryDelay = Google.Protobuf.WellKnownTypes.Duration.FromTimeSpan(TimeSpan.FromSeconds(1)) });

    public static RpcException Internal() => Failure(Code.Internal, "INTERNAL", "a fault of the control plane; see its log");

    private static RpcException Failure(Code code, string reason, string message, IMessage? detail = null, (string Key, string Value)? metadata = null)
    {
        var info = new ErrorInfo { Domain = Domain, Reason = reason };
        if (metadata is var (key, value))
        {
            info.Metadata.Add(key, value);
        }

        var status = new Status { Code = (int)code, Message = message, Details = { Any.Pack(info) } };
        if (detail is not null)
        {
            status.Details.Add(Any.Pack(detail));
        }

        return status.ToRpcException();
    }
}
