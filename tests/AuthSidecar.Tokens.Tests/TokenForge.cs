using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;

namespace AuthSidecar.Tokens.Tests;

/// <summary>
/// Makes tokens and keys of text and the platform's signatures alone. No library stands between: what one would refuse to write, or mend
/// on the way, comes out here as it was meant.
/// </summary>
internal static class TokenForge
{
    /// <summary>A member of an object and its JSON; null takes the member away.</summary>
    public readonly record struct Member(string Name, string? Json)
    {
        public static implicit operator Member((string Name, string? Json) member) => new(member.Name, member.Json);
    }

    public static string Encode(byte[] bytes) => Base64Url.EncodeToString(bytes);

    public static string Encode(string text) => Encode(Encoding.UTF8.GetBytes(text));

    public static string Hash(string text) => Encode(SHA256.HashData(Encoding.UTF8.GetBytes(text)));

    /// <summary>An object of the given members, with some changed, added, or taken away. No JSON is looked at.</summary>
    public static string Object(ReadOnlySpan<Member> members, ReadOnlySpan<Member> changes)
    {
        var all = new List<Member>();
        all.AddRange(members);
        foreach (var change in changes)
        {
            var index = all.FindIndex(m => m.Name == change.Name);
            if (index < 0)
            {
                all.Add(change);
            }
            else
            {
                all[index] = change;
            }
        }

        return $"{{{string.Join(',', all.Where(m => m.Json is not null).Select(m => $"\"{m.Name}\":{m.Json}"))}}}";
    }

    public static string Quoted(string text) => $"\"{text}\"";

    public static string Sign(string header, string payload, Func<byte[], byte[]> sign) => SignParts(Encode(header), Encode(payload), sign);

    public static string Sign(string header, byte[] payload, Func<byte[], byte[]> sign) => SignParts(Encode(header), Encode(payload), sign);

    /// <summary>Signs two parts as they are written, canonical or not.</summary>
    public static string SignParts(string header, string payload, Func<byte[], byte[]> sign)
    {
        var input = $"{header}.{payload}";
        return $"{input}.{Encode(sign(Encoding.UTF8.GetBytes(input)))}";
    }

    public static Func<byte[], byte[]> Rs256(RSA key) => input => key.SignData(input, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);

    public static Func<byte[], byte[]> Rs512(RSA key) => input => key.SignData(input, HashAlgorithmName.SHA512, RSASignaturePadding.Pkcs1);

    public static Func<byte[], byte[]> Ps256(RSA key) => input => key.SignData(input, HashAlgorithmName.SHA256, RSASignaturePadding.Pss);

    public static Func<byte[], byte[]> Es256(ECDsa key) => input => key.SignData(input, HashAlgorithmName.SHA256);

    public static Func<byte[], byte[]> Hs256(byte[] secret) => input => HMACSHA256.HashData(secret, input);

    /// <summary>The same text but for the bits of its last character that carry nothing.</summary>
    public static string WithBitsLeftOver(string text)
    {
        const string Alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        ArgumentOutOfRangeException.ThrowIfEqual(text.Length % 4, 0);
        return text[..^1] + Alphabet[Alphabet.IndexOf(text[^1], StringComparison.Ordinal) ^ 1];
    }

    public static string Jwk(RSA key, params ReadOnlySpan<Member> changes)
    {
        var parameters = key.ExportParameters(includePrivateParameters: false);
        return Object([("kty", "\"RSA\""), ("n", Quoted(Encode(parameters.Modulus!))), ("e", Quoted(Encode(parameters.Exponent!)))], changes);
    }

    public static string Jwk(ECDsa key, params ReadOnlySpan<Member> changes)
    {
        var point = key.ExportParameters(includePrivateParameters: false).Q;
        return Object([("kty", "\"EC\""), ("crv", $"\"P-{key.KeySize}\""), ("x", Quoted(Encode(point.X!))), ("y", Quoted(Encode(point.Y!)))], changes);
    }

    /// <summary>RFC 7638.</summary>
    public static string Thumbprint(RSA key)
    {
        var parameters = key.ExportParameters(includePrivateParameters: false);
        return Hash($$"""{"e":"{{Encode(parameters.Exponent!)}}","kty":"RSA","n":"{{Encode(parameters.Modulus!)}}"}""");
    }

    /// <summary>RFC 7638.</summary>
    public static string Thumbprint(ECDsa key)
    {
        var point = key.ExportParameters(includePrivateParameters: false).Q;
        return Hash($$"""{"crv":"P-{{key.KeySize}}","kty":"EC","x":"{{Encode(point.X!)}}","y":"{{Encode(point.Y!)}}"}""");
    }
}
