using System.Buffers.Text;
using System.Diagnostics;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using AuthSidecar.ControlPlane.V1;
using Grpc.Net.Client;

namespace Benchmarks.Sync;

/// <summary>
/// Sidecars that follow a control plane for size.sh: each enrols and has a stream and a connection of its own, takes everything in full at first, and acknowledges what it gets.
/// They keep nothing of it: what a sidecar does with it is measured at a whole one.
/// </summary>
internal sealed class Followers(Uri address)
{
    private readonly CancellationTokenSource _ending = new();
    private long _updates;

    public static async Task<int> RunAsync(string tokenFile, int count, string address, int changes, string adminSocket)
    {
        var token = (await File.ReadAllTextAsync(tokenFile)).Trim().Split('.');
        var followers = new Followers(new Uri(address));
        var started = Stopwatch.StartNew();
        var streams = new List<Task>();
        for (var i = 0; i < count; i++)
        {
            var certificate = await followers.EnrolAsync(token, $"follower-{i}");
            streams.Add(followers.FollowAsync(certificate));
        }

        await followers.UntilAsync(count);
        Console.WriteLine($"{count} sidecars had everything {started.Elapsed.TotalSeconds:F0} s after the first of them enrolled.");
        using var admin = GrpcChannel.ForAddress("http://localhost", new GrpcChannelOptions
        {
            HttpHandler = new SocketsHttpHandler
            {
                ConnectCallback = async (_, cancellation) =>
                {
                    var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                    await socket.ConnectAsync(new UnixDomainSocketEndPoint(adminSocket), cancellation);
                    return new NetworkStream(socket, ownsSocket: true);
                },
            },
        });
        var directory = new DirectoryService.DirectoryServiceClient(admin);
        var changing = Stopwatch.StartNew();
        for (var i = 0; i < changes; i++)
        {
            await directory.ChangeMembershipsAsync(new ChangeMembershipsRequest { Entity = $"User::\"u{i}\"", Added = { "Group::\"g7\"" } });
        }

        Console.WriteLine($"{changes} changes of memberships in {changing.Elapsed.TotalSeconds:F1} s.");
        // As long as it takes to be had by all.
        await Task.Delay(TimeSpan.FromSeconds(3));
        await followers._ending.CancelAsync();
        await Task.WhenAll(streams);
        return 0;
    }

    private async Task UntilAsync(int updates)
    {
        while (Interlocked.Read(ref _updates) < updates)
        {
            await Task.Delay(50);
        }
    }

    private async Task<X509Certificate2> EnrolAsync(string[] token, string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var channel = Connect(certificate: null);
        var response = await new EnrolmentService.EnrolmentServiceClient(channel).EnrolAsync(new EnrolRequest
        {
            TokenId = token[1],
            TokenSecret = token[2],
            Name = name,
            CertificateRequest = new CertificateRequest("CN=x", key, HashAlgorithmName.SHA256).CreateSigningRequestPem(),
        });
        using var certificate = X509Certificate2.CreateFromPem(response.Certificate);
        using var withKey = certificate.CopyWithPrivateKey(key);
        return X509CertificateLoader.LoadPkcs12(withKey.Export(X509ContentType.Pkcs12), null, X509KeyStorageFlags.Exportable);
    }

    private async Task FollowAsync(X509Certificate2 certificate)
    {
        try
        {
            using var channel = Connect(certificate);
            using var call = new SyncService.SyncServiceClient(channel).Sync(cancellationToken: _ending.Token);
            await call.RequestStream.WriteAsync(new SyncRequest { Subscribe = new Subscribe { Version = "simulated", Instance = Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(8)) } });
            while (await call.ResponseStream.MoveNext(_ending.Token))
            {
                if (call.ResponseStream.Current.Update is { } update)
                {
                    Interlocked.Increment(ref _updates);
                    foreach (var bundle in update.Bundles.Select(b => Bundle.Parser.ParseFrom(b.Content)))
                    {
                        await call.RequestStream.WriteAsync(new SyncRequest { Ack = new Ack { Type = bundle.Type, Revision = bundle.Revision } });
                    }
                }
            }
        }
        catch (Exception) when (_ending.IsCancellationRequested)
        {
            // The end.
        }
    }

    private GrpcChannel Connect(X509Certificate2? certificate) => GrpcChannel.ForAddress(address, new GrpcChannelOptions
    {
        HttpHandler = new SocketsHttpHandler
        {
            SslOptions = new()
            {
                ClientCertificates = certificate is null ? null : [certificate],
#pragma warning disable CA5359 // Whom it asks is not the question here.
                RemoteCertificateValidationCallback = (_, _, _, _) => true,
#pragma warning restore CA5359
            },
        },
        DisposeHttpClient = true,
        MaxReceiveMessageSize = 16 * 1024 * 1024,
    });
}
