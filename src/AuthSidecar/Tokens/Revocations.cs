using System.Collections.Frozen;

namespace AuthSidecar.Tokens;

/// <summary>
/// What was revoked: single tokens by <c>jti</c>, and everything issued before some moment in a session or to a subject. Never by a
/// token's text or hash, for one token has many texts. Immutable.
/// </summary>
/// <param name="tokens">Single tokens.</param>
/// <param name="sessionsNotBefore">Sessions, each with the first moment from which on its tokens are good; of several the latest counts.</param>
/// <param name="subjectsNotBefore">Subjects, likewise.</param>
internal sealed class Revocations(
    IEnumerable<Revocations.Key> tokens,
    IEnumerable<KeyValuePair<Revocations.Key, long>> sessionsNotBefore,
    IEnumerable<KeyValuePair<Revocations.Key, long>> subjectsNotBefore)
{
    private readonly FrozenSet<Key> _tokens = tokens.ToFrozenSet();
    private readonly FrozenDictionary<Key, long> _sessions = LatestOf(sessionsNotBefore).ToFrozenDictionary();
    private readonly FrozenDictionary<Key, long> _subjects = LatestOf(subjectsNotBefore).ToFrozenDictionary();

    public static readonly Revocations None = new([], [], []);

    /// <summary>These and more.</summary>
    public Revocations With(Revocations more) => new(
        _tokens.Union(more._tokens), _sessions.Concat(more._sessions), _subjects.Concat(more._subjects));

    public bool Contains(VerifiedToken token) =>
        (token.TokenId is { } id && _tokens.Contains(new Key(token.Issuer.Name, id)))
        || (token.SessionId is { } session && _sessions.TryGetValue(new Key(token.Issuer.Name, session), out var from) && token.IssuedAt < from)
        || (_subjects.TryGetValue(new Key(token.Issuer.Name, token.Subject), out from) && token.IssuedAt < from);

    private static IEnumerable<KeyValuePair<Key, long>> LatestOf(IEnumerable<KeyValuePair<Key, long>> notBefore) =>
        notBefore.GroupBy(e => e.Key).Select(g => KeyValuePair.Create(g.Key, g.Max(e => e.Value)));

    /// <summary>An issuer's token, session or subject. Issuers are kept apart: two may well use the same id.</summary>
    public readonly record struct Key(string Issuer, string Id);
}
