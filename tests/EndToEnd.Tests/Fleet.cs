using System.Buffers.Text;
using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using AuthSidecar.ControlPlane.V1;
using AuthSidecar.V1;
using Grpc.Core;
using Grpc.Net.Client;

namespace EndToEnd.Tests;

/// <summary>A control plane and sidecars of the application `documents`: the binaries, real sockets, real certificates.</summary>
internal sealed class Fleet : IAsyncDisposable
{
    private static int _lastPort = 20_000 + (Environment.ProcessId % 100 * 100);

    private readonly string _folder = Directory.CreateTempSubdirectory("fleet").FullName;
    private readonly List<Node> _nodes = [];
    private readonly Dictionary<string, Process> _sidecars = [];
    private readonly Dictionary<string, ConcurrentQueue<string>> _sidecarOutput = [];
    private readonly List<GrpcChannel> _channels = [];
    private readonly X509Certificate2 _ca;
    private readonly bool _ownCa;
    private readonly string? _database;

    private readonly bool _https;
    private readonly BundleService.BundleServiceClient _bundles;
    private readonly Grpc.Health.V1.Health.HealthClient _health;
    private readonly IReadOnlyDictionary<string, string>? _environment;

    private Fleet(bool ownCa, string? database, int nodes, bool https, IReadOnlyDictionary<string, string>? environment)
    {
        (_ownCa, _database, _https, _environment) = (ownCa, database, https, environment);
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=fleet", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, false, 0, critical: true));
        _ca = request.CreateSelfSigned(DateTimeOffset.UnixEpoch.AddYears(50), DateTimeOffset.UnixEpoch.AddYears(99));
        File.WriteAllText(In("ca.pem"), _ca.ExportCertificatePem());
        Certify("control", names => names.AddIpAddress(IPAddress.Loopback), "1.3.6.1.5.5.7.3.1");
        for (var i = 0; i < nodes; i++)
        {
            var name = i == 0 ? "control" : $"control{i}";
            _nodes.Add(new Node(name, FreePort(), FreePort(), FreePort(), new EntityService.EntityServiceClient(Connect(In($"{name}.sock")))));
        }

        Addresses = [.. _nodes.Select(n => $"https://127.0.0.1:{n.Port}")];
        var admin = Connect(In("control.sock"));
        Policies = new PolicyService.PolicyServiceClient(admin);
        _bundles = new BundleService.BundleServiceClient(admin);
        Directories = new EntityService.EntityServiceClient(admin);
        Issuers = new IssuerService.IssuerServiceClient(admin);
        Revocations = new RevocationService.RevocationServiceClient(admin);
        Factors = new FactorService.FactorServiceClient(admin);
        Risks = new RiskService.RiskServiceClient(admin);
        Sidecars = new SidecarService.SidecarServiceClient(admin);
        Histories = new HistoryService.HistoryServiceClient(admin);
        Accounts = new AccountService.AccountServiceClient(admin);
        Clients = new ClientService.ClientServiceClient(admin);
        IdentityProviders = new IdentityProviderService.IdentityProviderServiceClient(admin);
        Keys = new KeyService.KeyServiceClient(admin);
        Audit = new AuditService.AuditServiceClient(admin);
        _health = new Grpc.Health.V1.Health.HealthClient(admin);
    }

    /// <summary>What the first node says of itself (`grpc.health.v1`).</summary>
    public async Task<Grpc.Health.V1.HealthCheckResponse.Types.ServingStatus> HealthAsync() =>
        (await _health.CheckAsync(new Grpc.Health.V1.HealthCheckRequest(), cancellationToken: TestContext.Current.CancellationToken)).Status;

    public PolicyService.PolicyServiceClient Policies { get; }

    public EntityService.EntityServiceClient Directories { get; }

    public IssuerService.IssuerServiceClient Issuers { get; }

    public RevocationService.RevocationServiceClient Revocations { get; }

    public FactorService.FactorServiceClient Factors { get; }

