using System.Buffers.Text;
using System.Collections.Concurrent;
using System.Diagnostics;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;
using AuthSidecar.Common;
using AuthSidecar.ControlPlane.V1;
using AuthSidecar.Hosting;
using AuthSidecar.Snapshots;
using AuthSidecar.Sync.Stream;
using AuthSidecar.Tokens;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Issuer = AuthSidecar.ControlPlane.V1.Issuer;

namespace Benchmarks.Sync;

/// <summary>From a revocation to its being enforced: a hundred whole sidecars, all of which have the token in their caches, and one of which has very many others.</summary>
internal sealed class RevocationLoad(string folder, int sidecars, int cached, int port, int httpsPort)
{
    private const string Application = "documents";
    private const string Name = "https://issuer.test";
    private const int Rounds = 20;
    private const int Keys = 11;

    private readonly Certificates _certificates = new(folder);
    private readonly List<Follower> _followers = [];
    private readonly ECDsa[] _keys = [.. Enumerable.Range(0, Keys).Select(_ => ECDsa.Create(ECCurve.NamedCurves.nistP256))];
    private int _tokens;

    public static async Task<int> RunAsync(string folder, int sidecars, int cached, int port, int httpsPort, string controlBinary)
    {
        var load = new RevocationLoad(folder, sidecars, cached, port, httpsPort);
        string[] https = ["--listen-https", $"127.0.0.1:{httpsPort}", "--url", $"https://127.0.0.1:{httpsPort}", "--attempts-per-minute", "0"];
        using var control = new ControlPlaneProcess(controlBinary, folder, port, load._certificates, https);
        await load.MeasureAsync(control);
        return 0;
    }

    private async Task MeasureAsync(ControlPlaneProcess control)
    {
        var issuers = new IssuerService.IssuerServiceClient(control.Admin);
        var revocations = new RevocationService.RevocationServiceClient(control.Admin);
        await new PolicyService.PolicyServiceClient(control.Admin).PublishPoliciesAsync(
            new PublishPoliciesRequest
            {
                Application = Application,
                Create = true,
                Documents = { new Document { Path = "policies/all.cedar", Content = ByteString.CopyFromUtf8("permit (principal, action, resource);") } },
            },
            new CallOptions().WithWaitForReady());
        var revision = (await issuers.WriteIssuerAsync(IssuerWith(0))).Revision;
        for (var i = 0; i < sidecars; i++)
        {
            _followers.Add(await StartAsync($"sidecar-{i}", i == 0 ? 2 * cached : 1_000));
        }

        await Task.WhenAll(_followers.Select(f => f.Snapshots.WaitForAsync(ControlPlaneProcess.RevisionOf(revision), CancellationToken.None)));
        var measured = _followers[0];
        for (var i = 0; i < cached; i++)
        {
            Expect(measured.Validate(Sign(Keys - 1)), TokenRejection.None);
        }

        var kinds = new (string What, Func<string, Revocation> Of)[]
        {
            ("a token (`jti`)", id => new Revocation { Issuer = Name, TokenId = id, ExpiresAt = InAnHour() }),
            ("a session (`sid`)", id => new Revocation { Issuer = Name, SessionId = id, NotBefore = Soon(), ExpiresAt = InAnHour() }),
            ("a subject (`sub`)", id => new Revocation { Issuer = Name, Subject = id, NotBefore = Soon(), ExpiresAt = InAnHour() }),
        };
        Console.WriteLine($"| Revoked, until {sidecars} sidecars refuse it | p50 ms | p99 ms | max ms | of it, the one with {cached} cached tokens: p50, max |");
        Console.WriteLine("| --- | --- | --- | --- | --- |");
        foreach (var (what, of) in kinds)
        {
            await ReportAsync(what, Rounds, async _ =>
            {
                var id = $"id-{_tokens}";
                return (Sign(Keys - 1, id), TokenRejection.Revoked, async () => (await revocations.RevokeAsync(new RevokeRequest { Application = Application, Revocation = of(id) })).Revision);
            });
        }

        // What one of them has cached goes with its key: that is the point.
        await ReportAsync("a key of an issuer, taken from its key set", Keys - 1, round => Task.FromResult<(string, TokenRejection, Func<Task<string>>)>((
            Sign(round), TokenRejection.KeyUnknown, async () => (await issuers.WriteIssuerAsync(IssuerWith(round + 1))).Revision)));

        var client = await RegisterAsync(control);
        var keys = new KeyService.KeyServiceClient(control.Admin);
        await ReportAsync("the control plane's own key, rotated in an emergency", Keys - 1, async _ => (
            await GetTokenAsync(client), TokenRejection.KeyUnknown, async () => (await keys.RotateSigningKeysAsync(new RotateSigningKeysRequest { Revoke = true })).Revision));

        var empty = new List<double>();
        for (var i = 0; i < 200; i++)
        {
            var started = Stopwatch.GetTimestamp();
            await keys.ListSigningKeysAsync(new ListSigningKeysRequest());
            empty.Add(Stopwatch.GetElapsedTime(started).TotalMilliseconds);
        }

        Console.WriteLine();
        Console.WriteLine($"Beside it, a call to the control plane that does nothing: p50 {Percentiles.Of(empty, 0.5):F1} ms, p99 {Percentiles.Of(empty, 0.99):F1} ms.");
        foreach (var follower in _followers)
        {
            await follower.App.DisposeAsync();
        }
    }

