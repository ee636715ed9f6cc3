using System.Runtime.CompilerServices;
using AuthSidecar.Cedar;
using AuthSidecar.Policies;
using AuthSidecar.Tokens;

namespace AuthSidecar.Decisions;

/// <summary>
/// What a verified token means to policies: its principal, and <c>context.token</c>. Facts like the token itself, so made once for each and
/// kept for as long as the token is remembered.
/// </summary>
internal sealed class TokenFacts
{
    private static readonly ConditionalWeakTable<VerifiedToken, TokenFacts> Known = [];

    private TokenFacts(VerifiedToken token) => (Principal, Context) = (TokenPrincipal.Of(token), RequestContext.TokenRecord(token, proof: null));

    public GivenEntity Principal { get; }

    public ValueRecord Context { get; }

    public static TokenFacts Of(VerifiedToken token) => Known.GetValue(token, static t => new TokenFacts(t));
}