    public RiskService.RiskServiceClient Risks { get; }

    public SidecarService.SidecarServiceClient Sidecars { get; }

    public HistoryService.HistoryServiceClient Histories { get; }

    public AccountService.AccountServiceClient Accounts { get; }

    public ClientService.ClientServiceClient Clients { get; }

    public IdentityProviderService.IdentityProviderServiceClient IdentityProviders { get; }

    public KeyService.KeyServiceClient Keys { get; }

    public AuditService.AuditServiceClient Audit { get; }

    /// <summary>Where sidecars find the control plane; a test may lead them there another way.</summary>
    public IReadOnlyList<string> Addresses { get; set; }

    /// <summary>What sidecars that are started from now on are told besides.</summary>
    public IReadOnlyList<string> SidecarArguments { get; set; } = [];

    /// <summary>How long a file may be that a sidecar writes that is started from now on, in KiB: its disk is full.</summary>
    public int? SidecarDiskKiB { get; set; }

    /// <summary>What sidecars that are started from now on have in their environment besides.</summary>
    public IReadOnlyDictionary<string, string>? SidecarEnvironment { get; set; }

    public int Port => _nodes[0].Port;

    /// <summary>Where administrators reach a node.</summary>
    public Uri UrlOf(int node = 0) => new($"https://127.0.0.1:{_nodes[node].HttpsPort}");

    /// <summary>The CA of the nodes' certificates, in PEM.</summary>
    public string CaFile => _ownCa ? In("control/ca.pem") : In("ca.pem");

    /// <summary>A caller of a node's side for administrators and people, who trusts its CA.</summary>
    /// <param name="node">The node.</param>
    /// <param name="certificate">What they connect with, where that is to be; null: where nobody has a certificate.</param>
    public HttpClient CreateHttp(int node = 0, X509Certificate2? certificate = null)
    {
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        policy.CustomTrustStore.ImportFromPemFile(CaFile);
        var tls = new SslClientAuthenticationOptions { CertificateChainPolicy = policy, ClientCertificates = certificate is null ? null : [certificate] };
        return new HttpClient(new SocketsHttpHandler { SslOptions = tls, AllowAutoRedirect = false, UseCookies = false })
        {
            BaseAddress = certificate is null ? UrlOf(node) : new Uri($"https://127.0.0.1:{_nodes[node].CertificatesPort}"),
        };
    }

    /// <param name="ownCa">Whether the control plane's own CA certifies it and its sidecars.</param>
    /// <param name="database">The database; null: SQLite.</param>
    /// <param name="nodes">How many nodes of the control plane there are.</param>
    /// <param name="https">Whether administrators reach them over the network.</param>
    /// <param name="environment">What nodes have in their environment besides.</param>
    public static async Task<Fleet> StartAsync(bool ownCa = false, string? database = null, int nodes = 1, bool https = false, IReadOnlyDictionary<string, string>? environment = null)
    {
        var fleet = new Fleet(ownCa, database, nodes, https, environment);
        try
        {
            for (var i = 0; i < nodes; i++)
            {
                await fleet.StartControlPlaneAsync(i);
            }

            return fleet;
        }
        catch
        {
            // Whoever asked for it gets none, and so cannot end what was started.
            await fleet.DisposeAsync();
            throw;
        }
    }

    /// <summary>A node's side for administrators.</summary>
    public EntityService.EntityServiceClient EntityServiceAt(int node) => _nodes[node].Directory;

