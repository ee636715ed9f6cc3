using System.Security.Cryptography;
using System.Text;
using AuthSidecar.Cedar;
using AuthSidecar.ControlPlane.V1;
using AuthSidecar.Snapshots;
using AuthSidecar.Sync.Streams;
using AuthSidecar.Tests.Testing;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Microsoft.Extensions.Time.Testing;
using Microsoft.IdentityModel.Tokens;

namespace AuthSidecar.Tests.Sync;

/// <summary>A sidecar believes what is signed, meant for it, newer and not old; whatever else comes, it goes on with what it has.</summary>
public sealed class BundleApplierTests : IDisposable
{
    private const string Readers = "permit (principal in Role::\"reader\", action, resource);";
    private const string Alice = """[{"uid": {"type": "User", "id": "alice"}, "attrs": {}, "parents": [{"type": "Role", "id": "reader"}]}]""";

    private static readonly DateTimeOffset Now = new(2026, 11, 24, 12, 0, 0, TimeSpan.Zero);

    private readonly TemporaryFolder _folder = new();
    private readonly FakeTimeProvider _time = new(Now);
    private readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly ECDsa _otherKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly SnapshotCache _cache;
    private readonly BundleApplier _applier;

    public BundleApplierTests()
    {
        var point = _key.ExportParameters(false).Q;
        var keys = PinnedKeys.Read(_folder.Write("keys.json", $$"""{"keys": [{"kty": "EC", "kid": "pinned", "crv": "P-256", "x": "{{Base64UrlEncoder.Encode(point.X)}}", "y": "{{Base64UrlEncoder.Encode(point.Y)}}"}]}"""));
        _cache = new SnapshotCache(_time);
        _applier = new BundleApplier(keys, new SidecarScope("documents", ""), _cache, _time);
    }

    private bool AliceMayRead => Authorizer.IsAuthorized(
        _cache.Current!.Policies.Value.Policies,
        _cache.Current.Entities.Value,
        new Request(new("User", "alice"), new("Action", "read"), new("Document", "plan"), ValueRecord.Empty)).Decision == Cedar.Decision.Allow;

    [Fact]
    public void Apply_PoliciesAndEntities_SwappedInAtOnceAtTheRevisionOfTheHeartbeat()
    {
        Assert.All(Apply(7, Policies(6), Entities(5)), o => Assert.True(o.IsApplied));
        var snapshot = _cache.Current!;
        Assert.Equal((7UL, 6UL, 5UL), (snapshot.Revision.Number, snapshot.Policies.Revision.Number, snapshot.Entities.Revision.Number));
        Assert.True(AliceMayRead);
        Assert.Equal([(ResourceType.Policies, 6UL), (ResourceType.Entities, 5UL)], _applier.Held.Select(h => (h.Type, h.Revision)));
    }

    [Fact]
    public void Apply_ChangeOfEntities_AddsReplacesAndRemoves()
    {
        Apply(5, Policies(4), Entities(5));
        var change = Entities(6, """[{"uid": {"type": "User", "id": "bob"}, "attrs": {}, "parents": []}]""");
        change.BaseRevision = 5;
        change.RemovedEntities.Add("User::\"alice\"");
        Assert.True(Assert.Single(Apply(6, change)).IsApplied);
        Assert.False(AliceMayRead);
        Assert.Equal("bob", Assert.Single(_cache.Current!.Entities.Value.Entities).Uid.Id);
    }

    public static TheoryData<string> HostileBundles => [.. Hostile.Keys];

    [Theory]
    [MemberData(nameof(HostileBundles))]
    public void Apply_BundleThatIsNotToBeBelieved_RefusedWithItsReasonAndNothingChanges(string name)
    {
        Apply(5, Policies(4), Entities(5));
        var before = _cache.Current;
        var (expected, make) = Hostile[name];
        var outcome = Assert.Single(_applier.Apply(new Update { Bundles = { make(this) }, Heartbeat = SignHeartbeat(9, (ResourceType.Policies, 9), (ResourceType.Entities, 5)) }));
        Assert.Equal(expected, outcome.Reason);
        Assert.NotEmpty(outcome.Faults);
        Assert.Same(before, _cache.Current);

        // And the stream is none the worse for it.
        Assert.All(Apply(10, Policies(10, "forbid (principal, action, resource);")), o => Assert.True(o.IsApplied));
        Assert.False(AliceMayRead);
    }

