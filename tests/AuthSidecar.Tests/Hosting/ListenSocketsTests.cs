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
    public void Bind_InAFolderThatMayNotBeWrittenTo_SaysWhichSocketAndWhy()
    {
        using var sockets = new ListenSockets(SocketAccess.Default);
        var refused = Assert.Throws<IOException>(() => sockets.Bind([new UnixDomainSocketEndPoint("/sys/a.sock")]));
        Assert.Equal("failed to create the socket `/sys/a.sock`: Permission denied", refused.Message);
    }

    [Fact]
    public void Bind_ToAnAddressOfAnotherMachine_SaysWhichAndWhy()
    {
        using var sockets = new ListenSockets(SocketAccess.Default);
        var refused = Assert.Throws<IOException>(() => sockets.Bind([IPEndPoint.Parse("192.0.2.1:7000")]));
        Assert.Equal("failed to listen on 192.0.2.1:7000: Cannot assign requested address", refused.Message);
    }

    /// <summary>Between being bound and being listened on, nobody is answered and nobody takes its place.</summary>
    [Fact]
    public void Bind_ThenTake_AnswersFromThenOn()
    {
        var endPoint = new UnixDomainSocketEndPoint(_folder["a.sock"]);
        using var sockets = new ListenSockets(SocketAccess.Default);
        sockets.Bind([endPoint]);
        Assert.Equal(SocketError.ConnectionRefused, Assert.Throws<SocketException>(() => Connect(endPoint)).SocketErrorCode);
        using var others = new ListenSockets(SocketAccess.Default);
        Assert.Equal($"the socket `{endPoint}` is in use by another process", Assert.Throws<IOException>(() => others.Bind([endPoint])).Message);
        using var taken = sockets.Take(new UnixDomainSocketEndPoint(_folder["a.sock"]));
        Connect(endPoint);
        Assert.Equal($"another process is listening on `{endPoint}`", Assert.Throws<IOException>(() => others.Bind([endPoint])).Message);
    }

    [Fact]
    public void Dispose_OfWhatWasNotTaken_LeavesNoSocketBehind()
    {
        using (var sockets = new ListenSockets(SocketAccess.Default))
        {
            sockets.Bind([new UnixDomainSocketEndPoint(_folder["a.sock"])]);
            Assert.True(File.Exists(_folder["a.sock"]));
        }

        Assert.False(File.Exists(_folder["a.sock"]));
        using var again = new ListenSockets(SocketAccess.Default);
        again.Bind([new UnixDomainSocketEndPoint(_folder["a.sock"])]);
    }

    public void Dispose() => _folder.Dispose();

    private static void Connect(EndPoint endPoint)
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Connect(endPoint);
    }
}
