using System.Net.Http.Headers;

namespace AuthSidecar.Issuers;

/// <summary>What came of asking for a key set.</summary>
/// <param name="Body">The key set; null: it is what it was.</param>
/// <param name="ETag">What to ask with the next time.</param>
internal readonly record struct FetchedKeySet(byte[]? Body, string? ETag);

/// <summary>Fetches key sets (RFC 7517, section 5), and before them what says where they are.</summary>
internal sealed class KeySetClient(IssuerHttp http)
{
    /// <exception cref="HttpRequestException">It could not be fetched, and why; also when it is too large, or would lead
    /// elsewhere.</exception>
    /// <exception cref="OperationCanceledException">The request timed out.</exception>
    public async Task<FetchedKeySet> FetchAsync(KeySetSource source, string? etag, CancellationToken cancellation) =>
        source.IsDiscovered
            // Its ETag may be of another address than the metadata says now.
            ? await FetchAsync(await DiscoverAsync(source.Url, cancellation), null, cancellation)
            : await FetchAsync(source.Url, etag, cancellation);

    /// <summary>Where an issuer's key set is, by its metadata (OpenID Connect Discovery 1.0, section 4; or RFC 8414, section 3).</summary>
    /// <exception cref="HttpRequestException">It could not be fetched, or is not that of the issuer.</exception>
    /// <exception cref="OperationCanceledException">The request timed out.</exception>
    public async Task<Uri> DiscoverAsync(Uri issuer, CancellationToken cancellation)
    {
        using var openId = await GetAsync(IssuerMetadata.OpenIdUrlOf(issuer), null, cancellation);
        if (openId.StatusCode != HttpStatusCode.NotFound)
            return IssuerMetadata.KeySetUrlOf(await BodyOf(openId, cancellation), issuer);

        using var oauth = await GetAsync(IssuerMetadata.OAuthUrlOf(issuer), null, cancellation);
        return IssuerMetadata.KeySetUrlOf(await BodyOf(oauth, cancellation), issuer);
    }

    private async Task<FetchedKeySet> FetchAsync(Uri url, string? etag, CancellationToken cancellation)
    {
        using var response = await GetAsync(url, etag, cancellation);
        if (response.StatusCode == HttpStatusCode.NotModified && etag is not null)
            return new FetchedKeySet(null, etag);

        return new FetchedKeySet(await BodyOf(response, cancellation), response.Headers.ETag?.ToString());
    }

    private async Task<HttpResponseMessage> GetAsync(Uri url, string? etag, CancellationToken cancellation)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, url);
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("application/json"));
        if (etag is not null)
            request.Headers.TryAddWithoutValidation("If-None-Match", etag);

        return await http.SendAsync(request, cancellation);
    }

    private static async Task<byte[]> BodyOf(HttpResponseMessage response, CancellationToken cancellation) =>
        response.StatusCode == HttpStatusCode.OK ? await response.Content.ReadAsByteArrayAsync(cancellation)
            : throw new HttpRequestException($"HTTP status {(int)response.StatusCode} of {response.RequestMessage?.RequestUri}");
}
