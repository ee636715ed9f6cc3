using Microsoft.AspNetCore.WebUtilities;

namespace AuthSidecar.ControlPlane.Identity.Pages;

/// <summary>Where a page goes on to, which is an address of ours with the request of a client in it.</summary>
internal static class ReturnUrl
{
    /// <summary>A parameter of that request; empty when it has none.</summary>
    public static string ParameterOf(string url, string name) =>
        QueryHelpers.ParseQuery(new Uri(new Uri("https://local"), url).Query).TryGetValue(name, out var value) ? value.ToString() : "";

    /// <summary>Of who asks and for what. The challenge is one that nobody else has the verifier of.</summary>
    /// <param name="parameterOf">The request's parameters.</param>
    public static string DigestOf(Func<string, string?> parameterOf) => TextHash.Of(string.Join(
        '\n', new[] { Parameters.ClientId, Parameters.RedirectUri, Parameters.Scope, Parameters.State, Parameters.Nonce,
            Parameters.CodeChallenge }.Select(name => parameterOf(name) ?? "")));
}
