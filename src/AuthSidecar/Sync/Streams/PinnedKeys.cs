using System.Collections.Frozen;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using AuthSidecar.ControlPlane.V1;
using Google.Protobuf;
using Microsoft.IdentityModel.Tokens;

namespace AuthSidecar.Sync.Streams;

/// <summary>The keys that a sidecar was given to know its control plane by: nobody else's word counts.</summary>
internal sealed class PinnedKeys : IDisposable
{
    private const string BundlePurpose = "authsidecar-bundle-v1";
    private const string HeartbeatPurpose = "authsidecar-heartbeat-v1";

    private readonly FrozenDictionary<string, ECDsa> _keys;

    private PinnedKeys(Dictionary<string, ECDsa> keys) => _keys = keys.ToFrozenDictionary(StringComparer.Ordinal);

    /// <summary>Reads a JWKS of P-256 keys.</summary>
    /// <exception cref="InvalidDataException">It is none, or has none.</exception>
    public static PinnedKeys Read(string path)
    {
        var keys = new Dictionary<string, ECDsa>(StringComparer.Ordinal);
        try
        {
            using var json = JsonDocument.Parse(File.ReadAllBytes(path), new JsonDocumentOptions { AllowDuplicateProperties = false, MaxDepth = 4 });
            foreach (var key in json.RootElement.GetProperty("keys").EnumerateArray())
            {
                var (x, y) = (key.GetProperty("x").GetString()!, key.GetProperty("y").GetString()!);
                var ecdsa = ECDsa.Create(new ECParameters { Curve = ECCurve.NamedCurves.nistP256, Q = new ECPoint { X = Base64UrlEncoder.DecodeBytes(x), Y = Base64UrlEncoder.DecodeBytes(y) } });
                // By its thumbprint (RFC 7638), whatever the file calls it.
                keys[Base64UrlEncoder.Encode(SHA256.HashData(Encoding.ASCII.GetBytes($$"""{"crv":"P-256","kty":"EC","x":"{{x}}","y":"{{y}}"}""")))] = ecdsa;
            }
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException or CryptographicException or ArgumentException)
        {
            throw new InvalidDataException($"`{path}` is not a JWKS of P-256 keys", e);
        }

        return keys.Count > 0 ? new PinnedKeys(keys) : throw new InvalidDataException($"`{path}` has no key");
    }

    /// <summary>Reads a bundle that one of the keys has signed.</summary>
    public bool TryRead(Signed signed, out Bundle bundle) => TryRead(BundlePurpose, signed, Bundle.Parser, out bundle);

    /// <summary>Reads a heartbeat that one of the keys has signed.</summary>
    public bool TryRead(Signed signed, out Heartbeat heartbeat) => TryRead(HeartbeatPurpose, signed, Heartbeat.Parser, out heartbeat);

    public void Dispose()
    {
        foreach (var key in _keys.Values)
        {
            key.Dispose();
        }
    }

    private bool TryRead<T>(string purpose, Signed signed, MessageParser<T> parser, out T message)
        where T : class, IMessage<T>
    {
        message = null!;
        if (!_keys.TryGetValue(signed.KeyId, out var key))
        {
            return false;
        }

        byte[] content = [.. Encoding.ASCII.GetBytes(purpose), 0, .. signed.Content.Span];
        if (!key.VerifyData(content, signed.Signature.Span, HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation))
        {
            return false;
        }

        message = parser.ParseFrom(signed.Content);
        return true;
    }
}
