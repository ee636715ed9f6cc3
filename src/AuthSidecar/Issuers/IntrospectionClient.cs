using System.Net.Http.Headers;

namespace AuthSidecar.Issuers;

/// <summary>Asks an issuer about a token (RFC 7662).</summary>
internal sealed class IntrospectionClient(IssuerHttp http, IntrospectionClients clients)
{
    /// <summary>How access tokens are called: by how they are used (RFC 6749, section 7.1), or by what they are (RFC 8693, section
    /// 3).</summary>
    private static readonly FrozenSet<string> AccessTokens = FrozenSet.Create(
        StringComparer.OrdinalIgnoreCase, "Bearer", "DPoP", "access_token", "access", "urn:ietf:params:oauth:token-type:access_token");

    /// <summary>What says only what a token is made of, or that it is an access token made of that (RFC 9068).</summary>
    private static readonly FrozenSet<string> Formats = FrozenSet.Create(
        StringComparer.OrdinalIgnoreCase, "JWT", "at+jwt", "application/at+jwt");

    /// <summary>What the issuer says: the token with its claims, or why it is not one to accept.</summary>
    /// <param name="issuer">Whose it would be.</param>
    /// <param name="until">When it expires as far as we know, where the issuer does not say.</param>
    /// <exception cref="HttpRequestException">The request failed, or the response is invalid.</exception>
    /// <exception cref="OperationCanceledException">The request timed out.</exception>
    public async Task<TokenResult> AskAsync(string token, Issuer issuer, DateTimeOffset until, CancellationToken cancellation)
    {
        if (clients.Find(issuer) is not { } client)
            throw new HttpRequestException("no introspection client for this URL: see `--introspection-clients`");

        using var request = new HttpRequestMessage(HttpMethod.Post, issuer.IntrospectionUrl)
        {
            Content = new FormUrlEncodedContent([new("token", token), new("token_type_hint", "access_token")]),
        };
        // RFC 6749, section 2.3.1: encoded as in a form, and then as RFC 7617 wants it.
        var credentials = $"{WebUtility.UrlEncode(client.ClientId)}:{WebUtility.UrlEncode(client.ClientSecret)}";
        request.Headers.Authorization = new AuthenticationHeaderValue(
            "Basic", Convert.ToBase64String(Encoding.ASCII.GetBytes(credentials)));
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("application/json"));
        using var response = await http.SendAsync(request, cancellation);
        return response.StatusCode == HttpStatusCode.OK
            ? Read(await response.Content.ReadAsByteArrayAsync(cancellation), issuer, until)
            : throw new HttpRequestException($"HTTP status {(int)response.StatusCode}");
    }

    /// <exception cref="HttpRequestException">The response is not an introspection response (RFC 7662).</exception>
    private static TokenResult Read(byte[] body, Issuer issuer, DateTimeOffset until)
    {
        if (StrictJson.TryParseObject(body, out var parsed) != TokenRejection.None)
            throw new HttpRequestException("the response is not a JSON object");

        using var answer = parsed!;
        var said = answer.RootElement;
        if (!said.TryGetProperty("active", out var active) || active.ValueKind is not (JsonValueKind.True or JsonValueKind.False))
            throw new HttpRequestException("the response has no `active`");

        if (!active.GetBoolean())
            return TokenResult.Reject(TokenRejection.Inactive);

        var claims = new ClaimReader(said);
        var (issuerName, type) = (claims.OptionalString("iss"), claims.OptionalString("token_type"));
        return issuerName is not null && issuerName != issuer.Name ? TokenResult.Reject(TokenRejection.IssuerUnknown)
            : !IsAccessToken(ref claims, said) ? claims.Error == TokenRejection.None ? TokenResult.Reject(TokenRejection.TypeNotAllowed)
                : TokenResult.Reject(claims.Error, claims.FaultyClaim)
            : VerifiedToken.ReadIntrospected(ref claims, issuer, body, until.ToUnixTimeSeconds()) is var read && read.IsValid
                && IsDpop(type) && read.Token.KeyThumbprint is null
                // It wants proofs, and does not say of which key.
                ? TokenResult.Reject(TokenRejection.ClaimMissing, "cnf")
                : read;
    }

    private static bool IsDpop(string? type) => "DPoP".Equals(type, StringComparison.OrdinalIgnoreCase);

    /// <summary>Whether it is an access token by every name that issuers have for kinds of tokens: `token_type` (RFC 7662, section 2.2),
    /// `token_use` (Ory Hydra, Amazon Cognito), `typ` (Keycloak), `events` (logout tokens). Refresh tokens and ID tokens are active as
    /// well, and no access tokens (RFC 8725, section 3.12).</summary>
    private static bool IsAccessToken(ref ClaimReader claims, JsonElement said) =>
        IsAbsentOr(claims.OptionalString("token_type"), AccessTokens)
        && IsAbsentOr(claims.OptionalString("token_use"), AccessTokens)
        && (IsAbsentOr(claims.OptionalString("typ"), AccessTokens) || IsAbsentOr(claims.OptionalString("typ"), Formats))
        && !said.TryGetProperty("events", out _);

    private static bool IsAbsentOr(string? kind, FrozenSet<string> kinds) => kind is null || kinds.Contains(kind);
}
