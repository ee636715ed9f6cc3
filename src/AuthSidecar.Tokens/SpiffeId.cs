using System.Buffers;

namespace AuthSidecar.Tokens;

/// <summary>SPIFFE IDs (SPIFFE-ID, section 2): `spiffe://TRUST-DOMAIN/PATH`.</summary>
internal static class SpiffeId
{
    private const string Scheme = "spiffe://";
    private const int MaxBytes = 2048;
    private const int MaxTrustDomainBytes = 255;

    private static readonly SearchValues<char> TrustDomainCharacters = SearchValues.Create("abcdefghijklmnopqrstuvwxyz0123456789.-_");
    private static readonly SearchValues<char> PathCharacters =
        SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_");

    public static bool IsTrustDomain(ReadOnlySpan<char> text) =>
        text.Length is > 0 and <= MaxTrustDomainBytes && !text.ContainsAnyExcept(TrustDomainCharacters);

    /// <summary>The trust domain of the ID of a workload; null: it is not one.</summary>
    public static string? TrustDomainOf(string id)
    {
        if (id.Length > MaxBytes || !id.StartsWith(Scheme, StringComparison.Ordinal))
            return null;

        var rest = id.AsSpan(Scheme.Length);
        var slash = rest.IndexOf('/');
        if (slash < 0 || !IsTrustDomain(rest[..slash]))
            return null;

        var path = rest[(slash + 1)..];
        foreach (var range in path.Split('/'))
        {
            // Neither empty nor relative: an ID has one form.
            if (path[range] is "" or "." or ".." || path[range].ContainsAnyExcept(PathCharacters))
                return null;
        }

        return rest[..slash].ToString();
    }
}
