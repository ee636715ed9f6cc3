namespace AuthSidecar.Issuers;

/// <summary>Opaque tokens, by what their issuers have answered about them (RFC 7662): facts, each for a minute at most.</summary>
/// <remarks>Whoever comes with a token that is not known waits for its issuer, who is asked once for all who wait; nobody else waits for
/// anybody. What is in use is asked about again in the background, in time, so that an issuer that is slow, or away for a moment, is not
/// noticed; one that is away for longer is, and then nothing of its is accepted.</remarks>
internal sealed class OpaqueTokens(IntrospectionClient client, TimeProvider time, ILogger<OpaqueTokens> logger)
{
    /// <summary>How old the answer about a token in use may be before its issuer is asked again.</summary>
    public static readonly TimeSpan RenewAfter = TimeSpan.FromSeconds(30);

    /// <summary>Longer ones are nobody's.</summary>
    private const int MaxLength = 1024;

    /// <summary>RFC 6750, section 2.1, but for the padding.</summary>
    private static readonly SearchValues<char> Alphabet = SearchValues.Create(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/");

    /// <summary>Each issuer's by itself: one that is slow keeps no other's waiting, and answers die with the configuration that they were
    /// asked for by.</summary>
    private readonly ConditionalWeakTable<Issuer, IssuerIntrospection> _introspections = [];

    /// <summary>Whether nobody has to be asked before the token can be judged, now and while somebody waits for others.</summary>
    public bool IsKnown(Secret token, IssuerSet issuers) =>
        issuers.FindOpaque(token.Reveal()) is not { } issuer
        || !IsWellFormed(token.Reveal())
        || IntrospectionAt(issuer).Find(token.Reveal(), time.GetUtcNow() + IssuerIntrospection.Timeout) is not null;

    /// <summary>Asks the issuer, if it has to be asked; over when it has answered, or will not in time.</summary>
    public async Task AskAsync(Secret token, IssuerSet issuers)
    {
        if (IsKnown(token, issuers))
            return;

        try
        {
            await IntrospectionAt(issuers.FindOpaque(token.Reveal())!).AskAsync(token.Reveal()).WaitAsync(IssuerIntrospection.Timeout,
                time);
        }
        catch (TimeoutException)
        {
            // It goes on, for those who ask again.
        }
    }

    /// <summary>What is known of it.</summary>
    public TokenResult Find(string token, Issuer issuer, DateTimeOffset now)
    {
        if (!IsWellFormed(token))
            return TokenResult.Reject(token.Length > MaxLength ? TokenRejection.TooLarge : TokenRejection.Malformed);

        var introspection = IntrospectionAt(issuer);
        if (introspection.Find(token, now) is not { } answer)
            return TokenResult.Reject(TokenRejection.IntrospectionPending);

        if (answer.Result.IsValid && now - answer.AnsweredAt >= RenewAfter)
        {
            // For those who come after.
            introspection.Renew(token);
        }

        return answer.Result;
    }

    /// <summary>What a token is made of, and what may therefore be sent to an issuer as one.</summary>
    private static bool IsWellFormed(string token) =>
        token.Length is > 0 and <= MaxLength && token.AsSpan().TrimEnd('=') is { Length: > 0 } body && !body.ContainsAnyExcept(Alphabet);

    private IssuerIntrospection IntrospectionAt(Issuer issuer) => _introspections.GetValue(
        issuer, i => new IssuerIntrospection(i, client, time, logger));
}
