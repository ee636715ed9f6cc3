using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace EndToEnd.Tests;

/// <summary><c>authsidecar issuers test</c>: what it finds of an issuer over HTTPS and of a bundle's, and of their tokens.</summary>
public sealed class IssuerCommandTests : IAsyncLifetime
{
    private readonly string _folder = Directory.CreateTempSubdirectory("issuer").FullName;
    private readonly RSA _rsa = RSA.Create(2048);
    private readonly RSA _other = RSA.Create(2048);
    private WebApplication? _server;
    private Uri _address = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private string Issuer => UrlOf("realm");

    public async ValueTask InitializeAsync()
    {
        (_server, _address) = await TlsServer.StartAsync(TestCertificate.Create(In("ca.pem")), context => context.Request.Path.Value switch
        {
            "/realm/.well-known/openid-configuration" => context.Response.WriteAsync($$"""{"issuer": "{{Issuer}}", "jwks_uri": "{{UrlOf("keys")}}" }"""),
            "/keys" => context.Response.WriteAsync($$"""{"keys": [{{Jwk(_rsa, "one")}}, {"kty": "EC", "crv": "secp256k1", "kid": "odd"}]}"""),
            _ => NotFound(context),
        });
    }

    [Fact]
    public async Task Test_OfAnUrl_FindsItsKeysAndTheCheckThatFails()
    {
        var alone = await RunAsync(null, "--url", Issuer);
        Assert.Equal(
            $"""
            issuer {Issuer}
              metadata: ok, the key set is at {UrlOf("keys")}
              key set: ok, {UrlOf("keys")}: one (RS256)
              key set: ignored key 1: the curve `secp256k1` is not supported
              hosts: `serve` needs --issuer-host 127.0.0.1

            """, alone.Output);
        Assert.Equal(0, alone.ExitCode);

        var good = Token("at+jwt");
        var accepted = await RunAsync(good, "--url", Issuer, "--audience", "app");
        Assert.Equal((0, true), (accepted.ExitCode, accepted.Output.Contains("\n  signature: ok\n", StringComparison.Ordinal)));

        foreach (var (token, audience, lines) in new[]
        {
            (good, "other", "  audience: failed: AUDIENCE_MISMATCH\n  option: `audiences`: configured is other\n"),
            (Token(null), "app", "  type: failed: TYPE_NOT_ALLOWED, header typ\n  option: `typesOptional`, with a claim in `requiredClaims` that only access tokens of the issuer have\n"),
            (Token("JWT"), "app", "  type: failed: TYPE_NOT_ALLOWED, header typ\n  option: `types`: configured is at+jwt\n"),
            (Token("at+jwt", keyId: "two"), "app", "  key: failed: KEY_UNKNOWN\n  option: `jwks` or `jwksUrl`: the key set has one\n"),
            (Token("at+jwt", key: _other), "app", "  signature: failed: SIGNATURE_INVALID\n  option: none: it was signed by another key of the same `kid`, or changed since\n"),
            (Token("at+jwt", claims: """, "typ": "ID" """), "app", "  kind: failed: TYPE_NOT_ALLOWED, typ\n  option: none: this is not an access token; send the access token of the same response\n"),
            (Token("at+jwt", issuer: "https://other.example"), "app", $"  issuer: failed: ISSUER_UNKNOWN\n  option: `issuer`, `aliases` or `tenants`: configured is {Issuer}\n"),
            (Token("at+jwt", audience: null), "app", "  claims: failed: CLAIM_MISSING, aud\n  option: `audienceClaim`\n"),
        })
        {
            var rejected = await RunAsync(token, "--url", Issuer, "--audience", audience);
            Assert.Equal((1, ""), (rejected.ExitCode, rejected.Error));
            Assert.EndsWith($"{lines}rejected\n", rejected.Output, StringComparison.Ordinal);
            Assert.All(token.Split('.'), part => Assert.DoesNotContain(part, rejected.Output, StringComparison.Ordinal));
            Assert.DoesNotContain("alice", rejected.Output, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Test_OfAnUrlThatIsNotTheIssuers_SaysSo()
    {
        var slash = await RunAsync(null, "--url", Issuer + "/");
        Assert.Equal((1, true), (slash.ExitCode, slash.Output.Contains($"metadata: failed: the metadata is of issuer `{Issuer}`, not `{Issuer}/`", StringComparison.Ordinal)));
        var elsewhere = await RunAsync(null, "--url", UrlOf("another"));
        Assert.Equal((1, true), (elsewhere.ExitCode, elsewhere.Output.Contains("metadata: failed: HTTP status 404", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Test_OfABundle_ReadsItsEntry()
    {
        await File.WriteAllTextAsync(In("bundle.json"), """{"version": 1, "contents": ["issuers.json"]}""", Cancellation);
        await File.WriteAllTextAsync(In("issuers.json"), $$"""{"issuers": [{"issuer": "{{Issuer}}", "jwks": "one.jwks.json", "audiences": ["app"], "types": ["JWT"], "requiredClaims": {"kind": ["access"] } } ] }""", Cancellation);
        await File.WriteAllTextAsync(In("one.jwks.json"), $$"""{"keys": [{{Jwk(_rsa, "one")}}, {"kty": "RSA"}]}""", Cancellation);
        var accepted = await RunAsync(Token("JWT", claims: """, "kind": "access" """), "--bundle", _folder);
        Assert.Equal((0, true), (accepted.ExitCode, accepted.Output.Contains("warning: one.jwks.json: key 1: `n` and `e` are required", StringComparison.Ordinal)));
        var rejected = await RunAsync(Token("JWT"), "--bundle", _folder);
        Assert.EndsWith("  claims: failed: CLAIM_MISSING, kind\n  option: `requiredClaims`\nrejected\n", rejected.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("specify either `--url` or `--bundle`")]
    [InlineData("specify either `--url` or `--bundle`", "--url", "https://a.example", "--bundle", "b")]
    [InlineData("`--issuer` requires `--bundle`", "--url", "https://a.example", "--issuer", "b")]
    [InlineData("`--preset` and `--audience` require `--url`", "--bundle", "b", "--preset", "okta")]
    [InlineData("issuer `http://a.example`: `http://a.example` is not an `https:` URL", "--url", "http://a.example")]
    [InlineData("issuer `https://a.example`: unknown preset `oktta`", "--url", "https://a.example", "--preset", "oktta")]
    public async Task Test_OfNothingThatCanBeTested_UsageError(string error, params string[] args)
    {
        var finished = await Binary.RunAsync(["issuers", "test", .. args]);
        Assert.Equal((2, ""), (finished.ExitCode, finished.Output));
        Assert.StartsWith(error, finished.Error, StringComparison.Ordinal);
    }

    public async ValueTask DisposeAsync()
    {
        _rsa.Dispose();
        _other.Dispose();
        await _server!.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    private static Task NotFound(HttpContext context)
    {
        context.Response.StatusCode = StatusCodes.Status404NotFound;
        return Task.CompletedTask;
    }

    private string UrlOf(string path) => new Uri(_address, path).AbsoluteUri;

    private async Task<Binary.Finished> RunAsync(string? token, params string[] args)
    {
        await File.WriteAllTextAsync(In(".token"), token + "\n", Cancellation);
        string[] tokenArgs = token is null ? [] : ["--token-file", In(".token")];
        return await Binary.RunAsync(["issuer", "test", .. args, "--issuer-ca", In("ca.pem"), .. tokenArgs]);
    }

    private string In(string name) => Path.Combine(_folder, name);

    private static string Jwk(RSA key, string id)
    {
        var parameters = key.ExportParameters(includePrivateParameters: false);
        return $$"""{"kty": "RSA", "kid": "{{id}}", "n": "{{Base64Url.EncodeToString(parameters.Modulus)}}", "e": "AQAB"}""";
    }

    private string Token(string? type, string? issuer = null, string? audience = "app", string claims = "", string keyId = "one", RSA? key = null)
    {
        var now = TimeProvider.System.GetUtcNow().ToUnixTimeSeconds();
        var header = $$"""{"alg":"RS256","kid":"{{keyId}}"{{(type is null ? "" : $",\"typ\":\"{type}\"")}}}""";
        var payload = $$"""{"iss":"{{issuer ?? Issuer}}","sub":"alice","iat":{{now - 5}},"exp":{{now + 300}}{{(audience is null ? "" : $",\"aud\":\"{audience}\"")}}{{claims}} }""";
        var input = $"{Base64Url.EncodeToString(Encoding.UTF8.GetBytes(header))}.{Base64Url.EncodeToString(Encoding.UTF8.GetBytes(payload))}";
        return $"{input}.{Base64Url.EncodeToString((key ?? _rsa).SignData(Encoding.ASCII.GetBytes(input), HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1))}";
    }
}