    /// <param name="node">The node.</param>
    /// <param name="arguments">What it is told besides, this once.</param>
    public async Task StartControlPlaneAsync(int node = 0, params string[] arguments)
    {
        var started = _nodes[node];
        string[] certificates = _ownCa ? ["--name", "127.0.0.1"] : ["--certificate", In("control.pem"), "--certificate-key", In("control.key"), "--client-ca", In("ca.pem")];
        string[] shared = _database is null ? [] : ["--database", _database, "--key-vault", $"file:{In("master.key")}"];
        // One issuer, whichever node is reached.
        string[] network = _https ? ["--listen-https", $"127.0.0.1:{started.HttpsPort}", "--url", UrlOf().ToString(), "--listen-certificates", $"127.0.0.1:{started.CertificatesPort}", "--certificates-url", $"https://127.0.0.1:{started.CertificatesPort}"] : [];
        if (_database is not null && !File.Exists(In("master.key")))
        {
            await File.WriteAllTextAsync(In("master.key"), Convert.ToBase64String(RandomNumberGenerator.GetBytes(32)));
        }

        started.Process = Start(
            Binary.ControlPlane,
            ["serve", "--state", In(started.Name), "--admin-socket", In($"{started.Name}.sock"), "--listen", $"127.0.0.1:{started.Port}", .. shared, .. certificates, .. network, .. arguments],
            started.Output.Enqueue,
            _environment);
        await UntilAsync(async () =>
        {
            Assert.False(started.Process.HasExited, $"the control plane ended: {string.Join('\n', started.Output)}");
            try
            {
                return await started.Directory.GetEntityAsync(new GetEntityRequest { Entity = "Nobody::\"0\"" }) is null;
            }
            catch (RpcException e) when (e.StatusCode == StatusCode.NotFound)
            {
                return true;
            }
        });
    }

    /// <summary>Makes an application of which nothing is written yet but that there is one.</summary>
    public async Task CreateApplicationAsync(string name = "documents")
    {
        using var call = _bundles.ImportBundle();
        await call.RequestStream.WriteAsync(new ImportBundleRequest { Header = new ImportBundleHeader { Application = name, Create = true } });
        foreach (var (path, content) in new[] { ("bundle.json", """{"version": 1, "contents": ["risk.json"]}"""), ("risk.json", "{}") })
        {
            await call.RequestStream.WriteAsync(new ImportBundleRequest { Part = new BundlePart { Path = path, Content = Google.Protobuf.ByteString.CopyFromUtf8(content) } });
        }

        await call.RequestStream.CompleteAsync();
        await call;
    }

    /// <summary>What a node has printed so far.</summary>
    public IReadOnlyCollection<string> OutputOf(int node = 0) => [.. _nodes[node].Output.Select(Unescape)];

    /// <summary>What a sidecar has printed since it was last started.</summary>
    public IReadOnlyCollection<string> OutputOf(string sidecar) => [.. _sidecarOutput[sidecar].Select(Unescape)];

    /// <summary>Whether a node has ended by itself.</summary>
    public bool HasEnded(int node = 0) => _nodes[node].Process!.HasExited;

    public void KillControlPlane(int node = 0)
    {
        _nodes[node].Process!.Kill();
        _nodes[node].Process!.WaitForExit();
    }

    /// <summary>Kills (-9) a sidecar; it can be started again with what it has on disk.</summary>
    public void KillSidecar(string name)
    {
        _sidecars[name].Kill();
        _sidecars[name].WaitForExit();
    }

    public async Task<AuthSidecarService.AuthSidecarServiceClient> StartSidecarAsync(string name, string application = "documents")
    {
        StartSidecar(name, application);
        var client = ClientOf(name);
        await UntilAsync(async () => await client.CheckPermissionAsync(Check("User", "nobody")) is not null);
        return client;
    }

    public AuthSidecarService.AuthSidecarServiceClient ClientOf(string name) => new(Connect(In($"{name}.sock")));

    /// <summary>Starts a sidecar, whether there is anything for it to follow or not.</summary>
    public void StartSidecar(string name, string application = "documents") => StartSidecar(name, application, In("control/bundle-keys.json"));

