namespace AuthSidecar.ControlPlane.Secrets;

/// <summary>A key of HashiCorp Vault's transit engine: the master key never leaves Vault.</summary>
/// <remarks>https://developer.hashicorp.com/vault/api-docs/secret/transit: read key, encrypt data, decrypt data.</remarks>
internal sealed class TransitKeyVault(HttpClient http, string key, Func<string> readToken) : KeyVault
{
    private static readonly TimeSpan AnswerWithin = TimeSpan.FromSeconds(10);

    /// <summary>Reads <c>https://HOST:PORT/KEY</c>, or with the path where the engine is mounted,
    /// <c>https://HOST:PORT/MOUNT/KEY</c>.</summary>
    /// <exception cref="FormatException">The text is not an address of a Vault key.</exception>
    public static TransitKeyVault At(string text, string tokenFile)
    {
        if (!Uri.TryCreate(text, UriKind.Absolute, out var address)
            || !(address.Scheme == Uri.UriSchemeHttps || (address.Scheme == Uri.UriSchemeHttp && address.IsLoopback))
            || address.AbsolutePath.Trim('/').Split('/') is not { Length: 1 or 2 } parts
            || parts.Any(p => p.Length == 0)
            || address.Query.Length > 0)
        {
            throw new FormatException($"`vault:{text}` is not a key in Vault such as `vault:https://vault:8200/authsidecar`");
        }

        var mount = parts.Length == 2 ? parts[0] : "transit";
        return new TransitKeyVault(
            new HttpClient { BaseAddress = new Uri(address, $"/v1/{mount}/"), Timeout = AnswerWithin }, parts[^1],
            () => File.ReadAllText(tokenFile).Trim());
    }

    public override async Task<string> CurrentKeyIdAsync(CancellationToken cancellation)
    {
        var data = await CallAsync(HttpMethod.Get, $"keys/{key}", content: null, cancellation);
        return data["latest_version"] is JsonValue version && version.TryGetValue(out int number) ? IdOf(number) : throw NotUnderstood();
    }

    public override async Task<WrappedKey> WrapAsync(byte[] dataKey, CancellationToken cancellation)
    {
        var data = await CallAsync(HttpMethod.Post, $"encrypt/{key}", new JsonObject { ["plaintext"] = Convert.ToBase64String(dataKey) },
            cancellation);
        // `vault:v3:…`
        return data["ciphertext"]?.GetValue<string>() is { } text && text.Split(':') is ["vault", ['v', .. var version], _]
            && int.TryParse(version, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? new WrappedKey(IdOf(number), Encoding.ASCII.GetBytes(text))
            : throw NotUnderstood();
    }

    public override async Task<byte[]> UnwrapAsync(WrappedKey wrapped, CancellationToken cancellation)
    {
        var data = await CallAsync(
            HttpMethod.Post, $"decrypt/{key}", new JsonObject { ["ciphertext"] = Encoding.ASCII.GetString(wrapped.Bytes) }, cancellation);
        var dataKey = new byte[KeyBytes];
        return data["plaintext"]?.GetValue<string>() is { } text && Convert.TryFromBase64String(text, dataKey, out var length)
            && length == KeyBytes
            ? dataKey
            : throw NotUnderstood();
    }

    private string IdOf(int version) => string.Create(CultureInfo.InvariantCulture, $"vault:{key}:v{version}");

    private async Task<JsonObject> CallAsync(HttpMethod method, string path, JsonObject? content, CancellationToken cancellation)
    {
        try
        {
            using var request = new HttpRequestMessage(method, path);
            request.Headers.Add("X-Vault-Token", readToken());
            request.Headers.Add("X-Vault-Request", "true");
            request.Content = content is null ? null : new StringContent(content.ToJsonString(), Encoding.UTF8, "application/json");
            using var response = await http.SendAsync(request, cancellation);
            var text = await response.Content.ReadAsStringAsync(cancellation);
            if (response.StatusCode != HttpStatusCode.OK)
            {
                // Its errors name paths and policies, never what was sent.
                var errors = JsonNode.Parse(text.Length == 0 ? "{}" : text)?["errors"] is JsonArray list
                    ? string.Join("; ", list.Select(e => e?.ToString())) : "";
                throw new KeyVaultException(
                    $"Vault request `{path}` failed: HTTP status {(int)response.StatusCode}{(errors.Length > 0 ? $": {errors}" : "")}");
            }

            return JsonNode.Parse(text)?["data"] as JsonObject ?? throw NotUnderstood();
        }
        catch (Exception e) when (e is HttpRequestException or System.Text.Json.JsonException or IOException or UnauthorizedAccessException
            or InvalidOperationException
            || (e is TaskCanceledException && !cancellation.IsCancellationRequested))
        {
            throw new KeyVaultException($"Vault request `{path}` to {http.BaseAddress?.Authority} failed: {e.Message}", e);
        }
    }

    private static KeyVaultException NotUnderstood() => new("unexpected response from Vault");
}
