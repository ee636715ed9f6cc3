using AuthSidecar.Issuers;
using Microsoft.Extensions.Logging.Abstractions;

namespace AuthSidecar.Cli.Issuers;

/// <summary>What is found about issuers and a token of theirs, step by step. Of the token only what names a check is printed: its header,
/// and the claims that say by and for whom it is.</summary>
internal sealed class IssuerReport(TextWriter output, IssuerSet configured, string? ca)
{
    private const int MaxShown = 200;

    /// <summary>The checks of a token, in their order.</summary>
    private static readonly string[] Checks =
        ["size", "form", "issuer", "type", "key", "algorithm", "signature", "kind", "claims", "times", "audience", "possession"];

    /// <summary>Whose a token is; null: nobody's of these.</summary>
    public static Issuer? FindOf(string token, IssuerSet issuers) =>
        CompactJws.TryRead(token, TokenLimits.Default, out var jws) == TokenRejection.None && ClaimsOf(jws!) is { } claims
            ? FindOf(claims, issuers) : null;

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
                url = await ClientOf(source.Url).DiscoverAsync(source.Url, cancellation);
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
            var fetched = await ClientOf(url).FetchAsync(source with { Url = url, IsDiscovered = false }, etag: null, cancellation);
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
        var failed = CheckOf(result);
        foreach (var check in Checks.TakeWhile(c => c != failed))
            output.WriteLine($"  {check}: ok");

