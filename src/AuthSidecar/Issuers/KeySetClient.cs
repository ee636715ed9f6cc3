using System.Net.Http.Headers;

namespace AuthSidecar.Issuers;

/// <summary>What came of asking for a key set.</summary>
/// <param name="Body">The key set; null: it is what it was.</param>
/// <param name="ETag">What to ask with the next time.</param>
internal readonly record struct FetchedKeySet(byte[]? Body, string? ETag);

/// <summary>Fetches key sets (RFC 7517, section 5).</summary>
internal sealed class KeySetClient(IssuerHttp http)
{
    /// <exception cref="HttpRequestException">It could not be fetched, and why; also when it is too large, or would lead
    /// elsewhere.</exception>
    /// <exception cref="OperationCanceledException">The request timed out.</exception>
    public async Task<FetchedKeySet> FetchAsync(Uri url, string? etag, CancellationToken cancellation)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, url);
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("application/json"));
        if (etag is not null)
            request.Headers.TryAddWithoutValidation("If-None-Match", etag);

        using var response = await http.SendAsync(request, cancellation);
        if (response.StatusCode == HttpStatusCode.NotModified && etag is not null)
            return new FetchedKeySet(null, etag);

        return response.StatusCode == HttpStatusCode.OK
            ? new FetchedKeySet(await response.Content.ReadAsByteArrayAsync(cancellation), response.Headers.ETag?.ToString())
            : throw new HttpRequestException($"HTTP status {(int)response.StatusCode}");
    }
}
