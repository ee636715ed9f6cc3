using System.Net.Http.Headers;
using AuthSidecar.Tokens;

namespace AuthSidecar.ControlPlane.Sidecars.Enrolment.Kubernetes;

/// <summary>The API server of a cluster is unavailable.</summary>
internal sealed class ClusterUnavailableException(string message) : Exception(message);

/// <summary>A client of a cluster's API server: its key set, and TokenReview (authentication.k8s.io/v1).</summary>
internal sealed partial class ClusterApi(ClusterSettings settings, TimeProvider time, ILogger logger)
{
    private const int MaxResponseBytes = 1024 * 1024;
    private const int ReviewsAtOnce = 16;

    private static readonly TimeSpan AnswerWithin = TimeSpan.FromSeconds(5);

    /// <summary>How long a fetched key set is cached; an unknown key ID has it fetched sooner.</summary>
    private static readonly TimeSpan KeysFor = TimeSpan.FromMinutes(5);

    /// <summary>The shortest time between two fetches: unknown key IDs, and failures, cost no more than this.</summary>
    private static readonly TimeSpan AskKeysEvery = TimeSpan.FromSeconds(10);

    /// <summary>How long connections are reused; then the CA file is read again.</summary>
    private static readonly TimeSpan ClientFor = TimeSpan.FromMinutes(5);

    private readonly SemaphoreSlim _reading = new(1);
    private readonly SemaphoreSlim _reviews = new(ReviewsAtOnce);
    private readonly Lock _connecting = new();
    private KeySet? _keys;
    private long? _keysAt;
    private string _keysFault = "";
    private HttpClient? _client;
    private long _clientAt;

    /// <summary>The cluster's keys.</summary>
    /// <param name="renew">Whether to fetch the key set again although it is cached, for an unknown key ID.</param>
    /// <exception cref="ClusterUnavailableException">The key set cannot be fetched, and none is cached.</exception>
    public async Task<KeySet> KeysAsync(bool renew, CancellationToken cancellation)
    {
        await _reading.WaitAsync(cancellation);
        try
        {
            if (_keysAt is { } at && time.GetElapsedTime(at) < (renew || _keys is null ? AskKeysEvery : KeysFor))
                return _keys ?? throw new InvalidDataException(_keysFault);

            _keysAt = time.GetTimestamp();
            var faults = new List<Fault>();
            var read = KeySetReader.Read(settings.KeySet!, await ReadKeySetAsync(cancellation), KeySetRules.Default, faults);
            (_keys, _keysFault) = faults.Count > 0 ? throw new InvalidDataException(faults[0].Message) : (read, "");
            return _keys;
        }
        catch (Exception e) when (!cancellation.IsCancellationRequested)
        {
            var fault = Describe(e);
            if (_keys is not null && fault != _keysFault)
            {
                // Once for each reason; without cached keys it is the reason of each refusal.
                Log.KeysNotFetched(logger, settings.KeySet!, fault);
            }

            _keysFault = fault;
            return _keys ?? throw new ClusterUnavailableException($"failed to fetch the key set `{settings.KeySet}`: {fault}");
        }
        finally
        {
            _reading.Release();
        }
    }

    /// <summary>Verifies a token by TokenReview.</summary>
    /// <returns>The pod that the token is bound to, or why it is rejected; both null: it is valid, but not bound to a pod.</returns>
    /// <exception cref="ClusterUnavailableException">The API server did not answer.</exception>
    public async Task<(Pod? Pod, string? Refusal)> ReviewAsync(string token, CancellationToken cancellation)
    {
        if (!await _reviews.WaitAsync(AnswerWithin, cancellation))
            throw new ClusterUnavailableException($"TokenReview at `{settings.TokenReview}` failed: too many concurrent requests");

        try
        {
            var review = new JsonObject
            {
                ["apiVersion"] = "authentication.k8s.io/v1",
                ["kind"] = "TokenReview",
                ["spec"] = new JsonObject { ["token"] = token, ["audiences"] = new JsonArray(settings.Audience) },
            };
            using var request = new HttpRequestMessage(HttpMethod.Post, settings.TokenReview) { Content = JsonContent.Create(review) };
            using var response = await SendAsync(request, cancellation);
            using var answer = await JsonDocument.ParseAsync(
                await response.Content.ReadAsStreamAsync(cancellation), cancellationToken: cancellation);
            return Read(answer.RootElement.GetProperty("status"));
        }
        catch (Exception e) when (!cancellation.IsCancellationRequested)
        {
            throw new ClusterUnavailableException($"TokenReview at `{settings.TokenReview}` failed: {Describe(e)}");
        }
        finally
        {
            _reviews.Release();
        }
    }

