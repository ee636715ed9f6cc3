using System.Buffers;
using System.Buffers.Text;
using System.Text;

namespace AuthSidecar.Tokens;

/// <summary>A JWS in compact serialization (RFC 7515, section 7.1), taken apart strictly: one text for one token, or none. It says nothing
/// yet of whether the signature is right.</summary>
internal sealed class CompactJws : IDisposable
{
    /// <summary>What stands between its parts: what has as many is one, or would be.</summary>
    public const int Dots = 2;

    private const int MaxKeyIdBytes = 512;

    private static readonly SearchValues<char> Base64UrlAlphabet =
        SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");

    private readonly JsonDocument _header;

    private CompactJws(JsonDocument header, byte[] payload, byte[] signingInput, byte[] signature)
    {
        (_header, Payload, SigningInput, Signature) = (header, payload, signingInput, signature);
    }

    public JsonElement Header => _header.RootElement;

    /// <summary>What is signed: claims in a JWT, and anything else in any other JWS.</summary>
    public byte[] Payload { get; }

    /// <summary>What the signature is over: the first two parts and the dot between them, as they came.</summary>
    public byte[] SigningInput { get; }

    public byte[] Signature { get; }
    public string Algorithm => Header.GetProperty("alg").GetString()!;
    public string? Type => Header.TryGetProperty("typ", out var typ) ? typ.GetString() : null;
    public string? KeyId => Header.TryGetProperty("kid", out var kid) ? kid.GetString() : null;

    public static TokenRejection TryRead(string text, TokenLimits limits, out CompactJws? jws)
    {
        jws = null;
        if (text.Length == 0)
            return TokenRejection.Missing;

        // Length in chars is length in bytes here: anything beyond ASCII is refused by the alphabet.
        if (text.Length > limits.MaxBytes)
            return TokenRejection.TooLarge;

        var firstDot = text.IndexOf('.', StringComparison.Ordinal);
        var secondDot = text.IndexOf('.', firstDot + 1);
        if (firstDot < 0 || secondDot < 0)
            return TokenRejection.Malformed;

        // Four dots would be a JWE; the alphabet of the third part refuses it with all else.
        if (Base64Url.GetMaxDecodedLength(firstDot) > limits.MaxHeaderBytes)
            return TokenRejection.TooLarge;

        byte[] payload = [];
        if (!TryDecode(text.AsSpan(0, firstDot), out var headerBytes)
            || (secondDot > firstDot + 1 && !TryDecode(text.AsSpan(firstDot + 1, secondDot - firstDot - 1), out payload))
            || !TryDecode(text.AsSpan(secondDot + 1), out var signature))
        {
            return TokenRejection.Malformed;
        }

        if (StrictJson.TryParseObject(headerBytes, out var header) is var headerError and not TokenRejection.None)
            return headerError;

        if (CheckHeader(header!.RootElement) is var shapeError and not TokenRejection.None)
        {
            header.Dispose();
            return shapeError;
        }

        jws = new CompactJws(header, payload, Encoding.ASCII.GetBytes(text, 0, secondDot), signature);
        return TokenRejection.None;
    }

    /// <summary>Canonical base64url alone: no padding, no white space, no bits left over. So that no second text means the same
    /// token.</summary>
    internal static bool TryDecode(ReadOnlySpan<char> text, out byte[] bytes)
    {
        bytes = [];
        if (text.IsEmpty || text.ContainsAnyExcept(Base64UrlAlphabet) || text.Length % 4 == 1)
            return false;

        var buffer = new byte[Base64Url.GetMaxDecodedLength(text.Length)];
        if (Base64Url.DecodeFromChars(text, buffer, out _, out var written) != OperationStatus.Done)
            return false;

        bytes = written == buffer.Length ? buffer : buffer[..written];
        // The decoder tolerates some forms on purpose; encoding again tolerates none.
        Span<char> again = text.Length <= 512 ? stackalloc char[text.Length] : new char[text.Length];
        return Base64Url.TryEncodeToChars(bytes, again, out var length) && text.SequenceEqual(again[..length]);
    }

    /// <summary>What a header must not have. Members that bring or name a key (`jku`, `jwk`, `x5u`, `x5c`) are ignored: keys are those of
    /// the configuration alone.</summary>
    private static TokenRejection CheckHeader(JsonElement header)
    {
        foreach (var member in header.EnumerateObject())
        {
            switch (member.Name)
            {
                case "crit" or "b64" or "zip" or "enc": return TokenRejection.UnsupportedHeader;
                case "alg" or "typ" when member.Value.ValueKind != JsonValueKind.String: return TokenRejection.Malformed;
                case "kid" when member.Value.ValueKind != JsonValueKind.String || !IsKeyId(member.Value.GetString()!):
                    return TokenRejection.Malformed;
            }
        }

        return header.TryGetProperty("alg", out _) ? TokenRejection.None : TokenRejection.Malformed;
    }

    /// <summary>Any text (RFC 7515, section 4.1.4), of sensible length.</summary>
    internal static bool IsKeyId(string kid) => kid.Length is > 0 and <= MaxKeyIdBytes && Encoding.UTF8.GetByteCount(kid) <= MaxKeyIdBytes;

    public void Dispose() => _header.Dispose();
}
