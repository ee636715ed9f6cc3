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

    private static readonly SearchValues<char> Base64UrlAlphabet =
        SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");

    private readonly JsonDocument? _parsedHeader;

    private CompactJws(TokenHeader header, JsonDocument? parsedHeader, byte[] payload, byte[] signingInput, byte[] signature)
    {
        (Header, _parsedHeader, Payload, SigningInput, Signature) = (header, parsedHeader, payload, signingInput, signature);
    }

    public TokenHeader Header { get; }

    /// <summary>What is signed: claims in a JWT, and anything else in any other JWS.</summary>
    public byte[] Payload { get; }

    /// <summary>What the signature is over: the first two parts and the dot between them, as they came.</summary>
    public byte[] SigningInput { get; }

    public byte[] Signature { get; }
    public string Algorithm => Header.Algorithm;
    public string? Type => Header.Type;
    public string? KeyId => Header.KeyId;

    /// <summary>The <c>jwk</c> of the header, which only proofs of possession are verified with.</summary>
    public bool TryGetKey(out JsonElement jwk)
    {
        jwk = default;
        return _parsedHeader?.RootElement.TryGetProperty("jwk", out jwk) == true;
    }

    /// <param name="text">The token.</param>
    /// <param name="limits">How large it may be.</param>
    /// <param name="known">Headers that need not be read again; null: none.</param>
    public static TokenRejection TryRead(string text, TokenLimits limits, out CompactJws? jws, HeaderCache? known = null)
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

        JsonDocument? parsed = null;
        var header = known?.Find(text.AsSpan(0, firstDot));
        byte[] payload = [], headerBytes = [];
        if ((header is null && !TryDecode(text.AsSpan(0, firstDot), out headerBytes))
            || (secondDot > firstDot + 1 && !TryDecode(text.AsSpan(firstDot + 1, secondDot - firstDot - 1), out payload))
            || !TryDecode(text.AsSpan(secondDot + 1), out var signature))
        {
            return TokenRejection.Malformed;
        }

        if (header is null)
        {
            if (StrictJson.TryParseObject(headerBytes, out parsed) is var headerError and not TokenRejection.None)
                return headerError;

            if (TokenHeader.TryRead(parsed!.RootElement, text[..firstDot], out header) is var shapeError and not TokenRejection.None)
            {
                parsed.Dispose();
                return shapeError;
            }
        }

        jws = new CompactJws(header!, parsed, payload, Encoding.ASCII.GetBytes(text, 0, secondDot), signature);
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
        return HasNoBitsLeftOver(text);
    }

    /// <summary>Whether the bits of the last character that carry nothing are zero (RFC 4648, section 3.5): with others it would be another
    /// text of the same bytes.</summary>
    private static bool HasNoBitsLeftOver(ReadOnlySpan<char> text) => (text.Length % 4) switch
    {
        2 => "AQgw".Contains(text[^1], StringComparison.Ordinal),
        3 => "AEIMQUYcgkosw048".Contains(text[^1], StringComparison.Ordinal),
        _ => true,
    };

    public void Dispose() => _parsedHeader?.Dispose();
}