    /// <summary>Makes a token that every sidecar accepts, revokes it, and looks when each refuses it.</summary>
    private async Task ReportAsync(string what, int rounds, Func<int, Task<(string Token, TokenRejection Then, Func<Task<string>> Revoke)>> prepare)
    {
        var (all, measured) = (new ConcurrentBag<double>(), new List<double>());
        for (var round = 0; round < rounds; round++)
        {
            var (token, then, revoke) = await prepare(round);
            foreach (var follower in _followers)
            {
                await AcceptedAsync(follower, token);
                Expect(follower.Validate(token), TokenRejection.None);
            }

            var started = Stopwatch.GetTimestamp();
            var revision = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
            var refused = _followers.Select(async (follower, i) =>
            {
                await follower.Snapshots.WaitForAsync(ControlPlaneProcess.RevisionOf(await revision.Task), CancellationToken.None);
                Expect(follower.Validate(token), then);
                var took = Stopwatch.GetElapsedTime(started).TotalMilliseconds;
                all.Add(took);
                if (i == 0)
                {
                    measured.Add(took);
                }
            }).ToList();
            revision.SetResult(await revoke());
            await Task.WhenAll(refused);
        }

        Console.WriteLine($"| {what} | {Percentiles.Of(all, 0.5):F1} | {Percentiles.Of(all, 0.99):F1} | {all.Max():F1} | {Percentiles.Of(measured, 0.5):F1}, {measured.Max():F1} |");
    }

    /// <summary>Until the keys of a token that was signed a moment ago are there.</summary>
    private static async Task AcceptedAsync(Follower follower, string token)
    {
        for (var i = 0; i < 1_000 && follower.Validate(token) != TokenRejection.None; i++)
        {
            await Task.Delay(5);
        }
    }

    private async Task<Follower> StartAsync(string name, int cacheSize)
    {
        var state = Path.Combine(folder, name);
        Directory.CreateDirectory(state);
        using var certificate = _certificates.ForSidecar(name);
        await File.WriteAllTextAsync(Path.Combine(state, "own.pem"), certificate.ExportCertificatePem());
        await File.WriteAllTextAsync(Path.Combine(state, "own.key"), certificate.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem());
        var app = SidecarHost.Build(new ServeOptions
        {
            ControlPlane = new ControlPlaneOptions
            {
                Addresses = [new Uri($"https://127.0.0.1:{port}")],
                Placement = new AuthSidecar.Sync.Stream.Placement(Application, ""),
                Certificate = Path.Combine(state, "own.pem"),
                CertificateKey = Path.Combine(state, "own.key"),
                Ca = _certificates.In("ca.pem"),
                PinnedKeys = Path.Combine(folder, "control", "bundle-keys.json"),
            },
            MaxStaleness = MaxStaleness.Default,
            TokenCacheSize = cacheSize,
            State = state,
            Socket = Path.Combine(state, "s.sock"),
            Log = LogFormat.None,
        });
        await app.StartAsync();
        return new Follower(app, app.Services.GetRequiredService<SnapshotCache>(), app.Services.GetRequiredService<TokenValidator>());
    }

