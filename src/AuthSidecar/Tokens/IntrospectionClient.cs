using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;

namespace AuthSidecar.Tokens;

/// <summary>Asks an issuer about a token (RFC 7662).</summary>
internal sealed class IntrospectionClient(IssuerHttp http, IntrospectionClients clients)
{
    /// <summary>What the issuer says: the token with its claims, or why it is not one to accept.</summary>
    /// <param name="token">The token.</param>
    /// <param name="issuer">Whose it would be.</param>
    /// <param name="until">When it expires as far as we know, where the issuer does not say.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <exception cref="HttpRequestException">It could not be asked, or did not answer as it should.</exception>
    /// <exception cref="OperationCanceledException">It took too long.</exception>
    public async Task<TokenResult> AskAsync(string token, Issuer issuer, DateTimeOffset until, CancellationToken cancellation)
    {
        if (clients.Find(issuer) is not { } client)
        {
            throw new HttpRequestException("there is nothing to ask it with at that address: see `--introspection-clients`");
        }

        using var request = new HttpRequestMessage(HttpMethod.Post, issuer.IntrospectionUrl)
        {
            Content = new FormUrlEncodedContent([new("token", token), new("token_type_hint", "access_token")]),
        };
        // RFC 6749, section 2.3.1: encoded as in a form, and then as RFC 7617 wants it.
        var credentials = $"{WebUtility.UrlEncode(client.ClientId)}:{WebUtility.UrlEncode(client.ClientSecret)}";
        request.Headers.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.ASCII.GetBytes(credentials)));
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("application/json"));
        using var response = await http.SendAsync(request, cancellation);
        return response.StatusCode == HttpStatusCode.OK
            ? Read(await response.Content.ReadAsByteArrayAsync(cancellation), issuer, until)
            : throw new HttpRequestException($"it answers {(int)response.StatusCode}");
    }

    /// <exception cref="HttpRequestException">It is not what an issuer says of a token.</exception>
    private static TokenResult Read(byte[] body, Issuer issuer, DateTimeOffset until)
    {
        if (StrictJson.TryParseObject(body, out var parsed) != TokenError.None)
        {
            throw new HttpRequestException("its answer is no JSON object");
        }

        using var answer = parsed!;
        var said = answer.RootElement;
        if (!said.TryGetProperty("active", out var active) || active.ValueKind is not (JsonValueKind.True or JsonValueKind.False))
        {
            throw new HttpRequestException("its answer does not say whether the token is `active`");
        }

        if (!active.GetBoolean())
        {
            return TokenResult.Reject(TokenError.Inactive);
        }

        var claims = new ClaimReader(said);
        var (issuerName, type) = (claims.OptionalString("iss"), claims.OptionalString("token_type"));
        return issuerName is not null && issuerName != issuer.Name ? TokenResult.Reject(TokenError.IssuerUnknown)
            // A refresh token is active as well, and no access token (RFC 8725, section 3.12).
            : type is not null && !IsAccessToken(type) ? TokenResult.Reject(TokenError.TypeNotAllowed)
            : VerifiedToken.ReadIntrospected(ref claims, issuer, body, until.ToUnixTimeSeconds()) is var read && read.IsValid && IsDpop(type) && read.Token.KeyThumbprint is null
                // It wants proofs, and does not say of which key.
                ? TokenResult.Reject(TokenError.ClaimMissing, "cnf")
                : read;
    }

    private static bool IsDpop(string? type) => "DPoP".Equals(type, StringComparison.OrdinalIgnoreCase);

    /// <summary>RFC 6749, section 7.1; some say what it is instead of how it is used.</summary>
    private static bool IsAccessToken(string type) =>
        type.Equals("Bearer", StringComparison.OrdinalIgnoreCase) || IsDpop(type) || type.Equals("access_token", StringComparison.OrdinalIgnoreCase);
}