    [Fact]
    public void Apply_OneOfTwoRefused_TheOtherCountsButTheRevisionIsNotReached()
    {
        Apply(5, Policies(4), Entities(5));
        var outcomes = Apply(7, Policies(6, "permit ("), Entities(7, "[]"));
        Assert.Equal([NackReason.Content, NackReason.Unspecified], outcomes.OrderBy(o => o.Type).Select(o => o.Reason));
        Assert.False(AliceMayRead);
        Assert.Equal((5UL, 4UL, 7UL), (_cache.Current!.Revision.Number, _cache.Current.Policies.Revision.Number, _cache.Current.Entities.Revision.Number));
    }

    [Fact]
    public void Heartbeat_Genuine_ConfirmsAndCarriesTheRevisionOn()
    {
        Apply(5, Policies(4), Entities(5));
        _time.Advance(TimeSpan.FromMinutes(10));
        Assert.Equal(TimeSpan.FromMinutes(10), _cache.Age(_time.GetUtcNow()));
        Assert.True(_applier.Apply(SignHeartbeat(8, (ResourceType.Policies, 4), (ResourceType.Entities, 5))));
        Assert.Equal((TimeSpan.Zero, 8UL), (_cache.Age(_time.GetUtcNow()), _cache.Current!.Revision.Number));
    }

    /// <summary>A freeze attack: somebody keeps the news back, and plays what was true once.</summary>
    [Fact]
    public void Heartbeat_NotToBeBelieved_DoesNotConfirm()
    {
        Apply(5, Policies(4), Entities(5));
        (ResourceType, ulong)[] current = [(ResourceType.Policies, 4), (ResourceType.Entities, 5)];
        var old = SignHeartbeat(5, current);
        _time.Advance(TimeSpan.FromMinutes(10));
        var ofOthers = SignHeartbeat(5, current);
        ofOthers = Sign("authsidecar-heartbeat-v1", ofOthers.Content, _otherKey, ofOthers.KeyId);
        var future = Heartbeat(9, current);
        future.CreatedAt = Timestamp.FromDateTimeOffset(_time.GetUtcNow().AddMinutes(5));
        var foreign = Heartbeat(9, current);
        foreign.Scope.Application = "invoices";
        var asBundle = Heartbeat(9, current);
        Signed[] hostile =
        [
            old,
            ofOthers,
            Sign("authsidecar-heartbeat-v1", future.ToByteString(), _key),
            Sign("authsidecar-heartbeat-v1", foreign.ToByteString(), _key),
            Sign("authsidecar-bundle-v1", asBundle.ToByteString(), _key),
            SignHeartbeat(9, (ResourceType.Policies, 6), (ResourceType.Entities, 5)),
            SignHeartbeat(9, (ResourceType.Policies, 4), (ResourceType.Entities, 5), (ResourceType.Revocations, 8)),
            new(),
        ];
        Assert.All(hostile, h => Assert.False(_applier.Apply(h)));
        Assert.Equal((TimeSpan.FromMinutes(10), 5UL), (_cache.Age(_time.GetUtcNow()), _cache.Current!.Revision.Number));
    }

    [Fact]
    public void Apply_EntitiesOfTypesThatTheSchemaDoesNotHave_SetAsideUntilOneHasThem()
    {
        const string Users = "entity Role, Document; entity User in [Role]; action read appliesTo { principal: User, resource: Document };";
        const string Both = """[{"uid": {"type": "User", "id": "alice"}, "attrs": {}, "parents": [{"type": "Role", "id": "reader"}]}, {"uid": {"type": "Robot", "id": "r2"}, "attrs": {}, "parents": []}]""";
        Assert.All(Apply(5, Policies(4, Readers, Users), Entities(5, Both)), o => Assert.True(o.IsApplied, string.Join('\n', o.Faults)));
        Assert.False(_cache.Current!.Entities.Value.TryGetEntity(new("Robot", "r2"), out _));
        Assert.True(AliceMayRead);

        Assert.All(Apply(6, Policies(6, Readers, $"entity Robot; {Users}")), o => Assert.True(o.IsApplied, string.Join('\n', o.Faults)));
        Assert.True(_cache.Current!.Entities.Value.TryGetEntity(new("Robot", "r2"), out _));
        Assert.True(AliceMayRead);

        // And one that they do not conform to is refused, with what does not.
        var refused = Assert.Single(Apply(7, Policies(7, Readers, $"entity Robot; {Users.Replace("entity User in [Role];", "entity User;", StringComparison.Ordinal)}")));
        Assert.Equal(NackReason.Content, refused.Reason);
        Assert.True(AliceMayRead);
    }

    [Fact]
    public void Add_PartsWithoutEnd_EndTheStream()
    {
        var part = new Part { Content = UnsafeByteOperations.UnsafeWrap(new byte[64 * 1024 * 1024]) };
        Assert.Throws<InvalidDataException>(() =>
        {
            for (var i = 0; i < 10; i++)
            {
                _applier.Add(part);
            }
        });
    }

