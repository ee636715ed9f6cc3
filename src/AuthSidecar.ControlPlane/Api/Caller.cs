using System.Runtime.InteropServices;
using Microsoft.AspNetCore.Connections.Features;

namespace AuthSidecar.ControlPlane.Api;

/// <summary>Who administers, and what they may do. Where there is none, nothing is done.</summary>
internal abstract class Caller
{
    /// <summary>As the audit trail has it.</summary>
    public abstract string Name { get; }

    /// <summary>Whether they may do this to what has this placement.</summary>
    public abstract bool IsAllowed(string action, Placement placement);

    /// <summary>The same caller as of now, for calls that take long: what they might do at the beginning they may no longer do.</summary>
    /// <exception cref="RpcException">UNAUTHENTICATED: they are nobody by now.</exception>
    public virtual Task<Caller> AgainAsync() => Task.FromResult(this);

    /// <summary>Who calls, as the authentication middleware has found out.</summary>
    public static Caller Of(HttpContext context) => context.Features.Get<Caller>() ?? throw ApiErrors.Internal();

    public static Caller Of(ServerCallContext context) => Of(context.GetHttpContext());
}

/// <summary>Whoever may open the Unix socket, by the number that the kernel knows them by. That they may is the file's permission, and they
/// may do everything.</summary>
internal sealed class LocalCaller : Caller
{
    private const int SolSocket = 1;
    private const int SoPeerCred = 17;

    private LocalCaller(uint userId) => Name = string.Create(CultureInfo.InvariantCulture, $"uid:{userId}");

    /// <summary>Such as <c>uid:1000</c>.</summary>
    public override string Name { get; }

    public override bool IsAllowed(string action, Placement placement) => true;

    public static LocalCaller OfSocket(HttpContext context)
    {
        var socket = context.Features.Get<IConnectionSocketFeature>()?.Socket;
        // struct ucred { pid_t pid; uid_t uid; gid_t gid; }, unix(7)
        Span<byte> credentials = stackalloc byte[3 * sizeof(int)];
        return socket is not null && socket.GetRawSocketOption(SolSocket, SoPeerCred, credentials) == credentials.Length
            ? new LocalCaller(MemoryMarshal.Read<uint>(credentials[sizeof(int)..]))
            : throw ApiErrors.Internal();
    }
}

/// <summary>Anybody, where no token is asked for.</summary>
internal sealed class AnonymousCaller : Caller
{
    public override string Name => "anonymous";
    public override bool IsAllowed(string action, Placement placement) => false;
}
