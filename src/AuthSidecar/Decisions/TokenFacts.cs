using AuthSidecar.Policies;

namespace AuthSidecar.Decisions;

/// <summary>What a verified token means to policies: its principal, and <c>context.token</c>. Facts like the token itself, so made once for
/// each and kept for as long as the token is remembered.</summary>
internal sealed class TokenFacts
{
    private static readonly ConditionalWeakTable<VerifiedToken, TokenFacts> Cache = [];

    private TokenFacts(VerifiedToken token) =>
        (Principal, Context) = (TokenPrincipal.Of(token), RequestContext.TokenRecord(token, proof: null));

    public RequestEntity Principal { get; }
    public ValueRecord Context { get; }
    public static TokenFacts Of(VerifiedToken token) => Cache.GetValue(token, static t => new TokenFacts(t));
}
