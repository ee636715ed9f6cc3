using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace EndToEnd.Tests;

/// <summary><c>authsidecar jws verify</c>, one by one and by the line.</summary>
public sealed class JwsCommandTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("jws").FullName;
    private readonly RSA _rsa = RSA.Create(2048);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Verify_OneToken_ExitCodeAndReason()
    {
        await File.WriteAllTextAsync(In("key.jwk"), Jwk(), Cancellation);
        var good = Token("RS256");
        Assert.Equal((0, "valid\n"), await RunAsync("--jwk", In("key.jwk"), "--alg", "RS256", good));
        Assert.Equal((1, "not valid: signature_invalid\n"), await RunAsync("--jwk", In("key.jwk"), good[..^4] + "AAAA"));
        Assert.Equal((1, "not valid: algorithm_not_allowed\n"), await RunAsync("--jwk", In("key.jwk"), Token("RS512")));
        Assert.Equal((2, ""), await RunAsync("--jwk", In("missing.jwk"), good));
        Assert.Equal((2, ""), await RunAsync(good));
        await File.WriteAllTextAsync(In("key.jwk"), "{", Cancellation);
        var broken = await Binary.RunAsync("jws", "verify", "--jwk", In("key.jwk"), good);
        Assert.Equal((2, $"`{In("key.jwk")}` is not valid JSON, or has a duplicate member\n"), (broken.ExitCode, broken.Error));
    }

    [Fact]
    public async Task Verify_Lines_EachHasItsAnswer()
    {
        string[] lines =
        [
            $$"""{"jwk": {{Jwk()}}, "alg": "RS256", "jws": "{{Token("RS256")}}"}""",
            $$"""{"jwk": {{Jwk()}}, "jws": "{{Token("RS256")}}"}""",
            $$"""{"jwk": {{Jwk()}}, "alg": "PS256", "jws": "{{Token("RS256")}}"}""",
            """{"jwk": {"kty": "oct", "k": "AAAA"}, "alg": "HS256", "jws": "a.b.c"}""",
            "[]",
            "not JSON",
            """{"jws": "a.b.c"}""",
        ];
        await File.WriteAllLinesAsync(In("lines"), lines, Cancellation);
        var finished = await Binary.RunAsync("jws", "verify", "--batch", In("lines"));
        Assert.Equal(0, finished.ExitCode);
        using var answers = JsonDocument.Parse($"[{string.Join(',', finished.Output.TrimEnd().Split('\n'))}]");
        const string NoLine = "invalid line: expected {\"jwk\": {...}, \"alg\": \"...\", \"jws\": \"...\"}";
        Assert.Equal(
            [(true, ""), (true, ""), (false, "algorithm_not_allowed"), (false, "key_unknown: symmetric keys are not accepted: every verifier could also sign"), (false, NoLine), (false, NoLine), (false, NoLine)],
            answers.RootElement.EnumerateArray().Select(a => (a.GetProperty("valid").GetBoolean(), a.GetProperty("reason").GetString())));
        var piped = await Binary.ShellAsync($"{Binary.Sidecar} jws verify --batch < {In("lines")}");
        Assert.Equal(finished.Output, piped.Output);
    }

    public void Dispose()
    {
        _rsa.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private static async Task<(int ExitCode, string Output)> RunAsync(params string[] arguments)
    {
        var finished = await Binary.RunAsync(["jws", "verify", .. arguments]);
        return (finished.ExitCode, finished.Output);
    }

    private string In(string file) => Path.Combine(_folder, file);

    private string Jwk()
    {
        var key = _rsa.ExportParameters(includePrivateParameters: false);
        return $$"""{"kty": "RSA", "n": "{{Base64Url.EncodeToString(key.Modulus)}}", "e": "AQAB"}""";
    }

    private string Token(string algorithm)
    {
        var input = $"{Base64Url.EncodeToString(Encoding.UTF8.GetBytes($$"""{"alg":"{{algorithm}}"}"""))}.Zm9v";
        return $"{input}.{Base64Url.EncodeToString(_rsa.SignData(Encoding.ASCII.GetBytes(input), HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1))}";
    }
}
