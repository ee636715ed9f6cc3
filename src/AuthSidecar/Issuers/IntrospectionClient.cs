using System.Net.Http.Headers;

namespace AuthSidecar.Issuers;

/// <summary>Asks an issuer about a token (RFC 7662).</summary>
internal sealed class IntrospectionClient(IssuerHttp http, IntrospectionClients clients)
{
    // Answers are remembered.
    private const int MaxBytes = 64 * 1024;

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
        if (body.Length > MaxBytes)
            throw new HttpRequestException($"the response is larger than {MaxBytes / 1024} KiB");

        if (StrictJson.TryParseObject(body, out var parsed) != TokenRejection.None)
            throw new HttpRequestException("the response is not a JSON object");

        using var answer = parsed!;
        var said = answer.RootElement;
        if (!said.TryGetProperty("active", out var active) || active.ValueKind is not (JsonValueKind.True or JsonValueKind.False))
            throw new HttpRequestException("the response has no `active`");

        if (!active.GetBoolean())
            return TokenResult.Reject(TokenRejection.Inactive);

        var claims = new ClaimReader(said);
        if (claims.OptionalString(Claim.Issuer) is { } name && name != issuer.Name && !issuer.Aliases.Contains(name))
            return TokenResult.Reject(TokenRejection.IssuerUnknown);

        var isDpop = "DPoP".Equals(claims.OptionalString(Claim.TokenType), StringComparison.OrdinalIgnoreCase);
        var read = VerifiedToken.ReadIntrospected(ref claims, issuer, body, until.ToUnixTimeSeconds());
        // One that wants proofs has to say of which key.
        return read.IsValid && isDpop && read.Token.KeyThumbprint is null ? TokenResult.Reject(TokenRejection.ClaimMissing, "cnf") : read;
    }
}