    /// <summary>A connection that breaks off again and again must not fill up what a whole one needs.</summary>
    [Fact]
    public void Add_PartsOfManyStreamsThatBrokeOff_Forgotten()
    {
        var part = new Part { Content = UnsafeByteOperations.UnsafeWrap(new byte[100 * 1024 * 1024]) };
        for (var i = 0; i < 5; i++)
        {
            _applier.DropParts();
            _applier.Add(part);
            _applier.Add(part);
        }
    }

    /// <summary>Whoever sees a snapshot learns its age, from the first moment on.</summary>
    [Fact]
    public void Apply_First_IsFreshWhenItIsPublished()
    {
        var age = TimeSpan.MaxValue;
        _cache.Published += _ => age = _cache.Age(_time.GetUtcNow());
        Apply(7, Policies(6), Entities(5));
        Assert.Equal(TimeSpan.Zero, age);
    }

    public void Dispose()
    {
        _applier.Dispose();
        _key.Dispose();
        _otherKey.Dispose();
        _folder.Dispose();
    }

    private static readonly Dictionary<string, (NackReason Reason, Func<BundleApplierTests, Signed> Make)> Hostile = new()
    {
        ["nothing at all"] = (NackReason.Signature, _ => new Signed()),
        ["signed by another key under our key's name"] = (NackReason.Signature, t => Sign("authsidecar-bundle-v1", t.Policies(9).ToByteString(), t._otherKey, KeyIdOf(t._key))),
        ["signed by a key of its own"] = (NackReason.Signature, t => Sign("authsidecar-bundle-v1", t.Policies(9).ToByteString(), t._otherKey)),
        ["signed as a heartbeat"] = (NackReason.Signature, t => Sign("authsidecar-heartbeat-v1", t.Policies(9).ToByteString(), t._key)),
        ["signed without a purpose"] = (NackReason.Signature, t => Sign("", t.Policies(9).ToByteString(), t._key)),
        ["altered by a bit"] = (NackReason.Signature, t => Altered(t.Sign(t.Policies(9)), s => s.Content = Flip(s.Content))),
        ["its signature altered by a bit"] = (NackReason.Signature, t => Altered(t.Sign(t.Policies(9)), s => s.Signature = Flip(s.Signature))),
        ["its signature in DER"] = (NackReason.Signature, t => Altered(t.Sign(t.Policies(9)), s => s.Signature = ByteString.CopyFrom(t._key.SignData(s.Content.Span, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence)))),
        ["for another application"] = (NackReason.Scope, t => t.Sign(Altered(t.Policies(9), b => b.Scope.Application = "invoices"))),
        ["for a tenant"] = (NackReason.Scope, t => t.Sign(Altered(t.Policies(9), b => b.Scope.Tenant = "acme"))),
        ["for nobody"] = (NackReason.Scope, t => t.Sign(Altered(t.Policies(9), b => b.Scope = null))),
        ["an older revision"] = (NackReason.Revision, t => t.Sign(t.Policies(3))),
        ["the same revision"] = (NackReason.Revision, t => t.Sign(t.Policies(4, "forbid (principal, action, resource);"))),
        ["expired"] = (NackReason.Expired, t => t.Sign(Altered(t.Policies(9), b => b.ExpiresAt = Timestamp.FromDateTimeOffset(Now)))),
        ["without an end"] = (NackReason.Expired, t => t.Sign(Altered(t.Policies(9), b => b.ExpiresAt = null))),
        ["from the future"] = (NackReason.Expired, t => t.Sign(Altered(t.Policies(9), b => b.CreatedAt = Timestamp.FromDateTimeOffset(Now.AddMinutes(2))))),
        ["without a beginning"] = (NackReason.Expired, t => t.Sign(Altered(t.Policies(9), b => b.CreatedAt = null))),
        ["a change of what is not there"] = (NackReason.Base, t => t.Sign(Altered(t.Entities(9), b => b.BaseRevision = 4))),
        ["a part never sent"] = (NackReason.Content, t => t.Sign(Altered(t.Policies(9), b => b.Documents[0].Parts.Add(ByteString.CopyFrom(new byte[32]))))),
        ["a document twice"] = (NackReason.Content, t => t.Sign(Altered(t.Policies(9), b => b.Documents.Add(b.Documents[0].Clone())))),
        ["policies that are none"] = (NackReason.Content, t => t.Sign(t.Policies(9, "permit ("))),
        ["policies that do not validate"] = (NackReason.Content, t => t.Sign(t.Policies(9, Readers, "entity User;"))),
        ["a schema that is none"] = (NackReason.Content, t => t.Sign(t.Policies(9, Readers, "entity"))),
        ["entities that are none"] = (NackReason.Content, t => t.Sign(t.Entities(9, "{}"))),
        ["entities in a circle"] = (NackReason.Content, t => t.Sign(t.Entities(9, """[{"uid": {"type": "A", "id": "a"}, "attrs": {}, "parents": [{"type": "A", "id": "b"}]}, {"uid": {"type": "A", "id": "b"}, "attrs": {}, "parents": [{"type": "A", "id": "a"}]}]"""))),
        ["entities in no document"] = (NackReason.Content, t => t.Sign(Altered(t.Entities(9), b => b.Documents.Clear()))),
        ["a removed entity that is no uid"] = (NackReason.Content, t => t.Sign(Altered(t.Entities(9), b => b.RemovedEntities.Add("alice")))),
        ["a type that nobody knows"] = (NackReason.Content, t => t.Sign(Altered(t.Policies(9), b => b.Type = (ResourceType)77))),
    };

