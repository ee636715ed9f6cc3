using System.Diagnostics;
using System.Net.Sockets;
using Grpc.Net.Client;

namespace Benchmarks.Sync;

/// <summary>The control plane, as it is run, on SQLite.</summary>
internal sealed class ControlPlaneProcess : IDisposable
{
    /// <summary>A revision as a write answers it.</summary>
    public static Revision RevisionOf(string text) => Revision.TryParse(text, out var revision) ? revision : throw new FormatException($"`{text}`: {Revision.Form}");

    private readonly Process _process;
    private readonly string _socket;

    public ControlPlaneProcess(string binary, string folder, int port, Certificates certificates, params string[] more)
    {
        _socket = Path.Combine(folder, "admin.sock");
        // Its log goes nowhere: what is printed here is the report.
        _process = Process.Start("/bin/sh",
        [
            "-c", "exec \"$0\" \"$@\" >/dev/null", binary,
            "serve", "--state", Path.Combine(folder, "control"), "--admin-socket", _socket, "--listen", $"127.0.0.1:{port}",
            "--certificate", certificates.In("control.pem"), "--certificate-key", certificates.In("control.key"), "--client-ca", certificates.In("ca.pem"), .. more,
        ]);
        Admin = GrpcChannel.ForAddress("http://localhost", new GrpcChannelOptions { HttpHandler = new SocketsHttpHandler { ConnectCallback = ConnectAsync } });
    }

    public int Id => _process.Id;

    /// <summary>To its socket for administration.</summary>
    public GrpcChannel Admin { get; }

    public void Dispose()
    {
        Admin.Dispose();
        _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
    }

    private async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellation)
    {
        while (true)
        {
            var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            try
            {
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(_socket), cancellation);
                return new NetworkStream(socket, ownsSocket: true);
            }
            catch (SocketException)
            {
                // It is not up yet.
                socket.Dispose();
                await Task.Delay(100, cancellation);
            }
        }
    }
}
