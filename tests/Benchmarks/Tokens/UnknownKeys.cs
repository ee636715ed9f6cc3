using System.Buffers.Text;
using System.Diagnostics;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using AuthSidecar.Cli;
using AuthSidecar.Common;
using AuthSidecar.Hosting;
using AuthSidecar.Issuers;
using AuthSidecar.Snapshots;
using AuthSidecar.Tokens;
using Benchmarks.Sync;
using Wire = AuthSidecar.V1;

namespace Benchmarks.Tokens;

/// <summary>A million tokens with random key ids, beside a caller whose tokens are good: what the issuer notices of them, and what the caller does.</summary>
internal sealed class UnknownKeys(string folder)
{
    private const string Issuer = "https://issuer.test";
    private const int Good = 2_000;
    private const int Bad = 100_000;
    private const int Rounds = 10;
    private const int Paced = 2_000;
    private static readonly TimeSpan Round = TimeSpan.FromSeconds(1);

    private readonly RSA _key = RSA.Create(2048);
    private readonly Certificates _certificates = new(folder);
    private int _fetches;

    public static Task<int> RunAsync(string folder) => new UnknownKeys(folder).MeasureAsync();

    private async Task<int> MeasureAsync()
    {
        await using var server = BuildServer();
        await server.StartAsync();
        await using var app = BuildSidecar($"{server.Urls.Single()}/keys");
        await app.StartAsync();
        var snapshots = app.Services.GetRequiredService<SnapshotCache>();
        await snapshots.WaitForAsync(new Revision(default, 1), CancellationToken.None);
        while (!snapshots.Current!.Issuers.Value.Find(Issuer)!.Keys.All.Any(k => k.KeyId == "key-1"))
        {
            await Task.Delay(10);
        }

        var (good, bad) = (Enumerable.Range(0, Good).Select(i => Sign("key-1", $"user-{i}")).ToArray(), Enumerable.Range(0, Bad).Select(_ => Forge()).ToArray());
        var (validator, cache) = (app.Services.GetRequiredService<TokenValidator>(), app.Services.GetRequiredService<VerifiedTokenCache>());
        var goodRequests = good.Select(t => new PresentedToken { Token = new Secret(t) }).ToArray();
        var badRequests = bad.Select(t => new PresentedToken { Token = new Secret(t) }).ToArray();
        Console.WriteLine("| A validation of a good token, in process | p50 ns | p99 ns | p99.9 ns |");
        Console.WriteLine("| --- | --- | --- | --- |");
        var (alone, neighbour, attacked) = InProcess(validator, snapshots, goodRequests, badRequests);
        Report("alone", alone, 1);
        Report("beside good ones on the other core", neighbour, 1);
        Report($"beside {Rounds * Bad} with random key ids on the other core", attacked, 1);
        Console.WriteLine();
        Console.WriteLine($"p99 with random key ids beside it: {Percentile(attacked, 0.99) / Percentile(alone, 0.99):F2} of alone, {Percentile(attacked, 0.99) / Percentile(neighbour, 0.99):F2} of with good ones. The clock has steps of 10 ns.");
        Console.WriteLine();

        using var channel = SidecarClient.Connect($"unix:{Path.Combine(folder, "s.sock")}");
        var client = new Wire.AuthSidecarService.AuthSidecarServiceClient(channel);
        Console.WriteLine("| ValidateToken with a good token, over gRPC | p50 us | p99 us | p99.9 us |");
        Console.WriteLine("| --- | --- | --- | --- |");
        var (beside, besideBad) = (new long[1_000_000], new long[1_000_000]);
        await OverGrpcAsync(client, good, good, new long[1_000_000]);
        for (var i = 0; i < Rounds; i++)
        {
            await OverGrpcAsync(client, good, good, beside);
            await OverGrpcAsync(client, good, bad, besideBad);
        }

        Report($"beside another caller with {Paced} good ones a second", beside, 1_000);
        Report("beside another caller with as many of random key ids", besideBad, 1_000);
        Console.WriteLine();
        Console.WriteLine($"p99 with random key ids beside it: {Percentile(besideBad, 0.99) / Percentile(beside, 0.99):F2} of with good ones.");
        Console.WriteLine();
        var forgotten = good.Count(t => !cache.TryGet(t, snapshots.Current!.Issuers.Value, out _));
        Console.WriteLine($"The issuer was asked for its keys {_fetches} times in all: once at the start, and once for them, the cooldown being {new RemoteKeySetOptions().Cooldown.TotalSeconds:F0} s. Of {Good} good tokens {forgotten} were forgotten.");
        await app.StopAsync();
        return 0;
    }

