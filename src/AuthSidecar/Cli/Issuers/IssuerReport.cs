using AuthSidecar.Issuers;
using Microsoft.Extensions.Logging.Abstractions;

namespace AuthSidecar.Cli.Issuers;

/// <summary>What is found about issuers and a token of theirs, step by step. Of the token only what names a check is printed: its header,
/// and the claims that say by and for whom it is.</summary>
internal sealed class IssuerReport(TextWriter output, IssuerSet configured, string? ca)
{
    private const int MaxShown = 200;

    /// <summary>Whose a token is; null: nobody's of these.</summary>
    public static Issuer? FindOf(string token, IssuerSet issuers) =>
        CompactJws.TryRead(token, TokenLimits.Default, out var jws) == TokenRejection.None && ClaimsOf(jws!) is { } claims
            ? TokenAdvice.IssuerOf(claims, issuers) : null;

    /// <summary>Reports on issuers, and on a token if there is one; whether all is well.</summary>
    public async Task<bool> RunAsync(IReadOnlyList<Issuer> issuers, string? token, CancellationToken cancellation)
    {
        foreach (var warning in configured.Warnings)
            await output.WriteLineAsync($"warning: {warning}");

        var (completed, isWell) = (new List<Issuer>(), true);
        foreach (var issuer in issuers)
        {
            await output.WriteLineAsync($"issuer {issuer.Name}");
            var keys = await FetchAsync(issuer, cancellation);
            isWell &= keys is not null;
            completed.Add(issuer with { Keys = keys ?? KeySet.Empty });
        }

        return isWell && (token is null || Validate(token, new IssuerSet(completed)));
    }

    private async Task<KeySet?> FetchAsync(Issuer issuer, CancellationToken cancellation)
    {
        if (issuer.KeySource is not { } source)
        {
            await output.WriteLineAsync(issuer.Keys.Count > 0 ? $"  key set: ok, of the bundle: {Describe(issuer.Keys)}"
                : $"  key set: none; opaque tokens are introspected at {issuer.IntrospectionUrl}");
            return issuer.Keys;
        }

        var url = source.Url;
        if (source.IsDiscovered)
        {
            try
            {
                url = await AskAsync(source.Url, client => client.DiscoverAsync(source.Url, cancellation));
                await output.WriteLineAsync($"  metadata: ok, the key set is at {url}");
            }
            catch (Exception e) when (IsFailure(e, cancellation))
            {
                await output.WriteLineAsync(
                    $"  metadata: failed: {e.Message}; see `issuer`, or set `jwksUrl` or `jwks` in place of `discovery`");
                return null;
            }
        }

        try
        {
            var found = source with { Url = url, IsDiscovered = false };
            var fetched = await AskAsync(url, client => client.FetchAsync(found, etag: null, cancellation));
            var faults = new List<Fault>();
            var keys = KeySetReader.Read(url.AbsoluteUri, fetched.Body!, source.Rules, faults);
            if (faults.Count == 0 && keys.Count > 0)
            {
                await output.WriteLineAsync($"  key set: ok, {url}: {Describe(keys)}");
                foreach (var ignored in keys.Ignored)
                    await output.WriteLineAsync($"  key set: ignored {ignored.Message}");

                var hosts = new[] { source.Url.Host, url.Host }.Distinct().Select(h => $"--issuer-host {h}");
                await output.WriteLineAsync($"  hosts: `serve` needs {string.Join(' ', hosts)}");
                return keys;
            }

            await output.WriteLineAsync($"  key set: failed: {url}: {(faults.Count > 0 ? faults[0].Message : "no usable key")}");
            foreach (var ignored in keys.Ignored)
                await output.WriteLineAsync($"  key set: ignored {ignored.Message}");
        }
        catch (Exception e) when (IsFailure(e, cancellation))
        {
            await output.WriteLineAsync($"  key set: failed: {url}: {e.Message}; see `jwksUrl`");
        }

        return null;
    }

