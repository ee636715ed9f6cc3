using System.Net;
using System.Net.Sockets;
using AuthSidecar.Common;
using AuthSidecar.Tests.Testing;

namespace AuthSidecar.Tests.Hosting;

public sealed class ListenSocketsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    /// <summary>Where nobody may create a file, not even root.</summary>
    [Fact]
    public void Reserve_InAFolderThatMayNotBeWrittenTo_SaysWhichSocketAndWhy()
    {
        using var sockets = new ListenSockets(SocketAccess.Default);
        var refused = Assert.Throws<IOException>(() => sockets.Reserve([new UnixDomainSocketEndPoint("/sys/a.sock")]));
        Assert.Equal("failed to create the socket `/sys/a.sock`: Permission denied", refused.Message);
    }

    [Fact]
    public void Reserve_AnAddressOfAnotherMachine_SaysWhichAndWhy()
    {
        using var sockets = new ListenSockets(SocketAccess.Default);
        var refused = Assert.Throws<IOException>(() => sockets.Reserve([IPEndPoint.Parse("192.0.2.1:7000")]));
        Assert.Equal("failed to listen on 192.0.2.1:7000: Cannot assign requested address", refused.Message);
    }

    /// <summary>Between being reserved and being listened on, nobody sees it and nobody takes its place.</summary>
    [Fact]
    public void Reserve_ThenTake_AnswersFromThenOn()
    {
        var endPoint = new UnixDomainSocketEndPoint(_folder["a.sock"]);
        using var sockets = new ListenSockets(SocketAccess.Default);
        sockets.Reserve([endPoint]);
        Assert.False(File.Exists(endPoint.ToString()));
        using var others = new ListenSockets(SocketAccess.Default);
        Assert.Equal($"the socket `{endPoint}` is in use by another process", Assert.Throws<IOException>(() => others.Reserve([endPoint])).Message);
        using var taken = sockets.Take(new UnixDomainSocketEndPoint(_folder["a.sock"]));
        Connect(endPoint);
        Assert.Equal($"another process is listening on `{endPoint}`", Assert.Throws<IOException>(() => others.Reserve([endPoint])).Message);
    }

    [Fact]
    public void Dispose_OfWhatWasNotTaken_LetsOthersTakeItsPlace()
    {
        using (var sockets = new ListenSockets(SocketAccess.Default))
        {
            sockets.Reserve([new UnixDomainSocketEndPoint(_folder["a.sock"])]);
        }

        using var again = new ListenSockets(SocketAccess.Default);
        again.Reserve([new UnixDomainSocketEndPoint(_folder["a.sock"])]);
    }

    public void Dispose() => _folder.Dispose();

    private static void Connect(EndPoint endPoint)
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Connect(endPoint);
    }
}