    /// <summary>By turns; counts of nanoseconds.</summary>
    private static (long[] Alone, long[] Neighbour, long[] Attacked) InProcess(TokenValidator validator, SnapshotCache snapshots, PresentedToken[] good, PresentedToken[] bad)
    {
        var counts = Enumerable.Range(0, 4).Select(_ => new long[1_000_000]).ToArray();
        // The last is to warm up.
        var (phase, ended) = (3, false);
        var asker = new Thread(() =>
        {
            Affinity.OfThread(Affinity.SecondCore);
            for (var i = 0; !Volatile.Read(ref ended); i++)
            {
                var into = counts[Volatile.Read(ref phase)];
                var started = Stopwatch.GetTimestamp();
                var isValid = validator.Validate(good[i % good.Length], snapshots.Current!.Issuers.Value, Revocations.None, TimeProvider.System.GetUtcNow()).IsValid;
                // A tick is a nanosecond here, and would be a hundred as a TimeSpan.
                into[Math.Min(Stopwatch.GetTimestamp() - started, into.Length - 1)]++;
                if (!isValid)
                {
                    throw new InvalidOperationException("the token is good");
                }
            }
        });
        Affinity.OfThread(Affinity.FirstCore);
        asker.Start();
        Thread.Sleep(2 * Round);
        for (var round = 0; round < Rounds; round++)
        {
            Volatile.Write(ref phase, 0);
            Thread.Sleep(Round);
            Volatile.Write(ref phase, 1);
            var until = Stopwatch.GetTimestamp() + (long)(Round.TotalSeconds * Stopwatch.Frequency);
            for (var i = 0; Stopwatch.GetTimestamp() < until; i++)
            {
                validator.Validate(good[i % good.Length], snapshots.Current!.Issuers.Value, Revocations.None, TimeProvider.System.GetUtcNow());
            }

            Volatile.Write(ref phase, 2);
            foreach (var request in bad)
            {
                if (validator.Validate(request, snapshots.Current!.Issuers.Value, Revocations.None, TimeProvider.System.GetUtcNow()).Error != TokenRejection.KeyUnknown)
                {
                    throw new InvalidOperationException("nobody knows the key");
                }
            }
        }

        Volatile.Write(ref ended, true);
        asker.Join();
        Affinity.OfThread(Affinity.Both);
        return (counts[0], counts[1], counts[2]);
    }

    /// <summary>One caller that asks again as soon as it is answered, and another that asks at its own pace.</summary>
    private static async Task OverGrpcAsync(Wire.AuthSidecarService.AuthSidecarServiceClient client, string[] good, string[] others, long[] into)
    {
        using var ending = new CancellationTokenSource();
        var neighbour = Task.Run(async () =>
        {
            var started = Stopwatch.GetTimestamp();
            for (var sent = 0; !ending.IsCancellationRequested; sent++)
            {
                await client.ValidateTokenAsync(new Wire.ValidateTokenRequest { Token = others[sent % others.Length] });
                if ((sent / (double)Paced) - Stopwatch.GetElapsedTime(started).TotalSeconds is > 0.001 and var ahead)
                {
                    await Task.Delay(TimeSpan.FromSeconds(ahead));
                }
            }
        });
        var begun = Stopwatch.GetTimestamp();
        for (var i = 0; Stopwatch.GetElapsedTime(begun) < Round; i++)
        {
            var started = Stopwatch.GetTimestamp();
            var response = await client.ValidateTokenAsync(new Wire.ValidateTokenRequest { Token = good[i % good.Length] });
            into[Math.Min(Stopwatch.GetTimestamp() - started, into.Length - 1)]++;
            if (!response.Valid)
            {
                throw new InvalidOperationException($"the token is good: {response.Reason}");
            }
        }

        await ending.CancelAsync();
        await neighbour;
    }

