using System.Collections.Frozen;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using AuthSidecar.Common;
using AuthSidecar.Issuers;
using AuthSidecar.State;
using AuthSidecar.Testing;
using AuthSidecar.Tests.Testing;
using AuthSidecar.Tokens;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Microsoft.IdentityModel.Tokens;

namespace AuthSidecar.Tests.Issuers;

/// <summary>Key sets that issuers publish: fetched from a real server over TLS, by whoever may, as often as it may, and no more.</summary>
public sealed class RemoteKeySetsTests : IAsyncLifetime
{
    private const string Name = "https://issuer.test";

    private readonly string _folder = Directory.CreateTempSubdirectory("key-sets").FullName;
    private readonly FakeTimeProvider _time = new(DateTimeOffset.UnixEpoch.AddYears(56));
    private readonly RSA _first = RSA.Create(2048);
    private readonly RSA _second = RSA.Create(2048);
    private readonly TlsServer _server = new();
    private int _notModified;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private string CaFile => _server.CaFile;

    private Uri Url => _server.UrlOf("keys");

    public async ValueTask InitializeAsync()
    {
        await _server.StartAsync();
        Publish(Jwk(_first, "one"));
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task Keys_OfAnAllowedHost_AreThereAndAreKept()
    {
        await using (var running = await RunAsync())
        {
            await UntilAsync(() => running.Accepts(_first, "one"));
            // One object as long as the keys are the same: what was verified counts on.
            var before = running.Issuer;
            _time.Advance(TimeSpan.FromMinutes(10));
            await UntilAsync(() => _notModified >= 1);
            Assert.Same(before, running.Issuer);
        }

        // The issuer is away when it starts again.
        _server.Answer = TlsServer.Status(500);
        await using var again = await RunAsync();
        Assert.True(again.Accepts(_first, "one"));
        _time.Advance(TimeSpan.FromHours(23));
        await UntilAsync(() => _server.Requests >= 3);
        Assert.True(again.Accepts(_first, "one"));
        _time.Advance(TimeSpan.FromHours(2));
        await UntilAsync(() => !again.Accepts(_first, "one"));
        Publish(Jwk(_first, "one"));
        _time.Advance(TimeSpan.FromMinutes(10));
        await UntilAsync(() => again.Accepts(_first, "one"));
    }

    /// <summary>A full disk, or a state folder that may not be written: the keys are good all the same, and those that follow are fetched.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Keys_ThatCannotBeSaved_AreUsed(bool isDenied)
    {
        var sets = Path.Combine(_folder, "state", "key-sets");
        if (isDenied)
        {
            // Even for root: a folder is where the file is to be.
            Directory.CreateDirectory(Path.Combine(sets, $"{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Url.AbsoluteUri)))}.json"));
        }
        else
        {
            Directory.CreateDirectory(Path.GetDirectoryName(sets)!);
            await File.WriteAllTextAsync(sets, "", Cancellation);
        }

        await using var running = await RunAsync();
        await UntilAsync(() => running.Accepts(_first, "one"));
        Publish(Jwk(_first, "one"), Jwk(_second, "two"));
        _time.Advance(TimeSpan.FromMinutes(10));
        await UntilAsync(() => running.Accepts(_second, "two"));
    }

    [Fact]
    public async Task Keys_OfAHostThatNobodyAllowed_AreNotAskedFor()
    {
        await using var nobody = await RunAsync(new IssuerHosts { Ca = CaFile });
        // Allowed, and at a private address all the same.
        await using var publicOnly = await RunAsync(new IssuerHosts { Hosts = ["127.0.0.1"], Ca = CaFile });
        for (var i = 0; i < 3; i++)
        {
            _time.Advance(TimeSpan.FromMinutes(10));
            await Task.Delay(50, Cancellation);
        }

        Assert.Equal(0, _server.Requests);
        Assert.False(nobody.Accepts(_first, "one") || publicOnly.Accepts(_first, "one"));
    }

    [Fact]
    public async Task UnknownKeys_AMillionOfThem_AreOneFetchEachCooldown()
    {
        await using var running = await RunAsync();
        await UntilAsync(() => running.Accepts(_first, "one"), ticks: 0.01);
        Publish(Jwk(_first, "one"), Jwk(_second, "two"));
        // Not before the cooldown is over, whoever asks how often.
        Flood(500_000);
        await Task.Delay(100, Cancellation);
        Assert.Equal(1, _server.Requests);
        Assert.False(running.Accepts(_second, "two"));
        _time.Advance(TimeSpan.FromSeconds(30));
        Flood(500_000);
        await UntilAsync(() => running.Accepts(_second, "two"), ticks: 0.01);
        Assert.Equal(2, _server.Requests);
        Flood(1_000);
        await Task.Delay(100, Cancellation);
        Assert.Equal(2, _server.Requests);
        Assert.True(running.Accepts(_first, "one"));

        void Flood(int tokens)
        {
            var issuer = running.Issuer;
            for (var i = 0; i < tokens; i++)
            {
                issuer.LookForKeys!();
            }

            Assert.False(running.Accepts(_first, $"random-{tokens}"));
        }
    }

    [Theory]
    [InlineData("/realm/.well-known/openid-configuration")]
    [InlineData("/.well-known/oauth-authorization-server/realm")]
    public async Task Discovery_ByEitherMetadata_FindsTheKeys(string path)
    {
        var issuer = _server.UrlOf("realm");
        _server.Answer = c => c.Request.Path == path ? c.Response.WriteAsync($$"""{"issuer": "{{issuer}}", "jwks_uri": "{{Url}}"}""")
            : c.Request.Path == Url.AbsolutePath ? c.Response.WriteAsync(KeySet(Jwk(_first, "one")))
            : TlsServer.Status(404)(c);
        await using var running = await RunAsync(source: new KeySetSource(issuer, IsDiscovered: true, KeySetRules.Default));
        await UntilAsync(() => running.Accepts(_first, "one"));
        Assert.False(running.Accepts(_second, "one"));
    }

    [Theory]
    [InlineData("""{"issuer": "ISSUER/", "jwks_uri": "URL"}""")]
    [InlineData("""{"issuer": "https://other.example", "jwks_uri": "URL"}""")]
    [InlineData("""{"jwks_uri": "URL"}""")]
    [InlineData("""{"issuer": "ISSUER"}""")]
    [InlineData("""{"issuer": "ISSUER", "jwks_uri": 1}""")]
    [InlineData("""{"issuer": "ISSUER", "jwks_uri": "http://127.0.0.1/keys"}""")]
    [InlineData("""{"issuer": "ISSUER", "jwks_uri": "https://evil.example/keys"}""")]
    [InlineData("""{"issuer": "ISSUER", "issuer": "ISSUER", "jwks_uri": "URL"}""")]
    [InlineData("[]")]
    public async Task Discovery_ByMetadataThatIsNotTheIssuers_FindsNothing(string metadata)
    {
        var issuer = _server.UrlOf("realm");
        metadata = metadata.Replace("ISSUER", issuer.AbsoluteUri, StringComparison.Ordinal).Replace("URL", Url.AbsoluteUri, StringComparison.Ordinal);
        _server.Answer = c => c.Request.Path == Url.AbsolutePath ? c.Response.WriteAsync(KeySet(Jwk(_first, "one"))) : c.Response.WriteAsync(metadata);
        await using var running = await RunAsync(source: new KeySetSource(issuer, IsDiscovered: true, KeySetRules.Default));
        await UntilAsync(() => !running.Accepts(_first, "one") && _server.Requests >= 2, ticks: 30);
        Assert.False(running.Accepts(_first, "one"));
    }

    [Fact]
    public async Task Proxy_OfTheOperator_LeadsToAllowedHosts()
    {
        await using var proxy = new ConnectProxy(Url.Port);
        var source = new KeySetSource(new Uri($"https://{TlsServer.Host}/keys"), IsDiscovered: false, KeySetRules.Default);
        await using var running = await RunAsync(new IssuerHosts { Hosts = [TlsServer.Host], Ca = CaFile, Proxy = proxy.Address }, source);
        await UntilAsync(() => running.Accepts(_first, "one"));
        var requests = _server.Requests;
        await using var elsewhere = await RunAsync(new IssuerHosts { Hosts = ["login.example"], Ca = CaFile, Proxy = proxy.Address }, source with { Url = new Uri($"https://{TlsServer.Host}/others") });
        await UntilAsync(() => !elsewhere.Accepts(_first, "one"));
        Assert.Equal(requests, _server.Requests);
    }

    [Fact]
    public async Task Answers_ThatAreNoKeySet_ChangeNothing()
    {
        await using var running = await RunAsync();
        await UntilAsync(() => running.Accepts(_first, "one"));
        Func<HttpContext, Task>[] answers =
        [
            TlsServer.Status(404), TlsServer.Status(204), c => c.Response.WriteAsync("{"), c => c.Response.WriteAsync("""{"keys": {}}"""), c => c.Response.WriteAsync(new string(' ', 1025 * 1024) + KeySet(Jwk(_second, "two"))),
            c =>
            {
                c.Response.Redirect("https://evil.example/keys");
                return Task.CompletedTask;
            },
            c =>
            {
                c.Abort();
                return Task.CompletedTask;
            },
        ];
        foreach (var (index, answer) in answers.Index())
        {
            _server.Answer = answer;
            _time.Advance(TimeSpan.FromMinutes(10));
            await UntilAsync(() => _server.Requests >= index + 2);
        }

        await Task.Delay(50, Cancellation);
        Assert.True(running.Accepts(_first, "one"));
        Assert.False(running.Accepts(_second, "two"));
        // One that we cannot use beside one that we can.
        _server.Answer = c => c.Response.WriteAsync(KeySet("""{"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}""", Jwk(_second, "two")));
        _time.Advance(TimeSpan.FromMinutes(10));
        await UntilAsync(() => running.Accepts(_second, "two"));
        Assert.False(running.Accepts(_first, "one"));
    }

    [Theory]
    [InlineData("""{"keys": []}""")]
    [InlineData("""{"keys": [{"kty": "oct", "k": "AAAA", "kid": "one"}]}""")]
    [InlineData("""{"keys": [TWO, FIRST-AS-TWO]}""")]
    public async Task Keys_ThatAreNotInTheSetAnyMore_AreGoneWhateverElseIsInIt(string set)
    {
        await using var running = await RunAsync();
        await UntilAsync(() => running.Accepts(_first, "one"));
        var text = set.Replace("FIRST-AS-TWO", Jwk(_first, "two"), StringComparison.Ordinal).Replace("TWO", Jwk(_second, "two"), StringComparison.Ordinal);
        _server.Answer = c => c.Response.WriteAsync(text);
        _time.Advance(TimeSpan.FromMinutes(10));
        await UntilAsync(() => !running.Accepts(_first, "one"));
        // Two keys of one name: neither is meant for sure.
        Assert.False(running.Accepts(_first, "two") || running.Accepts(_second, "two"));
        // The same key again is one key.
        _server.Answer = c => c.Response.WriteAsync(KeySet(Jwk(_second, "two"), Jwk(_second, "two")));
        _time.Advance(TimeSpan.FromMinutes(10));
        await UntilAsync(() => running.Accepts(_second, "two"));
    }

    [Fact]
    public async Task Keys_WhileWhatIsFetchedIsNoKeySet_ExpireAfterADay()
    {
        await using var running = await RunAsync();
        await UntilAsync(() => running.Accepts(_first, "one"));
        _server.Answer = c => c.Response.WriteAsync("""{"keys": "none"}""");
        _time.Advance(TimeSpan.FromHours(23));
        var requests = _server.Requests;
        await UntilAsync(() => _server.Requests > requests);
        Assert.True(running.Accepts(_first, "one"));
        _time.Advance(TimeSpan.FromHours(2));
        await UntilAsync(() => !running.Accepts(_first, "one"));
    }

    [Theory]
    [InlineData("8.8.8.8", true)]
    [InlineData("172.32.0.1", true)]
    [InlineData("2a00:1450::1", true)]
    [InlineData("127.0.0.1", false)]
    [InlineData("10.1.2.3", false)]
    [InlineData("172.16.0.1", false)]
    [InlineData("192.168.1.1", false)]
    [InlineData("169.254.169.254", false)]
    [InlineData("100.64.0.1", false)]
    [InlineData("0.0.0.0", false)]
    [InlineData("224.0.0.1", false)]
    [InlineData("255.255.255.255", false)]
    [InlineData("192.0.2.1", false)]
    [InlineData("::1", false)]
    [InlineData("::", false)]
    [InlineData("fe80::1", false)]
    [InlineData("fd00::1", false)]
    [InlineData("ff02::1", false)]
    [InlineData("2001:db8::1", false)]
    [InlineData("2001:0:1::1", false)]
    [InlineData("2002:0a00:0001::1", false)]
    [InlineData("64:ff9b::a00:1", false)]
    [InlineData("::ffff:10.0.0.1", false)]
    [InlineData("::ffff:8.8.8.8", true)]
    public void IsPublic_Addresses(string text, bool expected)
    {
#pragma warning disable RS0030 // These are written as it takes them.
        Assert.Equal(expected, PublicAddresses.IsPublic(IPAddress.Parse(text)));
#pragma warning restore RS0030
    }

    private static string KeySet(params string[] keys) => $$"""{"keys": [{{string.Join(',', keys)}}]}""";

    private static string Jwk(RSA key, string id)
    {
        var parameters = key.ExportParameters(includePrivateParameters: false);
        return $$"""{"kty": "RSA", "kid": "{{id}}", "n": "{{Base64UrlEncoder.Encode(parameters.Modulus)}}", "e": "{{Base64UrlEncoder.Encode(parameters.Exponent)}}"}""";
    }

    /// <summary>Waits until something is so, while the clock goes on: who looks now and then may have looked a moment before.</summary>
    private async Task UntilAsync(Func<bool> isSo, double ticks = 1)
    {
        for (var i = 0; i < 1_000 && !isSo(); i++)
        {
            _time.Advance(TimeSpan.FromSeconds(ticks));
            await Task.Delay(10, Cancellation);
        }

        Assert.True(isSo(), "it did not come to be so");
    }

    private void Publish(params string[] keys)
    {
        var (text, tag) = (KeySet(keys), $"\"{keys.Length}\"");
        _server.Answer = context =>
        {
            context.Response.Headers.ETag = tag;
            if (context.Request.Headers.IfNoneMatch == tag)
            {
                Interlocked.Increment(ref _notModified);
                context.Response.StatusCode = StatusCodes.Status304NotModified;
                return Task.CompletedTask;
            }

            return context.Response.WriteAsync(text);
        };
    }

    private async Task<Running> RunAsync(IssuerHosts? hosts = null, KeySetSource? source = null)
    {
        var http = new IssuerHttp(hosts ?? new IssuerHosts { PrivateHosts = ["127.0.0.1"], Ca = CaFile }, NullLogger<IssuerHttp>.Instance);
        var sets = new RemoteKeySets(new RemoteKeySetOptions(), new KeySetClient(http), new StateFolder(Path.Combine(_folder, "state")), _time, NullLogger<RemoteKeySets>.Instance);
        var issuers = new IssuerSet([new Issuer { Name = Name, Audiences = FrozenSet.Create(StringComparer.Ordinal, "app"), Keys = AuthSidecar.Tokens.KeySet.Empty, KeySource = source ?? new KeySetSource(Url, IsDiscovered: false, KeySetRules.Default) }]);
        var running = new Running(sets, http, issuers, _time);
        await sets.StartAsync(Cancellation);
        return running;
    }

    private sealed class Running(RemoteKeySets sets, IssuerHttp http, IssuerSet issuers, TimeProvider time) : IAsyncDisposable
    {
        private readonly TokenValidator _validator = new(new VerifiedTokenCache(10), new DpopVerifier());

        public Issuer Issuer => sets.Complete(issuers).Find(Name)!;

        public bool Accepts(RSA key, string keyId)
        {
            var now = time.GetUtcNow().ToUnixTimeSeconds();
            var input = $"{Base64UrlEncoder.Encode($$"""{"alg":"RS256","typ":"at+jwt","kid":"{{keyId}}"}""")}.{Base64UrlEncoder.Encode($$"""{"iss":"{{Name}}","sub":"s","aud":"app","iat":{{now}},"exp":{{now + 60}}}""")}";
            var token = $"{input}.{Base64UrlEncoder.Encode(key.SignData(Encoding.ASCII.GetBytes(input), HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1))}";
            return _validator.Validate(new PresentedToken { Token = new Secret(token) }, sets.Complete(issuers), Revocations.None, time.GetUtcNow()).IsValid;
        }

        public async ValueTask DisposeAsync()
        {
            await sets.StopAsync(CancellationToken.None);
            sets.Dispose();
            http.Dispose();
        }
    }
}
