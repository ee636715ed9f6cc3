using System.Text;

namespace AuthSidecar.Tokens;

/// <summary>What the header of a token says (RFC 7515, section 4.1). Members that bring or name a key (`jku`, `jwk`, `x5u`, `x5c`) are
/// ignored: keys are those of the configuration alone.</summary>
/// <param name="Text">The header as it is in the token.</param>
internal sealed record TokenHeader(string Text, string Algorithm, string? Type, string? KeyId)
{
    private const int MaxKeyIdBytes = 512;

    /// <summary>Any text (section 4.1.4), of sensible length.</summary>
    public static bool IsKeyId(string kid) => kid.Length is > 0 and <= MaxKeyIdBytes && Encoding.UTF8.GetByteCount(kid) <= MaxKeyIdBytes;

    public static TokenRejection TryRead(JsonElement json, string text, out TokenHeader? header)
    {
        header = null;
        string? algorithm = null, type = null, keyId = null;
        foreach (var member in json.EnumerateObject())
        {
            switch (member.Name)
            {
                case "crit" or "b64" or "zip" or "enc": return TokenRejection.UnsupportedHeader;
                case "alg" or "typ" or "kid" when member.Value.ValueKind != JsonValueKind.String: return TokenRejection.Malformed;
                case "alg":
                    algorithm = member.Value.GetString();
                    break;
                case "typ":
                    type = member.Value.GetString();
                    break;
                case "kid":
                    keyId = member.Value.GetString();
                    if (!IsKeyId(keyId!))
                        return TokenRejection.Malformed;

                    break;
            }
        }

        if (algorithm is null)
            return TokenRejection.Malformed;

        header = new TokenHeader(text, algorithm, type, keyId);
        return TokenRejection.None;
    }
}

/// <summary>Remembers the headers of genuine tokens: an issuer writes the same one into every token that it signs with a key.</summary>
internal sealed class HeaderCache
{
    private const int MaxLength = 1024;

    private readonly TokenHeader?[] _places = new TokenHeader?[64];

    public TokenHeader? Find(ReadOnlySpan<char> text)
    {
        var header = Volatile.Read(ref _places[PlaceOf(text)]);
        return header is not null && text.SequenceEqual(header.Text) ? header : null;
    }

    public void Add(TokenHeader header)
    {
        ref var place = ref _places[PlaceOf(header.Text)];
        if (header.Text.Length <= MaxLength && !ReferenceEquals(place, header))
            Volatile.Write(ref place, header);
    }

    private int PlaceOf(ReadOnlySpan<char> text) => (int)((uint)string.GetHashCode(text) % (uint)_places.Length);
}