    /// <summary>Starts a sidecar that was given the key of some other control plane.</summary>
    public void StartSidecarOfOthers(string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var point = key.ExportParameters(includePrivateParameters: false).Q;
        File.WriteAllText(
            In("other-keys.json"),
            $$"""{"keys": [{"kty": "EC", "crv": "P-256", "kid": "other", "alg": "ES256", "x": "{{Base64Url.EncodeToString(point.X)}}", "y": "{{Base64Url.EncodeToString(point.Y)}}"}]}""");
        StartSidecar(name, "documents", In("other-keys.json"));
    }

    /// <summary>Starts a sidecar that has a join token and nothing else.</summary>
    public async Task<AuthSidecarService.AuthSidecarServiceClient> JoinAsync(string name, string token, string application = "documents")
    {
        StartJoining(name, token, application);
        var client = ClientOf(name);
        await UntilAsync(async () => await client.CheckPermissionAsync(Check("User", "nobody")) is not null);
        return client;
    }

    /// <summary>A sidecar that decides from a folder, and has nothing to do with the control plane but what the folder says.</summary>
    public AuthSidecarService.AuthSidecarServiceClient StartOnFolder(string name, string folder, params string[] arguments)
    {
        _sidecars[name] = Start(Binary.Sidecar, ["serve", "--bundle", folder, "--state", In($"{name}.state"), "--socket", In($"{name}.sock"), "--listen", "none", .. arguments]);
        return ClientOf(name);
    }

    /// <param name="name">What the test calls it.</param>
    /// <param name="token">The join token.</param>
    /// <param name="application">The application.</param>
    /// <param name="calledAs">What it calls itself; null: the same.</param>
    public Process StartJoining(string name, string token, string application = "documents", string? calledAs = null)
    {
        File.WriteAllText(In($"{name}.token"), token);
        var process = StartSidecarProcess(name, application, "--join-token", In($"{name}.token"), "--name", calledAs ?? name);
        return process;
    }

    /// <summary>Starts a sidecar as a pod that its cluster vouches for.</summary>
    public Process StartPod(string name, string token)
    {
        File.WriteAllText(In($"{name}.token"), token);
        return StartSidecarProcess(name, "documents", "--join-kubernetes", In($"{name}.token"), "--ca", CaFile, "--name", name);
    }

    /// <summary>Starts a sidecar whose files an operator provides.</summary>
    public void StartSidecar(string name, string application, string pinnedKeys)
    {
        Certify(name, names => names.AddUri(new Uri($"spiffe://fleet.example/application/{application}/sidecar/{name}")), "1.3.6.1.5.5.7.3.2");
        StartSidecarProcess(name, application, "--certificate", In($"{name}.pem"), "--certificate-key", In($"{name}.key"), "--ca", In("ca.pem"), "--pinned-keys", pinnedKeys);
    }

    private Process StartSidecarProcess(string name, string application, params string[] identity)
    {
        string[] arguments =
        [
            Binary.Sidecar, "serve", .. Addresses.SelectMany(a => new[] { "--control-plane", a }), "--application", application, .. identity,
            "--state", In(name), "--socket", In($"{name}.sock"), "--listen", "none", .. SidecarArguments,
        ];
        var output = _sidecarOutput[name] = new ConcurrentQueue<string>();
        // A file that grows too long is an error, and not the end of the process; what the runtime maps for itself is a file, too, unless it is told not to.
        var process = SidecarDiskKiB is { } limit ? Start("bash", ["-c", $"trap '' XFSZ; ulimit -f {limit}; export DOTNET_EnableWriteXorExecute=0; exec \"$@\"", "bash", .. arguments], output.Enqueue) : Start(arguments[0], arguments[1..], output.Enqueue, SidecarEnvironment);
        _sidecars[name] = process;
        return process;
    }

    public static CheckPermissionRequest Check(string type, string principal, string atLeastRevision = "") => new()
    {
        Principal = new EntityUid { Type = type, Id = principal },
        Action = new EntityUid { Id = "read" },
        Resource = new Entity { Uid = new EntityUid { Type = "Document", Id = "plan" } },
        AtLeastRevision = atLeastRevision,
    };

