namespace AuthSidecar.Issuers;

/// <summary>The metadata of an issuer: where it is, and where it says that the key set is.</summary>
internal static class IssuerMetadata
{
    private const int MaxShown = 200;

    /// <summary>OpenID Connect Discovery 1.0, section 4.1: after the issuer's path.</summary>
    public static Uri OpenIdUrlOf(Uri issuer) => new($"{issuer.AbsoluteUri.TrimEnd('/')}/.well-known/openid-configuration");

    /// <summary>RFC 8414, section 3.1: before the issuer's path.</summary>
    public static Uri OAuthUrlOf(Uri issuer) =>
        new($"{issuer.GetLeftPart(UriPartial.Authority)}/.well-known/oauth-authorization-server{issuer.AbsolutePath.TrimEnd('/')}");

    /// <summary>Where the key set is.</summary>
    /// <exception cref="HttpRequestException">The metadata is not that of the issuer, or does not say.</exception>
    public static Uri KeySetUrlOf(byte[] metadata, Uri issuer)
    {
        if (StrictJson.TryParseObject(metadata, out var parsed) != TokenRejection.None)
            throw new HttpRequestException("the metadata is not a JSON object");

        using var document = parsed!;
        // Section 4.3: the issuer in it is the one that was asked, or somebody else's metadata is at this address.
        var name = TextOf(document.RootElement, "issuer") ?? "";
        if (name != issuer.OriginalString)
        {
            throw new HttpRequestException(
                $"the metadata is of issuer `{ForeignText.Show(name, MaxShown)}`, not `{issuer.OriginalString}`");
        }

        return TextOf(document.RootElement, "jwks_uri") is { } text && Uri.TryCreate(text, UriKind.Absolute, out var url)
            && url.Scheme == Uri.UriSchemeHttps ? url : throw new HttpRequestException("the metadata has no `https:` URL as `jwks_uri`");
    }

    private static string? TextOf(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}
