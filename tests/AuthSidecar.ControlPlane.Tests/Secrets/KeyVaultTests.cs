using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using AuthSidecar.ControlPlane.Secrets;

namespace AuthSidecar.ControlPlane.Tests.Secrets;

public sealed class KeyVaultTests : IDisposable
{
    private readonly string _folder = System.IO.Directory.CreateTempSubdirectory("vault").FullName;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task File_WrapsWithTheFirstKeyAndUnwrapsWithAny()
    {
        var path = Path.Combine(_folder, "keys");
        var vault = KeyVault.Parse($"file:{path}", null);
        await Assert.ThrowsAsync<KeyVaultException>(() => vault.CurrentKeyIdAsync(Cancellation));
        await File.WriteAllTextAsync(path, $"{Key(1)}\n", Cancellation);
        var wrapped = await vault.WrapAsync(DataKey, Cancellation);
        await File.WriteAllTextAsync(path, $"{Key(2)}\n{Key(1)}\n", Cancellation);
        Assert.NotEqual(wrapped.KeyId, await vault.CurrentKeyIdAsync(Cancellation));
        Assert.Equal(DataKey, await vault.UnwrapAsync(wrapped, Cancellation));

        wrapped.Bytes[^1] ^= 1;
        await Assert.ThrowsAsync<KeyVaultException>(() => vault.UnwrapAsync(wrapped, Cancellation));
        await File.WriteAllTextAsync(path, Key(2), Cancellation);
        await Assert.ThrowsAsync<KeyVaultException>(() => vault.UnwrapAsync(wrapped, Cancellation));
    }

    [Theory]
    [InlineData("")]
    [InlineData("not base64")]
    [InlineData("AAAA")]
    public async Task File_ThatHasNoKey_SaysSo(string content)
    {
        var path = Path.Combine(_folder, "keys");
        await File.WriteAllTextAsync(path, content, Cancellation);
        Assert.Contains(path, (await Assert.ThrowsAsync<KeyVaultException>(() => KeyVault.Parse($"file:{path}", null).WrapAsync(DataKey, Cancellation))).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("file")]
    [InlineData("file:")]
    [InlineData("vault:http://vault.example/key")]
    [InlineData("vault:https://vault.example")]
    [InlineData("vault:https://vault.example/a/b/c")]
    [InlineData("vault:key")]
    [InlineData("kms:key")]
    public void Parse_AnythingElse_Refused(string text) => Assert.Throws<FormatException>(() => KeyVault.Parse(text, "token"));

    [Fact]
    public void Parse_VaultWithoutAToken_Refused() => Assert.Throws<FormatException>(() => KeyVault.Parse("vault:https://vault.example/key", null));

    /// <summary>As the documentation of Vault's transit engine has it: paths, methods, headers, fields.</summary>
    [Fact]
    public async Task Transit_WrapsRotatesAndUnwraps()
    {
        var vault = new FakeVault();
        var keys = vault.Connect();
        Assert.Equal("vault:authsidecar:v1", await keys.CurrentKeyIdAsync(Cancellation));
        var wrapped = await keys.WrapAsync(DataKey, Cancellation);
        Assert.Equal("vault:authsidecar:v1", wrapped.KeyId);
        Assert.Equal(DataKey, await keys.UnwrapAsync(wrapped, Cancellation));
        vault.Version = 2;
        Assert.Equal("vault:authsidecar:v2", await keys.CurrentKeyIdAsync(Cancellation));
        Assert.Equal(DataKey, await keys.UnwrapAsync(wrapped, Cancellation));
        Assert.Equal("vault:authsidecar:v2", (await keys.WrapAsync(DataKey, Cancellation)).KeyId);
    }

    [Fact]
    public async Task Transit_RefusedOrNotUnderstood_SaysWhyAndNoSecret()
    {
        var vault = new FakeVault { Token = "another" };
        var refused = await Assert.ThrowsAsync<KeyVaultException>(() => vault.Connect().WrapAsync(DataKey, Cancellation));
        Assert.Equal("Vault request `encrypt/authsidecar` failed: HTTP status 403: permission denied", refused.Message);
        foreach (var answer in new[] { "", "[]", "{}", """{"data": {}}""", """{"data": {"ciphertext": "v1:x", "plaintext": "AAAA", "latest_version": "1"}}""", "<html>" })
        {
            vault = new FakeVault { Answer = answer };
            var keys = vault.Connect();
            await Assert.ThrowsAsync<KeyVaultException>(() => keys.CurrentKeyIdAsync(Cancellation));
            await Assert.ThrowsAsync<KeyVaultException>(() => keys.WrapAsync(DataKey, Cancellation));
            await Assert.ThrowsAsync<KeyVaultException>(() => keys.UnwrapAsync(new WrappedKey("vault:authsidecar:v1", "vault:v1:x"u8.ToArray()), Cancellation));
        }

        await Assert.ThrowsAsync<KeyVaultException>(() => new FakeVault { IsAway = true }.Connect().CurrentKeyIdAsync(Cancellation));
    }

    public void Dispose() => System.IO.Directory.Delete(_folder, recursive: true);

    private static byte[] DataKey => [.. Enumerable.Range(0, 32).Select(i => (byte)i)];

    private static string Key(byte of) => Convert.ToBase64String([.. Enumerable.Repeat(of, 32)]);

    /// <summary>Vault's side of the contract.</summary>
    private sealed class FakeVault : HttpMessageHandler
    {
        public int Version { get; set; } = 1;

        public string Token { get; init; } = "token";

        public string? Answer { get; init; }

        public bool IsAway { get; init; }

        public TransitKeyVault Connect() => new(new HttpClient(this) { BaseAddress = new Uri("https://vault.example:8200/v1/transit/") }, "authsidecar", () => "token");

        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            if (IsAway)
            {
                throw new HttpRequestException("no route to host");
            }

            if (request.Headers.GetValues("X-Vault-Token").Single() != Token)
            {
                return Reply(HttpStatusCode.Forbidden, """{"errors": ["permission denied"]}""");
            }

            if (Answer is not null)
            {
                return Reply(HttpStatusCode.OK, Answer);
            }

            var body = request.Content is null ? null : JsonNode.Parse(await request.Content.ReadAsStringAsync(cancellationToken));
            return (request.Method.Method, request.RequestUri!.AbsolutePath) switch
            {
                ("GET", "/v1/transit/keys/authsidecar") => Reply(HttpStatusCode.OK, $$$"""{"data": {"type": "aes256-gcm96", "latest_version": {{{Version}}}}}"""),
                ("POST", "/v1/transit/encrypt/authsidecar") => Reply(HttpStatusCode.OK, $$$"""{"data": {"ciphertext": "vault:v{{{Version}}}:{{{body!["plaintext"]}}}"}}"""),
                ("POST", "/v1/transit/decrypt/authsidecar") => Reply(HttpStatusCode.OK, $$$"""{"data": {"plaintext": "{{{body!["ciphertext"]!.ToString().Split(':')[2]}}}"}}"""),
                _ => Reply(HttpStatusCode.NotFound, """{"errors": []}"""),
            };
        }

        private static HttpResponseMessage Reply(HttpStatusCode status, string json) => new(status) { Content = new StringContent(json, Encoding.UTF8, "application/json") };
    }
}