    private bool Validate(string token, IssuerSet issuers)
    {
        output.WriteLine("token");
        var isRead = CompactJws.TryRead(token, TokenLimits.Default, out var jws) == TokenRejection.None;
        var claims = isRead ? ClaimsOf(jws!) : null;
        if (isRead)
        {
            output.WriteLine($"  header: alg {Shown(jws!.Algorithm)}, kid {Shown(jws.KeyId)}, typ {Shown(jws.Type)}");
            output.WriteLine($"  claims: iss {Shown(claims, "iss")}, aud {Shown(claims, "aud")}, exp {Shown(claims, "exp")}");
        }

        var validator = new TokenValidator(new VerifiedTokenCache(1), new DpopVerifier());
        var result = validator.Validate(
            new PresentedToken { Token = new Secret(token) }, issuers, Tokens.Revocations.None, TimeProvider.System.GetUtcNow());
        var failed = TokenAdvice.CheckOf(result);
        foreach (var check in TokenAdvice.Checks.TakeWhile(c => c != failed))
            output.WriteLine($"  {check}: ok");

        if (failed is not null)
        {
            var reason = JsonNamingPolicy.SnakeCaseUpper.ConvertName(result.Error.ToString());
            output.WriteLine($"  {failed}: failed: {reason}{(result.Detail is { } detail ? $", {detail}" : "")}");
            output.WriteLine($"  option: {TokenAdvice.For(result, jws, claims, issuers)}");
        }

        if (result.IsValid)
            DescribeMapping(result.Token.Issuer.Principal, claims!.Value);

        output.WriteLine(result.IsValid
            ? "accepted; revocations and proofs of possession are checked by a sidecar"
            : "rejected");
        jws?.Dispose();
        return result.IsValid;
    }

    /// <summary>What a token has of the claims that become the principal: without their values.</summary>
    private void DescribeMapping(PrincipalMapping mapping, JsonElement claims)
    {
        output.WriteLine($"  principal: {mapping.Type}, id from {mapping.Id?.Text ?? Claim.Subject.Name}");
        foreach (var (attribute, path) in mapping.Attributes)
            output.WriteLine($"  principal.attributes {attribute}: {Presence(path)}");

        foreach (var (path, type) in mapping.Parents)
            output.WriteLine($"  principal.parents {type}: {Presence(path)}");

        string Presence(ClaimPath path) => path.Find(claims, out var value) != ClaimLookup.Found
            ? $"claim {path} is absent from the token"
            : value.ValueKind is JsonValueKind.Array or JsonValueKind.Object
                ? $"claim {path}, {Count.Of(PrincipalMapping.CountOf(value), "value")}" : $"claim {path}";
    }

    private static JsonElement? ClaimsOf(CompactJws jws)
    {
        if (StrictJson.TryParseObject(jws.Payload, out var parsed) != TokenRejection.None)
            return null;

        using var document = parsed!;
        return document.RootElement.Clone();
    }

    /// <summary>Asks a host. Who runs this names the issuer, and so may reach it wherever it is.</summary>
    private async Task<T> AskAsync<T>(Uri url, Func<KeySetClient, Task<T>> ask)
    {
        using var http = new IssuerHttp(new IssuerHosts { PrivateHosts = [url.Host], Ca = ca }, NullLogger<IssuerHttp>.Instance);
        return await ask(new KeySetClient(http));
    }

    private static bool IsFailure(Exception e, CancellationToken cancellation) =>
        e is HttpRequestException or OperationCanceledException or IOException && !cancellation.IsCancellationRequested;

    private static string Describe(KeySet keys) => string.Join(", ", keys.All.Take(10).Select(k => $"{Shown(k.KeyId)} ({k.Algorithm})"))
        + (keys.All.Count() > 10 ? $" and {keys.All.Count() - 10} more" : "");

    private static string Shown(JsonElement? claims, string name) => claims is { } all && all.TryGetProperty(name, out var value)
        ? Shown(value.ValueKind == JsonValueKind.String ? value.GetString() : value.GetRawText()) : "absent";

    private static string Shown(string? text) => text is null ? "absent" : ForeignText.Show(text, MaxShown);
}
