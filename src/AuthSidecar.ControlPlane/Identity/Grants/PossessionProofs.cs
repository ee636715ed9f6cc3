using AuthSidecar.ControlPlane.Identity.Clients;
using AuthSidecar.Tokens;
using Microsoft.AspNetCore;

namespace AuthSidecar.ControlPlane.Identity.Grants;

/// <summary>Binds tokens to the key of a proof that goes with the request for them (RFC 9449, section 5), or to the certificate that it
/// came in by (RFC 8705, section 3).</summary>
internal sealed class PossessionProofs(
    DpopVerifier verifier, SpentTokens spent, TimeProvider time) : IOpenIddictServerHandler<ValidateTokenRequestContext>
{
    private const string Header = "DPoP";
    private const string InvalidProof = "invalid_dpop_proof";
    private const string KeyProperty = "authsidecar.bound-key";

    /// <summary>Longer than any proof is good for.</summary>
    private static readonly TimeSpan RememberProofs = TimeSpan.FromMinutes(10);

    public async ValueTask HandleAsync(ValidateTokenRequestContext context)
    {
        var request = context.Transaction.GetHttpRequest()!;
        var (headers, certificate) = (request.Headers[Header], ClientCertificates.Of(request.HttpContext));
        if (headers.Count == 0)
        {
            context.Transaction.SetProperty(KeyProperty, certificate.IsNone ? null : (object)certificate);
            return;
        }

        if (!certificate.IsNone)
        {
            context.Reject(InvalidProof, "a DPoP proof and a client certificate are mutually exclusive: send only one of them");
            return;
        }

        var uri = new Uri(context.Options.Issuer!, ServerConstants.TokenPath).AbsoluteUri;
        if (headers is not [{ } proof]
            || verifier.VerifyForToken(new DpopRequest(new Secret(proof), request.Method, uri), Issuer.DefaultClockSkew, time.GetUtcNow(),
                out var key) != TokenRejection.None)
        {
            context.Reject(
                InvalidProof, "invalid DPoP proof: malformed, sent twice, for another request (htm, htu), expired, or already used");
            return;
        }

        // What was signed, and not the signature, of which there are two for everything. The verifier remembers what this node has seen;
        // others have not.
        if (!await spent.TrySpendAsync(
            "dpop", proof[..proof.LastIndexOf('.')], time.GetUtcNow() + RememberProofs, context.CancellationToken))
        {
            context.Reject(InvalidProof, "the DPoP proof was already used");
            return;
        }

        context.Transaction.SetProperty(KeyProperty, (object)new BoundKey(BoundKey.Key, key));
    }

    /// <summary>What possession was proved of; the default: of nothing.</summary>
    public static BoundKey KeyOf(OpenIddictServerTransaction transaction) => transaction.GetProperty<object>(KeyProperty) is BoundKey key
        ? key : default;

    /// <summary>Says that the token wants proofs.</summary>
    internal sealed class Response : IOpenIddictServerHandler<ApplyTokenResponseContext>
    {
        public ValueTask HandleAsync(ApplyTokenResponseContext context)
        {
            if (KeyOf(context.Transaction).Member == BoundKey.Key && context.Response.AccessToken is not null)
                context.Response.TokenType = Header;

            return ValueTask.CompletedTask;
        }
    }

    /// <summary>Takes a token that comes with a proof (section 7.1), which the framework does not know.</summary>
    internal sealed class Extraction : IOpenIddictServerHandler<ExtractUserInfoRequestContext>
    {
        public ValueTask HandleAsync(ExtractUserInfoRequestContext context)
        {
            if (context.Request is { AccessToken: null } request && TokenOf(context.Transaction) is { } token)
                request.AccessToken = token;

            return ValueTask.CompletedTask;
        }
    }

    /// <summary>Whether a token that was shown here is in the right hands: a bound one with its proof, and one with a proof
    /// bound.</summary>
    public bool IsProofValid(OpenIddictServerTransaction transaction, Uri issuer, string path, string? confirmation)
    {
        var (request, token) = (transaction.GetHttpRequest()!, TokenOf(transaction));
        var bound = confirmation is null ? default : BoundKey.Read(confirmation);
        return bound.Member switch
        {
            BoundKey.Key => token is not null && request.Headers[Header] is [{ } proof]
                && verifier.Verify(new DpopRequest(new Secret(proof), request.Method, new Uri(issuer, path).AbsoluteUri), token,
                    bound.Thumbprint, Issuer.DefaultClockSkew, time.GetUtcNow()) == TokenRejection.None,
            BoundKey.Certificate => token is null && ClientCertificates.Of(request.HttpContext) == bound,
            _ => confirmation is null && token is null,
        };
    }

    private static string? TokenOf(OpenIddictServerTransaction transaction) =>
        transaction.GetHttpRequest()!.Headers.Authorization is [{ } header]
            && header.StartsWith(Header + " ", StringComparison.OrdinalIgnoreCase) ? header[(Header.Length + 1)..] : null;
}
