namespace AuthSidecar.ControlPlane.Secrets;

/// <summary>The SHA-256 of a text in lower-case hexadecimal: how random secrets are stored and looked up. Not for passwords, which can be
/// guessed.</summary>
internal static class TextHash
{
    public static string Of(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
}
