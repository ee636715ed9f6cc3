using Microsoft.AspNetCore.WebUtilities;

namespace AuthSidecar.ControlPlane.Pages;

/// <summary>Where a page goes on to, which is an address of ours with the request of a client in it.</summary>
internal static class ReturnUrl
{
    /// <summary>A parameter of that request; empty when it has none.</summary>
    public static string ParameterOf(string url, string name) =>
        QueryHelpers.ParseQuery(new Uri(new Uri("https://local"), url).Query).TryGetValue(name, out var value) ? value.ToString() : "";
}
