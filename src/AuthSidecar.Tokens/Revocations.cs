using System.Collections.Frozen;

namespace AuthSidecar.Tokens;

/// <summary>What was revoked: single tokens by <c>jti</c>, and everything issued up to some second in a session or to a subject. Never by a
/// token's text or hash, for one token has many texts. Immutable.</summary>
/// <param name="entries">Where two speak of the same, what reaches further counts.</param>
internal sealed class Revocations(IEnumerable<KeyValuePair<Revocations.Key, Revocations.Extent>> entries)
{
    public static readonly Revocations None = new([]);

    private readonly FrozenDictionary<Key, Extent> _entries = entries
        .GroupBy(e => e.Key, e => e.Value)
        .Select(g => KeyValuePair.Create(g.Key, new Extent(g.Max(e => e.NotBefore), g.Max(e => e.ExpiresAt))))
        .ToFrozenDictionary();

    public int Count => _entries.Count;

    public bool Contains(VerifiedToken token) => Count > 0
        && ((token.TokenId is { } id && Contains(Target.Token, id, token))
            || (token.SessionId is { } session && Contains(Target.Session, session, token))
            || Contains(Target.Subject, token.Subject, token));

    /// <summary>These and more, without those that have nothing left to revoke.</summary>
    public Revocations With(Revocations more, DateTimeOffset now)
    {
        var seconds = now.ToUnixTimeSeconds();
        return new Revocations(_entries.Concat(more._entries).Where(e => e.Value.ExpiresAt > seconds));
    }

    private bool Contains(Target target, string id, VerifiedToken token) =>
        _entries.TryGetValue(new Key(target, token.Issuer.Name, id), out var extent) && extent.Covers(token.IssuedAt);

    /// <summary>What is revoked.</summary>
    public enum Target
    {
        Token,
        Session,
        Subject,
    }

    /// <summary>An issuer's token, session or subject. Issuers are kept apart: two may well use the same id.</summary>
    public readonly record struct Key(Target Target, string Issuer, string Id);

    /// <summary>How far a revocation reaches, in seconds since 1970.</summary>
    /// <param name="NotBefore">Tokens issued in this second or before it are not good: `iat` does not say when in its second a token was
    /// issued.</param>
    /// <param name="ExpiresAt">From here on all of these have expired by themselves.</param>
    public readonly record struct Extent(long NotBefore, long ExpiresAt = long.MaxValue)
    {
        public bool Covers(long issuedAt) => issuedAt <= NotBefore;
    }
}
