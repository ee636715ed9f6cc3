namespace AuthSidecar.ControlPlane.Identity.Clients;

/// <summary>What tokens are bound to: the key of a DPoP proof (RFC 9449), or a certificate that a connection was made with (RFC 8705). The
/// default is nothing.</summary>
/// <param name="Member">The member of <c>cnf</c> that names it.</param>
/// <param name="Thumbprint">Its SHA-256, in base64url.</param>
internal readonly record struct BoundKey(string Member, string Thumbprint)
{
    public const string Key = "jkt";
    public const string Certificate = "x5t#S256";

    public bool IsNone => string.IsNullOrEmpty(Thumbprint);

    /// <summary>As grants have it: empty where there is none.</summary>
    public override string ToString() => IsNone ? "" : Member == Key ? Thumbprint : $"{Member}:{Thumbprint}";

    /// <summary>The claim <c>cnf</c> (RFC 7800).</summary>
    public JsonElement ToConfirmation() => JsonSerializer.SerializeToElement(new Dictionary<string, string> { [Member] = Thumbprint });

    /// <summary>Reads what we have written; the default: it names nothing that we know.</summary>
    public static BoundKey Read(string confirmation)
    {
        using var parsed = JsonDocument.Parse(confirmation);
        foreach (var member in new[] { Key, Certificate })
        {
            if (parsed.RootElement.TryGetProperty(member, out var thumbprint) && thumbprint.GetString() is { Length: > 0 } text)
                return new BoundKey(member, text);
        }

        return default;
    }
}