    private static void Report(string what, long[] counts, double unit) =>
        Console.WriteLine($"| {what} | {Percentile(counts, 0.5) / unit:F0} | {Percentile(counts, 0.99) / unit:F0} | {Percentile(counts, 0.999) / unit:F0} |");

    private static double Percentile(long[] counts, double percentile)
    {
        var left = (long)Math.Ceiling(counts.Sum() * percentile);
        for (var i = 0; i < counts.Length; i++)
        {
            if ((left -= counts[i]) <= 0)
            {
                return i;
            }
        }

        return counts.Length;
    }

    private string Sign(string keyId, string subject)
    {
        var signed = $"{Encode($$"""{"alg":"RS256","typ":"at+jwt","kid":"{{keyId}}"}""")}.{Payload(subject)}";
        return $"{signed}.{Base64Url.EncodeToString(_key.SignData(Encoding.ASCII.GetBytes(signed), HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1))}";
    }

    private static string Forge() =>
        $"{Encode($$"""{"alg":"RS256","typ":"at+jwt","kid":"{{Guid.NewGuid():N}}"}""")}.{Payload(Guid.NewGuid().ToString("N"))}.{Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(256))}";

    private static string Payload(string subject)
    {
        var now = TimeProvider.System.GetUtcNow().ToUnixTimeSeconds();
        return Encode($$"""{"iss":"{{Issuer}}","sub":"{{subject}}","aud":"documents","iat":{{now}},"exp":{{now + 3600}},"jti":"{{Guid.NewGuid():N}}","sid":"{{Guid.NewGuid():N}}","client_id":"web","scope":"openid profile documents.read"}""");
    }

    private static string Encode(string json) => Base64Url.EncodeToString(Encoding.UTF8.GetBytes(json));

    /// <summary>The issuer's, with its keys.</summary>
    private WebApplication BuildServer()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelHttpsConfiguration();
        using var pem = X509Certificate2.CreateFromPemFile(_certificates.In("control.pem"), _certificates.In("control.key"));
        var certificate = X509CertificateLoader.LoadPkcs12(pem.Export(X509ContentType.Pkcs12), null);
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen => listen.UseHttps(certificate)));
        var server = builder.Build();
        var parameters = _key.ExportParameters(includePrivateParameters: false);
        var keys = $$"""{"keys": [{"kty": "RSA", "kid": "key-1", "alg": "RS256", "n": "{{Base64Url.EncodeToString(parameters.Modulus)}}", "e": "{{Base64Url.EncodeToString(parameters.Exponent)}}"}]}""";
        server.Run(context =>
        {
            Interlocked.Increment(ref _fetches);
            return context.Response.WriteAsync(keys);
        });
        return server;
    }

    private WebApplication BuildSidecar(string keysUrl)
    {
        var bundle = Path.Combine(folder, "bundle");
        Directory.CreateDirectory(bundle);
        File.WriteAllText(Path.Combine(bundle, "bundle.json"), """{"version": 1, "contents": ["issuers.json"]}""");
        File.WriteAllText(Path.Combine(bundle, "issuers.json"), $$"""{"issuers": [{"issuer": "{{Issuer}}", "jwksUrl": "{{keysUrl}}", "audiences": ["documents"]}]}""");
        return SidecarHost.Build(new ServeOptions
        {
            Bundle = bundle,
            State = Path.Combine(folder, "state"),
            Socket = Path.Combine(folder, "s.sock"),
            Issuers = new IssuerHosts { PrivateHosts = ["127.0.0.1"], Ca = _certificates.In("ca.pem") },
            Log = LogFormat.None,
        });
    }
}
