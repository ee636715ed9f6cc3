using AuthSidecar.ControlPlane.V1;
using Fault = AuthSidecar.Cedar.Fault;

namespace AuthSidecar.Sync.Stream;

/// <summary>The keys that a sidecar was given to know its control plane by: nobody else's word counts.</summary>
internal sealed class PinnedKeys(string path) : IDisposable
{
    /// <summary>Why a message is rejected that none of the keys has signed.</summary>
    public const string NotSigned =
        "invalid signature: not signed by a pinned key: wrong `--pinned-keys` file, or, for an enrolled sidecar, delete its `identity` "
            + "folder and enrol again";

    private const string Algorithm = "ES256";
    private const string BundlePurpose = "authsidecar-bundle-v1";
    private const string HeartbeatPurpose = "authsidecar-heartbeat-v1";
    private const string TrustAnchorsPurpose = "authsidecar-trust-anchors-v1";

    // By thumbprint (RFC 7638), whatever the file calls them.
    private FrozenDictionary<string, VerificationKey> _keys = FrozenDictionary<string, VerificationKey>.Empty;
    private string _readOf = "";

    /// <summary>The file of the keys.</summary>
    public string Path => path;

    /// <summary>The ids of the keys: their thumbprints (RFC 7638).</summary>
    public IReadOnlyList<string> Ids => _keys.Keys;

    public bool Contains(string id) => _keys.ContainsKey(id);

    /// <summary>Reads the file, a JWKS of P-256 keys, when it is new. Without one, no key is pinned and nothing is believed.</summary>
    /// <exception cref="InvalidDataException">The key set is invalid, or has other keys.</exception>
    public void Refresh()
    {
        var stamp = FileStatus.StampOf([path]);
        if (stamp == _readOf || (_readOf.Length == 0 && FileStatus.Of(path).Kind == FileKind.None))
            return;

        var keys = Read(path, File.ReadAllBytes(path));
        Dispose();
        (_keys, _readOf) = (keys, stamp);
    }

    /// <summary>Parses a JWKS of P-256 keys, by thumbprint.</summary>
    /// <param name="name">Its source, for error messages.</param>
    /// <exception cref="InvalidDataException">The key set is invalid, or has other keys.</exception>
    public static FrozenDictionary<string, VerificationKey> Read(string name, byte[] utf8)
    {
        var faults = new List<Fault>();
        var keys = KeySetReader.ReadOwn(name, utf8, faults).All.DistinctBy(k => k.Thumbprint).ToList();
        if (keys.Find(k => k.Algorithm != Algorithm) is { } other)
            faults.Add(new Fault(name, 0, 0, $"wrong algorithm of key `{other.KeyId}`: expected {Algorithm}, got {other.Algorithm}"));

        return faults.Count > 0 ? throw new InvalidDataException(faults[0].ToString())
            : keys.ToFrozenDictionary(k => k.Thumbprint, StringComparer.Ordinal);
    }

    /// <summary>Reads a bundle that one of the keys has signed.</summary>
    public bool TryRead(Signed signed, out Bundle bundle) => TryRead(BundlePurpose, signed, Bundle.Parser, out bundle);

    /// <summary>Reads a heartbeat that one of the keys has signed.</summary>
    public bool TryRead(Signed signed, out Heartbeat heartbeat) => TryRead(HeartbeatPurpose, signed, Heartbeat.Parser, out heartbeat);

    /// <summary>Reads the trust anchors that one of the keys has signed.</summary>
    public bool TryRead(Signed signed, out TrustAnchors anchors) => TryRead(TrustAnchorsPurpose, signed, TrustAnchors.Parser, out anchors);

    public void Dispose()
    {
        foreach (var key in _keys.Values)
            key.Dispose();
    }

    private bool TryRead<T>(string purpose, Signed signed, MessageParser<T> parser, out T message)
        where T : class, IMessage<T>
    {
        message = null!;
        if (!_keys.TryGetValue(signed.KeyId, out var key))
            return false;

        if (!key.Verify([.. Encoding.ASCII.GetBytes(purpose), 0, .. signed.Content.Span], signed.Signature.ToByteArray()))
            return false;

        message = parser.ParseFrom(signed.Content);
        return true;
    }
}