        if (failed is not null)
        {
            var reason = JsonNamingPolicy.SnakeCaseUpper.ConvertName(result.Error.ToString());
            output.WriteLine($"  {failed}: failed: {reason}{(result.Detail is { } detail ? $", {detail}" : "")}");
            output.WriteLine($"  option: {Advice(result, jws, claims, issuers)}");
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

    /// <summary>The check that rejects a token; null: none does.</summary>
    private static string? CheckOf(TokenResult result) => result.Error switch
    {
        TokenRejection.None => null,
        TokenRejection.TooLarge => "size",
        TokenRejection.IssuerUnknown => "issuer",
        TokenRejection.ClaimMissing or TokenRejection.ClaimMalformed when result.Detail == Claim.Issuer.Name => "issuer",
        TokenRejection.TypeNotAllowed => result.Detail == TokenValidator.TypeHeader ? "type" : "kind",
        TokenRejection.KeyUnknown => "key",
        TokenRejection.AlgorithmNotAllowed => "algorithm",
        TokenRejection.SignatureInvalid => "signature",
        TokenRejection.ClaimMissing or TokenRejection.ClaimMalformed or TokenRejection.ClaimNotAllowed => "claims",
        TokenRejection.Expired or TokenRejection.NotYetValid => "times",
        TokenRejection.AudienceMismatch => "audience",
        TokenRejection.ProofMissing or TokenRejection.ProofInvalid => "possession",
        _ => "form",
    };

    /// <summary>The option of `issuers.json` that is about a check, and what it would have to be.</summary>
    private static string Advice(TokenResult result, CompactJws? jws, JsonElement? claims, IssuerSet issuers)
    {
        var issuer = claims is { } said ? FindOf(said, issuers) : null;
        return (result.Error, result.Detail) switch
        {
            (TokenRejection.UnsupportedHeader, _) => "none: the header has `crit`, `b64`, `zip` or `enc`, which are not supported",
            (TokenRejection.Missing or TokenRejection.Malformed, _) => "`introspectionUrl`, if it is an opaque token; else none: "
                + "this is not a compact JWS of canonical base64url and JSON",
            (TokenRejection.TooLarge, _) => "`serve --max-token-bytes` and `--max-token-header-bytes`; the depth of its JSON is fixed",
            (TokenRejection.IssuerUnknown, _) =>
                $"`issuer`, `aliases` or `tenants`: configured is {string.Join(", ", issuers.All.Select(i => i.Name).Take(5))}",
            (TokenRejection.TypeNotAllowed, TokenValidator.TypeHeader) when jws is { Type: null } =>
                "`typesOptional`, with a claim in `requiredClaims` that only access tokens of the issuer have",
            (TokenRejection.TypeNotAllowed, TokenValidator.TypeHeader) when jws is { Type: { } type } && !TokenKinds.IsOther(type) =>
                $"`types`: configured is {string.Join(", ", issuer?.Types ?? [])}",
            (TokenRejection.TypeNotAllowed, { } claim) when issuer?.ForbiddenClaims.Any(f => f.Text == claim) == true =>
                "none, if it is not an access token; else `forbiddenClaims`",
            (TokenRejection.TypeNotAllowed, _) => "none: this is not an access token; send the access token of the same response",
            (TokenRejection.KeyUnknown, _) when issuer?.Keys.All.Any(k => k.KeyId == jws?.KeyId) == true =>
                "none: the key names another tenant as its issuer",
            (TokenRejection.KeyUnknown, _) => jws is { KeyId: null } ? "none: the header has no `kid`"
                : $"`jwks` or `jwksUrl`: the key set has {string.Join(", ", issuer?.Keys.All.Select(k => Shown(k.KeyId)).Take(10) ?? [])}",
            (TokenRejection.AlgorithmNotAllowed, _) =>
                (jws?.Algorithm is ['R' or 'P', 'S', ..] ? "`keyAlgorithm`, if the key names no `alg`; else none" : "none")
                    + ": the key is for "
                    + string.Join(", ", issuer?.Keys.All.Where(k => k.KeyId == jws?.KeyId).Select(k => k.Algorithm) ?? []),
            (TokenRejection.SignatureInvalid, _) => "none: it was signed by another key of the same `kid`, or changed since",
            (TokenRejection.ClaimMissing, "iss") => "`trustDomain`, for JWT-SVIDs; else none",
            (TokenRejection.ClaimMissing, "aud") => "`audienceClaim`",
            (TokenRejection.ClaimMissing, "sub") => "`principal.id`",
            (TokenRejection.ClaimMissing, "iat") => "`issuedAtOptional`",
            (TokenRejection.ClaimMissing, "exp") => "none: a token needs an end",
            (TokenRejection.ClaimMissing or TokenRejection.ClaimMalformed or TokenRejection.ClaimNotAllowed, { } claim)
                when issuer is not null && OptionOf(claim, issuer) is { } option => $"`{option}`",
            (TokenRejection.ClaimMalformed, "exp" or "iat" or "nbf") =>
                "none: expected a number of seconds since 1970, up to the year 9999",
            (TokenRejection.ClaimMalformed, _) => "none: the claim has a form that the standards do not allow",
            (TokenRejection.Expired or TokenRejection.NotYetValid, _) =>
                $"none, or `clockSkewSeconds` up to {Issuer.MaxClockSkew.TotalSeconds} if clocks differ",
            (TokenRejection.AudienceMismatch, _) => $"`audiences`: configured is {string.Join(", ", issuer?.Audiences ?? [])}",
            (TokenRejection.ProofMissing or TokenRejection.ProofInvalid, _) =>
                "none: the token is bound to a key or certificate, and a call has to bring its proof",
            _ => "none",
        };
    }

    /// <summary>The option that names a claim.</summary>
    private static string? OptionOf(string claim, Issuer issuer) =>
        issuer.TrustDomain is not null && claim == Claim.Subject.Name ? "trustDomain"
        : issuer.Tenant is { } tenant && issuer.RequiredClaims.LastOrDefault(r => r.Path.Text == claim)?.Values is [var only]
            && only.IsText(tenant) ? "tenantClaim` and `tenants"
        : issuer.RequiredClaims.Any(r => r.Path.Text == claim) ? "requiredClaims"
        : issuer.Principal.Id?.Text == claim ? "principal.id"
        : issuer.AudienceClaim?.Text == claim ? "audienceClaim"
        : issuer.ClientIdClaim?.Text == claim ? "clientIdClaim"
        : issuer.Principal.Required.Any(r => r.Text == claim) ? "principal.required"
        : issuer.Principal.Attributes.Values.Any(a => a.Text == claim) ? "principal.attributes"
        : issuer.Principal.Parents.Keys.Any(p => p.Text == claim) ? "principal.parents"
        : null;

    private static Issuer? FindOf(JsonElement claims, IssuerSet issuers)
    {
        var reader = new ClaimReader(claims);
        return issuers.Find(ref reader);
    }

    private static JsonElement? ClaimsOf(CompactJws jws)
    {
        if (StrictJson.TryParseObject(jws.Payload, out var parsed) != TokenRejection.None)
            return null;

        using var document = parsed!;
        return document.RootElement.Clone();
    }

    /// <summary>Who runs this names the issuer, and so may reach it wherever it is.</summary>
    private KeySetClient ClientOf(Uri url) =>
        new(new IssuerHttp(new IssuerHosts { PrivateHosts = [url.Host], Ca = ca }, NullLogger<IssuerHttp>.Instance));

    private static bool IsFailure(Exception e, CancellationToken cancellation) =>
        e is HttpRequestException or OperationCanceledException or IOException && !cancellation.IsCancellationRequested;

    private static string Describe(KeySet keys) => string.Join(", ", keys.All.Take(10).Select(k => $"{Shown(k.KeyId)} ({k.Algorithm})"))
        + (keys.All.Count() > 10 ? $" and {keys.All.Count() - 10} more" : "");

    private static string Shown(JsonElement? claims, string name) => claims is { } all && all.TryGetProperty(name, out var value)
        ? Shown(value.ValueKind == JsonValueKind.String ? value.GetString() : value.GetRawText()) : "absent";

    private static string Shown(string? text) => text is null ? "absent"
        : string.Concat(text.Take(MaxShown).Select(c => char.IsLetterOrDigit(c) || c is >= ' ' and <= '~' ? c : '?'))
            + (text.Length > MaxShown ? "..." : "");
}