    private WriteIssuerRequest IssuerWith(int firstKey) => new()
    {
        Application = Application,
        Issuer = new Issuer { Issuer_ = Name, Audiences = { Application } },
        Jwks = $$"""{"keys": [{{string.Join(',', Enumerable.Range(firstKey, Keys - firstKey).Select(i => Jwk(_keys[i], $"key-{i}")))}}]}""",
    };

    private static string Jwk(ECDsa key, string id)
    {
        var point = key.ExportParameters(includePrivateParameters: false).Q;
        return $$"""{"kty": "EC", "crv": "P-256", "kid": "{{id}}", "use": "sig", "alg": "ES256", "x": "{{Base64Url.EncodeToString(point.X)}}", "y": "{{Base64Url.EncodeToString(point.Y)}}"}""";
    }

    /// <summary>A token of its own session and subject.</summary>
    private string Sign(int key, string? id = null)
    {
        id ??= $"other-{_tokens}";
        _tokens++;
        var now = TimeProvider.System.GetUtcNow().ToUnixTimeSeconds();
        return Sign(_keys[key], $$"""{"alg":"ES256","typ":"at+jwt","kid":"key-{{key}}"}""", $$"""{"iss":"{{Name}}","sub":"{{id}}","sid":"{{id}}","jti":"{{id}}","aud":"{{Application}}","iat":{{now}},"exp":{{now + 3600}},"client_id":"web"}""");
    }

    private static string Sign(ECDsa key, string header, string payload)
    {
        var signed = $"{Base64Url.EncodeToString(Encoding.UTF8.GetBytes(header))}.{Base64Url.EncodeToString(Encoding.UTF8.GetBytes(payload))}";
        return $"{signed}.{Base64Url.EncodeToString(key.SignData(Encoding.ASCII.GetBytes(signed), HashAlgorithmName.SHA256))}";
    }

    /// <summary>A client that gets tokens of the control plane for itself.</summary>
    private async Task<HttpClient> RegisterAsync(ControlPlaneProcess control)
    {
        await new ClientService.ClientServiceClient(control.Admin).WriteClientAsync(new WriteClientRequest
        {
            Client = new Client { Id = "job", Application = Application, GrantTypes = { GrantType.ClientCredentials }, Jwks = $$"""{"keys": [{{Jwk(_keys[0], "own")}}]}""" },
        });
        return new HttpClient(_certificates.Handler(null)) { BaseAddress = new Uri($"https://127.0.0.1:{httpsPort}") };
    }

    private async Task<string> GetTokenAsync(HttpClient http)
    {
        var now = TimeProvider.System.GetUtcNow().ToUnixTimeSeconds();
        var assertion = Sign(_keys[0], """{"alg":"ES256","typ":"JWT","kid":"own"}""", $$"""{"iss":"job","sub":"job","aud":"{{http.BaseAddress}}","iat":{{now}},"exp":{{now + 60}},"jti":"{{Guid.NewGuid():N}}"}""");
        using var response = await http.PostAsync("oauth2/token", new FormUrlEncodedContent(
        [
            new("grant_type", "client_credentials"), new("client_id", "job"), new("client_assertion", assertion), new("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ]));
        return (string?)JsonNode.Parse(await response.Content.ReadAsStringAsync())?["access_token"] ?? throw new InvalidOperationException($"no token: {await response.Content.ReadAsStringAsync()}");
    }

    private static Timestamp Soon() => Timestamp.FromDateTimeOffset(TimeProvider.System.GetUtcNow().AddSeconds(2));

    private static Timestamp InAnHour() => Timestamp.FromDateTimeOffset(TimeProvider.System.GetUtcNow().AddHours(1));

    private static void Expect(TokenRejection error, TokenRejection expected)
    {
        if (error != expected)
        {
            throw new InvalidOperationException($"expected {expected}, got {error}");
        }
    }

    private sealed record Follower(WebApplication App, SnapshotCache Snapshots, TokenValidator Validator)
    {
        public TokenRejection Validate(string token) =>
            Validator.Validate(new PresentedToken { Token = new Secret(token) }, Snapshots.Current!.Issuers.Value, Snapshots.Current!.Revocations.Value, TimeProvider.System.GetUtcNow()).Error;
    }
}
