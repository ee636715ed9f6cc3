using System.Text.Json.Nodes;

namespace AuthSidecar.Cli;

/// <summary><c>authsidecar jws verify</c>: the sidecar's reader of signatures, for any payload and without a sidecar.</summary>
internal static class JwsCommand
{
    private const string StandardInput = "-";

    private static readonly JsonDocumentOptions StrictJson = new() { AllowDuplicateProperties = false };

    public static Command Create()
    {
        var token = new Argument<string?>("token")
        {
            Description = "A JWS in compact serialization; `-` for standard input.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        var jwk = CliOption.Of<string?>("--jwk", "FILE", "The file of the public key, as a JWK (RFC 7517).");
        var algorithm = CliOption.Of<string?>("--alg", "ALGORITHM", "The algorithm to expect, such as `RS256`. Default: the key's.");
        var batch = new Option<string?>("--batch")
        {
            HelpName = "FILE",
            Description = "Instead: a file, or without its name standard input, of lines {\"jwk\": {...}, \"alg\": \"...\", \"jws\": "
                + "\"...\"}. Each is answered by a line {\"valid\": true or false, \"reason\": \"...\"}.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        var verify = new Command("verify", "Verify the signature of a JSON Web Signature.") { token, jwk, algorithm, batch }
            .WithExamples("authsidecar jws verify - --jwk key.json", "authsidecar jws verify --batch tokens.jsonl")
            .WithExitCodes((0, "valid; with --batch, all were answered"), (1, "not valid"), (2, "error"));
        verify.SetAction(parsed => CliErrors.Guard(() => (parsed.GetResult(batch), parsed.GetValue(token), parsed.GetValue(jwk)) switch
        {
            ({ }, null, null) => VerifyLines(parsed.GetValue(batch) ?? StandardInput, Console.Out),
            (null, { } text, { } file) => VerifyOne(
                text == StandardInput ? Console.In.ReadToEnd().Trim() : text, file, parsed.GetValue(algorithm)),
            _ => throw new UsageException("specify either a token and `--jwk`, or only `--batch`"),
        }));
        return new Command("jws", "Verify JSON Web Signatures (RFC 7515).") { verify };
    }

    private static int VerifyOne(string text, string file, string? algorithm)
    {
        using var jwk = ReadKey(file);
        var error = JwsVerifier.Verify(text, jwk.RootElement, algorithm, out var detail);
        Console.Out.WriteLine(error == TokenRejection.None ? "valid" : $"not valid: {ReasonOf(error, detail)}");
        return error == TokenRejection.None ? ExitCode.Allow : ExitCode.Deny;
    }

    private static int VerifyLines(string file, TextWriter output)
    {
        using var input = file == StandardInput ? Console.In : new StreamReader(file);
        while (input.ReadLine() is { } line)
        {
            if (line.Length == 0)
                continue;

            var (valid, reason) = Verify(line);
            output.WriteLine(new JsonObject { ["valid"] = valid, ["reason"] = reason }.ToJsonString());
        }

        return ExitCode.Success;
    }

    private static (bool Valid, string Reason) Verify(string line)
    {
        try
        {
            using var parsed = JsonDocument.Parse(line, StrictJson);
            var algorithm = parsed.RootElement.TryGetProperty("alg", out var named) && named.ValueKind != JsonValueKind.Null
                ? named.GetString() : null;
            var error = JwsVerifier.Verify(parsed.RootElement.GetProperty("jws").GetString()!, parsed.RootElement.GetProperty("jwk"),
                algorithm, out var detail);
            return (error == TokenRejection.None, ReasonOf(error, detail));
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException or ArgumentNullException)
        {
            return (false, "invalid line: expected {\"jwk\": {...}, \"alg\": \"...\", \"jws\": \"...\"}");
        }
    }

    private static string ReasonOf(TokenRejection error, string? detail) =>
        error == TokenRejection.None ? ""
            : $"{JsonNamingPolicy.SnakeCaseLower.ConvertName(error.ToString())}{(detail is null ? "" : $": {detail}")}";

    private static JsonDocument ReadKey(string file)
    {
        try
        {
            return JsonDocument.Parse(File.ReadAllBytes(file), StrictJson);
        }
        catch (JsonException)
        {
            throw new UsageException($"`{file}` is not valid JSON, or has a duplicate member");
        }
    }
}
