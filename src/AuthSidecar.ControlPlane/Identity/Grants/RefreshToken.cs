using System.Buffers.Binary;

namespace AuthSidecar.ControlPlane.Identity.Grants;

/// <summary>A refresh token: the grant that it prolongs, its generation, and 256 bits that nobody can make who has not the key.</summary>
/// <remarks>The secret is derived, and so nothing of it is stored: whoever reads the database has no token, and a client that asks once
/// more gets the same one.</remarks>
internal sealed record RefreshToken(string GrantId, long Generation)
{
    private const string Prefix = "rt";
    private const int MaxLength = 128;

    /// <param name="key">The control plane's key for refresh tokens.</param>
    public string ToText(byte[] key) => string.Create(
        CultureInfo.InvariantCulture, $"{Prefix}.{GrantId}.{Generation}.{Base64Url.EncodeToString(SecretOf(key))}");

    /// <summary>Reads one; null when it is none of ours.</summary>
    public static RefreshToken? TryRead(string text, byte[] key)
    {
        if (text.Length > MaxLength || text.Split('.') is not [Prefix, var grantId, var number, var secret]
            || !long.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var generation))
        {
            return null;
        }

        var token = new RefreshToken(grantId, generation);
        return CryptographicOperations.FixedTimeEquals(
            Encoding.ASCII.GetBytes(Base64Url.EncodeToString(token.SecretOf(key))), Encoding.UTF8.GetBytes(secret)) ? token : null;
    }

    private byte[] SecretOf(byte[] key)
    {
        var id = Encoding.UTF8.GetBytes(GrantId);
        var input = new byte[sizeof(long) + id.Length];
        BinaryPrimitives.WriteInt64BigEndian(input, Generation);
        id.CopyTo(input, sizeof(long));
        return HMACSHA256.HashData(key, input);
    }
}