    private IReadOnlyList<BundleOutcome> Apply(ulong revision, params Bundle[] bundles)
    {
        var current = _applier.Held.ToDictionary(h => h.Type, h => h.Revision);
        foreach (var bundle in bundles)
        {
            current[bundle.Type] = bundle.Revision;
        }

        return _applier.Apply(new Update { Bundles = { bundles.Select(Sign) }, Heartbeat = SignHeartbeat(revision, [.. current.Select(c => (c.Key, c.Value))]) });
    }

    private Bundle Policies(ulong revision, string policies = Readers, string? schema = null) => NewBundle(
        ResourceType.Policies, revision, schema is null ? [("policies/all.cedar", policies)] : [("policies/all.cedar", policies), ("schema.cedarschema", schema)]);

    private Bundle Entities(ulong revision, string entities = Alice) => NewBundle(ResourceType.Entities, revision, [("entities.json", entities)]);

    private Bundle NewBundle(ResourceType type, ulong revision, params (string Path, string Text)[] documents)
    {
        var bundle = new Bundle
        {
            Scope = new Scope { Application = "documents" },
            Type = type,
            Revision = revision,
            CreatedAt = Timestamp.FromDateTimeOffset(_time.GetUtcNow()),
            ExpiresAt = Timestamp.FromDateTimeOffset(_time.GetUtcNow().AddHours(24)),
        };
        foreach (var (path, text) in documents)
        {
            // In two parts, of which either may be empty.
            var bytes = Encoding.UTF8.GetBytes(text);
            var document = new BundleDocument { Path = path };
            foreach (var part in new[] { bytes[..(bytes.Length / 2)], bytes[(bytes.Length / 2)..] })
            {
                _applier.Add(new Part { Content = ByteString.CopyFrom(part) });
                document.Parts.Add(ByteString.CopyFrom(SHA256.HashData(part)));
            }

            bundle.Documents.Add(document);
        }

        return bundle;
    }

    private Heartbeat Heartbeat(ulong revision, params (ResourceType Type, ulong Revision)[] current) => new()
    {
        Scope = new Scope { Application = "documents" },
        CreatedAt = Timestamp.FromDateTimeOffset(_time.GetUtcNow()),
        Revision = revision,
        Current = { current.Select(c => new TypeRevision { Type = c.Type, Revision = c.Revision }) },
    };

    private Signed SignHeartbeat(ulong revision, params (ResourceType Type, ulong Revision)[] current) =>
        Sign("authsidecar-heartbeat-v1", Heartbeat(revision, current).ToByteString(), _key);

    private Signed Sign(Bundle bundle) => Sign("authsidecar-bundle-v1", bundle.ToByteString(), _key);

    /// <summary>As sync.proto says it, and not as the control plane happens to do it.</summary>
    private static Signed Sign(string purpose, ByteString content, ECDsa key, string? keyId = null) => new()
    {
        Content = content,
        KeyId = keyId ?? KeyIdOf(key),
        Signature = ByteString.CopyFrom(key.SignData([.. Encoding.ASCII.GetBytes(purpose), 0, .. content.Span], HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation)),
    };

    private static string KeyIdOf(ECDsa key) => Base64UrlEncoder.Encode(new ECDsaSecurityKey(key).ComputeJwkThumbprint());

    private static T Altered<T>(T message, Action<T> alter)
    {
        alter(message);
        return message;
    }

    private static ByteString Flip(ByteString bytes)
    {
        var flipped = bytes.ToByteArray();
        flipped[^1] ^= 1;
        return ByteString.CopyFrom(flipped);
    }
}
