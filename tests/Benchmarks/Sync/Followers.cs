using System.Buffers.Text;
using System.Diagnostics;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using AuthSidecar.ControlPlane.V1;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;

namespace Benchmarks.Sync;

/// <summary>
/// Sidecars that follow a control plane, for size.sh and sync.sh: each enrols and has a stream and a connection of its own, takes everything in full at first, and acknowledges what it gets.
/// They keep nothing of it: what a sidecar does with it is measured at a whole one.
/// </summary>
internal sealed class Followers(Uri address)
{
    private static readonly TimeSpan Window = TimeSpan.FromSeconds(20);

    private readonly CancellationTokenSource _ending = new();
    private long _updates;
    private long _heartbeats;

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
        var directory = new EntityService.EntityServiceClient(admin);
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

    /// <summary>A rollout: as many enrol at once, each asking twice as after a lost answer, as have quiet streams.</summary>
    /// <param name="folder">An empty folder.</param>
    /// <param name="count">How many.</param>
    /// <param name="port">The control plane's.</param>
    /// <param name="controlBinary">The control plane.</param>
    public static async Task<int> RunEnrolmentsAsync(string folder, int count, int port, string controlBinary)
    {
        using var control = new ControlPlaneProcess(controlBinary, folder, port, new Certificates(folder));
        var (fleet, policies) = (new SidecarService.SidecarServiceClient(control.Admin), new PolicyService.PolicyServiceClient(control.Admin));
        await policies.PublishPoliciesAsync(
            new PublishPoliciesRequest { Application = "documents", Create = true, Documents = { new Document { Path = "policies/all.cedar", Content = ByteString.CopyFromUtf8("permit (principal, action, resource);") } } },
            new CallOptions().WithWaitForReady());
        var followers = new Followers(new Uri($"https://127.0.0.1:{port}"));
        var token = await NewTokenAsync();
        var streams = new List<Task>();
        for (var i = 0; i < count; i++)
        {
            streams.Add(followers.FollowAsync(await followers.EnrolAsync(token, $"quiet-{i}")));
        }

        await followers.UntilAsync(count);
        await Task.Delay(Window);
        var quiet = await followers.MessagesASecondAsync(Task.Delay(Window));

        token = await NewTokenAsync();
        using var channel = followers.Connect(certificate: null);
        var client = new EnrolmentService.EnrolmentServiceClient(channel);
        var requests = Enumerable.Range(0, count).Select(i =>
        {
            using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            return RequestFor(token, $"pod-{i}", key);
        }).ToList();
        var started = Stopwatch.StartNew();
        var took = TimeSpan.Zero;
        string[] certificates = [];
        var enrolling = await followers.MessagesASecondAsync(Task.WhenAll(Task.Delay(Window), EnrolAllAsync()));
        var left = (await fleet.ListJoinTokensAsync(new ListJoinTokensRequest())).Tokens.Single(t => t.Id == token[1]).UsesLeft;
        Console.WriteLine("| | |");
        Console.WriteLine("| --- | --- |");
        Console.WriteLine($"| heartbeats a second to {count} quiet streams | {quiet:F0} |");
        Console.WriteLine($"| the same while {count} others enrol at once, each asking twice | {enrolling:F0} |");
        Console.WriteLine($"| the others had their certificates after | {took.TotalSeconds:F1} s |");
        Console.WriteLine($"| certificates issued, uses of the join token spent | {certificates.Distinct(StringComparer.Ordinal).Count()}, {count - left} |");
        await followers._ending.CancelAsync();
        await Task.WhenAll(streams);
        return 0;

        async Task<string[]> NewTokenAsync() => (await fleet.CreateJoinTokenAsync(new CreateJoinTokenRequest { Application = "documents", Uses = count })).Token.Split('.');

        async Task EnrolAllAsync()
        {
            certificates = await Task.WhenAll(requests.Concat(requests).Select(async r => (await client.EnrolAsync(r)).Certificate));
            took = started.Elapsed;
        }
    }

    private async Task<double> MessagesASecondAsync(Task during)
    {
        var (before, started) = (Interlocked.Read(ref _heartbeats), Stopwatch.StartNew());
        await during;
        return (Interlocked.Read(ref _heartbeats) - before) / started.Elapsed.TotalSeconds;
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
        var response = await new EnrolmentService.EnrolmentServiceClient(channel).EnrolAsync(RequestFor(token, name, key));
        using var certificate = X509Certificate2.CreateFromPem(response.Certificate);
        using var withKey = certificate.CopyWithPrivateKey(key);
        return X509CertificateLoader.LoadPkcs12(withKey.Export(X509ContentType.Pkcs12), null, X509KeyStorageFlags.Exportable);
    }

    private static EnrolRequest RequestFor(string[] token, string name, ECDsa key) => new()
    {
        TokenId = token[1],
        TokenSecret = token[2],
        Name = name,
        CertificateRequest = new CertificateRequest("CN=x", key, HashAlgorithmName.SHA256).CreateSigningRequestPem(),
    };

    private async Task FollowAsync(X509Certificate2 certificate)
    {
        try
        {
            using var channel = Connect(certificate);
            using var call = new SyncService.SyncServiceClient(channel).Sync(cancellationToken: _ending.Token);
            await call.RequestStream.WriteAsync(new SyncRequest { Subscribe = new Subscribe { Version = "simulated", Instance = Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(8)) } });
            while (await call.ResponseStream.MoveNext(_ending.Token))
            {
                if (call.ResponseStream.Current.Heartbeat is not null)
                {
                    Interlocked.Increment(ref _heartbeats);
                }

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
