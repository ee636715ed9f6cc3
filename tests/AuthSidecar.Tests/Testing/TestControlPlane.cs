using System.Security.Cryptography;
using System.Text;
using AuthSidecar.ControlPlane.V1;
using AuthSidecar.Sync.Stream;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Microsoft.IdentityModel.Tokens;

namespace AuthSidecar.Tests.Testing;

/// <summary>What a control plane sends to the sidecars of the application `documents`, written and signed as sync.proto says it.</summary>
internal sealed class TestControlPlane(TimeProvider time) : IDisposable
{
    public const string BundlePurpose = "authsidecar-bundle-v1";
    public const string HeartbeatPurpose = "authsidecar-heartbeat-v1";
    public const string Readers = "permit (principal in Role::\"reader\", action, resource);";
    public const string Alice = """[{"uid": {"type": "User", "id": "alice"}, "attrs": {}, "parents": [{"type": "Role", "id": "reader"}]}]""";

    private readonly TemporaryFolder _folder = new();
    private readonly List<Part> _parts = [];

    public static global::AuthSidecar.Sync.Stream.Placement Placement { get; } = new("documents", "");

    /// <summary>The history that the store is in.</summary>
    public History History { get; set; } = new(1UL << 40);

    public ECDsa Key { get; } = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    public PinnedKeys ReadKeys()
    {
        var keys = new PinnedKeys(_folder.Write("keys.json", KeySetOf(Key)));
        keys.Refresh();
        return keys;
    }

    /// <summary>Public keys as a JWKS.</summary>
    public static string KeySetOf(params ECDsa[] keys) => $$"""{"keys": [{{string.Join(", ", keys.Select((key, i) =>
    {
        var point = key.ExportParameters(false).Q;
        return $$"""{"kty": "EC", "kid": "pinned{{i}}", "crv": "P-256", "x": "{{Base64UrlEncoder.Encode(point.X)}}", "y": "{{Base64UrlEncoder.Encode(point.Y)}}"}""";
    }))}}]}""";

    /// <summary>Signs bundles, and that everything is current then; and has a sidecar apply them.</summary>
    public IReadOnlyList<BundleOutcome> Send(BundleApplier applier, ulong revision, params Bundle[] bundles)
    {
        var heartbeat = NewHeartbeat(revision);
        foreach (var type in heartbeat.Current)
        {
            type.Revision = bundles.LastOrDefault(b => b.Type == type.Type)?.Revision ?? applier.Held.FirstOrDefault(h => h.Type == type.Type)?.Revision ?? type.Revision;
        }

        return Send(applier, new Update { Bundles = { bundles.Select(Sign) }, Heartbeat = Sign(HeartbeatPurpose, heartbeat.ToByteString(), Key) });
    }

    public IReadOnlyList<BundleOutcome> Send(BundleApplier applier, Update update)
    {
        _parts.ForEach(applier.Add);
        _parts.Clear();
        return applier.Apply(update).Bundles;
    }

    public Bundle Policies(ulong revision, string policies = Readers, string? schema = null) => NewBundle(
        PolicyData.Type, revision, schema is null ? [("policies/all.cedar", policies)] : [("policies/all.cedar", policies), ("schema.cedarschema", schema)]);

    public Bundle Entities(ulong revision, string entities = Alice) => NewBundle(EntityData.Type, revision, ("entities.json", entities));

    /// <summary>What has changed since a revision.</summary>
    public Bundle Change(DataType type, ulong revision, ulong since, params (string Path, string Text)[] documents)
    {
        var bundle = NewBundle(type, revision, documents);
        bundle.BaseRevision = At(since);
        return bundle;
    }

    public Bundle NewBundle(DataType type, ulong revision, params (string Path, string Text)[] documents)
    {
        var bundle = new Bundle
        {
            Placement = new ControlPlane.V1.Placement { Application = Placement.Application },
            Type = BundleApplier.ToWire(type),
            Revision = At(revision),
            CreatedAt = Timestamp.FromDateTimeOffset(time.GetUtcNow()),
            ExpiresAt = Timestamp.FromDateTimeOffset(time.GetUtcNow().AddHours(24)),
        };
        foreach (var (path, text) in documents)
        {
            bundle.Documents.Add(NewDocument(path, Encoding.UTF8.GetBytes(text)));
        }

        return bundle;
    }

    /// <summary>A document in two parts, of which either may be empty.</summary>
    public BundleDocument NewDocument(string path, byte[] content)
    {
        var document = new BundleDocument { Path = path };
        foreach (var part in new[] { content[..(content.Length / 2)], content[(content.Length / 2)..] })
        {
            _parts.Add(new Part { Content = ByteString.CopyFrom(part) });
            document.Parts.Add(ByteString.CopyFrom(SHA256.HashData(part)));
        }

        return document;
    }

    /// <summary>Types that are not given are at 0.</summary>
    public Heartbeat NewHeartbeat(ulong revision, params (DataType Type, ulong Revision)[] current)
    {
        var heartbeat = new Heartbeat
        {
            Placement = new ControlPlane.V1.Placement { Application = Placement.Application },
            CreatedAt = Timestamp.FromDateTimeOffset(time.GetUtcNow()),
            Revision = At(revision),
        };
        foreach (var type in DataTypes.All)
        {
            heartbeat.Current.Add(new TypeRevision { Type = BundleApplier.ToWire(type), Revision = At(current.FirstOrDefault(c => c.Type == type).Revision) });
        }

        return heartbeat;
    }

    public Signed SignHeartbeat(ulong revision, params (DataType Type, ulong Revision)[] current) =>
        Sign(HeartbeatPurpose, NewHeartbeat(revision, current).ToByteString(), Key);

    public Signed Sign(Bundle bundle) => Sign(BundlePurpose, bundle.ToByteString(), Key);

    public string At(ulong number) => new Revision(History, number).ToString();

    public static Signed Sign(string purpose, ByteString content, ECDsa key, string? keyId = null) => new()
    {
        Content = content,
        KeyId = keyId ?? KeyIdOf(key),
        Signature = ByteString.CopyFrom(key.SignData([.. Encoding.ASCII.GetBytes(purpose), 0, .. content.Span], HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation)),
    };

    public static string KeyIdOf(ECDsa key) => Base64UrlEncoder.Encode(new ECDsaSecurityKey(key).ComputeJwkThumbprint());

    public void Dispose()
    {
        Key.Dispose();
        _folder.Dispose();
    }
}