    /// <summary>Tries until it is so: what travels takes its time.</summary>
    public static async Task UntilAsync(Func<Task<bool>> isSo)
    {
        var started = Stopwatch.StartNew();
        while (true)
        {
            try
            {
                if (await isSo())
                {
                    return;
                }
            }
            catch (RpcException) when (started.Elapsed < Binary.Patience)
            {
            }

            Assert.True(started.Elapsed < Binary.Patience, "it did not come to be so");
            await Task.Delay(50, TestContext.Current.CancellationToken);
        }
    }

    /// <summary>Waits until a bundle counts on a sidecar's disk: once the index has it, which is written after it.</summary>
    public Task UntilKeptAsync(string sidecar, string bundle) => UntilAsync(() =>
    {
        var (file, index) = (new FileInfo(In($"{sidecar}/last-known-good/{bundle}")), new FileInfo(In($"{sidecar}/last-known-good/index")));
        return Task.FromResult(file.Exists && index.Exists && index.LastWriteTimeUtc >= file.LastWriteTimeUtc);
    });

    public async ValueTask DisposeAsync()
    {
        _channels.ForEach(c => c.Dispose());
        foreach (var process in _sidecars.Values.Concat(_nodes.Select(n => n.Process).OfType<Process>()))
        {
            process.Kill(entireProcessTree: true);
            await process.WaitForExitAsync();
            process.Dispose();
        }

        _ca.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    public string In(string name) => Path.Combine(_folder, name);

    /// <summary>JSON writes the quotes of our messages as numbers.</summary>
    private static string Unescape(string line) => line.Replace("\\u0060", "`", StringComparison.Ordinal);

    private GrpcChannel Connect(string socket)
    {
        var channel = GrpcChannel.ForAddress("http://localhost", new GrpcChannelOptions
        {
            HttpHandler = new SocketsHttpHandler
            {
                ConnectCallback = async (_, cancellation) =>
                {
                    var connection = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                    await connection.ConnectAsync(new UnixDomainSocketEndPoint(socket), cancellation);
                    return new NetworkStream(connection, ownsSocket: true);
                },
            },
        });
        _channels.Add(channel);
        return channel;
    }

    private void Certify(string name, Action<SubjectAlternativeNameBuilder> addNames, string usage)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        addNames(names);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(usage)], critical: false));
        using var certificate = request.Create(_ca, _ca.NotBefore, _ca.NotAfter, RandomNumberGenerator.GetBytes(8));
        File.WriteAllText(In($"{name}.pem"), certificate.ExportCertificatePem());
        File.WriteAllText(In($"{name}.key"), key.ExportPkcs8PrivateKeyPem());
    }

    private static Process Start(string file, string[] arguments, Action<string>? read = null, IReadOnlyDictionary<string, string>? environment = null)
    {
        var process = Binary.Start(file, arguments, environment);
        // Nobody reads along: a full pipe would stop it.
        process.OutputDataReceived += (_, line) => Note(line.Data);
        process.ErrorDataReceived += (_, line) => Note(line.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        return process;

        void Note(string? line)
        {
            if (line is not null)
            {
                read?.Invoke(line);
                TestContext.Current.TestOutputHelper?.WriteLine($"{Path.GetFileName(file)}: {line}");
            }
        }
    }

    /// <summary>A port that nobody listens at, and that the system gives to nobody who connects: those it takes for that are higher.</summary>
    public static int FreePort()
    {
        while (true)
        {
            var port = Interlocked.Increment(ref _lastPort);
            try
            {
                using var listener = new TcpListener(IPAddress.Loopback, port);
                listener.Start();
                return port;
            }
            catch (SocketException)
            {
            }
        }
    }

    private sealed record Node(string Name, int Port, int HttpsPort, int CertificatesPort, EntityService.EntityServiceClient Directory)
    {
        public Process? Process { get; set; }

        /// <summary>What it printed.</summary>
        public ConcurrentQueue<string> Output { get; } = [];
    }
}