    private (Pod? Pod, string? Refusal) Read(JsonElement status)
    {
        if (!status.TryGetProperty("authenticated", out var authenticated) || authenticated.ValueKind != JsonValueKind.True)
        {
            return (null, status.TryGetProperty("error", out var error) && error.GetString() is { Length: > 0 } why ? why
                : "not authenticated by the API server");
        }

        // An API server that does not support audiences returns none (TokenReviewStatus): then the audience was not checked.
        if (!status.TryGetProperty("audiences", out var audiences)
            || !audiences.EnumerateArray().Any(a => a.GetString() == settings.Audience))
        {
            return (null, $"AudienceMismatch: the audience of the projected token must be `{settings.Audience}`");
        }

        var user = status.GetProperty("user");
        return (Pod.TryCreate(settings.Issuer, user.GetProperty("username").GetString(), Extra(user, "pod-name"), Extra(user, "pod-uid")),
            null);
    }

    private static string? Extra(JsonElement user, string name) =>
        user.TryGetProperty("extra", out var extra) && extra.ValueKind == JsonValueKind.Object
            && extra.TryGetProperty($"authentication.kubernetes.io/{name}", out var values) && values.GetArrayLength() == 1
            ? values[0].GetString() : null;

    private async Task<byte[]> ReadKeySetAsync(CancellationToken cancellation)
    {
        if (!settings.KeySet!.StartsWith("https:", StringComparison.Ordinal))
            return await File.ReadAllBytesAsync(settings.KeySet, cancellation);

        using var request = new HttpRequestMessage(HttpMethod.Get, settings.KeySet);
        using var response = await SendAsync(request, cancellation);
        return await response.Content.ReadAsByteArrayAsync(cancellation);
    }

    private async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellation)
    {
        if (settings.TokenFile is { } file)
        {
            // The kubelet replaces it.
            request.Headers.Authorization = new AuthenticationHeaderValue(
                "Bearer", (await File.ReadAllTextAsync(file, cancellation)).Trim());
        }

        var response = await Client().SendAsync(request, cancellation);
        if (!response.IsSuccessStatusCode)
        {
            using (response)
            {
                throw new HttpRequestException($"HTTP status {(int)response.StatusCode}");
            }
        }

        return response;
    }

    private HttpClient Client()
    {
        lock (_connecting)
        {
            if (_client is null || time.GetElapsedTime(_clientAt) >= ClientFor)
            {
                // The previous one is not disposed of: requests may be in flight.
                (_client, _clientAt) = (CreateClient(), time.GetTimestamp());
            }

            return _client;
        }
    }

    private HttpClient CreateClient()
    {
        var handler = new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseProxy = false,
            PooledConnectionIdleTimeout = TimeSpan.FromSeconds(30),
        };
        if (settings.Ca is not null)
        {
            var chain = new X509ChainPolicy
            {
                TrustMode = X509ChainTrustMode.CustomRootTrust,
                RevocationMode = X509RevocationMode.NoCheck,
                DisableCertificateDownloads = true,
            };
            chain.CustomTrustStore.AddRange(CertificateChains.ReadAuthorities(settings.Ca));
            handler.SslOptions.CertificateChainPolicy = chain;
        }

        return new HttpClient(handler) { Timeout = AnswerWithin, MaxResponseContentBufferSize = MaxResponseBytes };
    }

    private static partial class Log
    {
        [LoggerMessage(35, LogLevel.Error, "failed to fetch key set {KeySet}, using cached keys: {Error}",
            EventName = "ClusterKeySetFailed")]
        public static partial void KeysNotFetched(ILogger logger, string keySet, string error);
    }

    private string Describe(Exception e) => e switch
    {
        TaskCanceledException => $"no answer within {AnswerWithin.TotalSeconds} seconds",
        InvalidDataException => e.Message,
        _ => e.GetBaseException().Message,
    };
}
