using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.Caching.Memory;

namespace AuthSidecar.Tokens;

/// <summary>Remembers verified tokens, so that a signature is checked once and not at every call.</summary>
/// <remarks>
/// Keyed by the whole text of the token. An entry counts only while its issuer is the very object that the snapshot has: when keys
/// change the object does, and every token of that issuer is verified again.
/// </remarks>
internal sealed class VerifiedTokenCache : IDisposable
{
    private readonly MemoryCache _cache;

    /// <param name="capacity">How many tokens to remember at most.</param>
    public VerifiedTokenCache(int capacity) => _cache = new MemoryCache(new MemoryCacheOptions { SizeLimit = capacity, CompactionPercentage = 0.1 });

    public bool TryGet(string text, IssuerSet issuers, [NotNullWhen(true)] out VerifiedToken? token)
    {
        token = _cache.TryGetValue(text, out var entry) ? (VerifiedToken)entry! : null;
        if (token is null || ReferenceEquals(issuers.Find(token.Issuer.Name), token.Issuer))
        {
            return token is not null;
        }

        token = null;
        return false;
    }

    public void Add(string text, VerifiedToken token)
    {
        using var entry = _cache.CreateEntry(text);
        entry.Value = token;
        entry.Size = 1;
        // Only to make room: whether the token has expired is asked at every use. The skew is left out, since some tokens expire at the end of time.
        entry.AbsoluteExpiration = DateTimeOffset.FromUnixTimeSeconds(token.ExpiresAt);
    }

    public void Dispose() => _cache.Dispose();
}
