using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using AuthSidecar.ControlPlane.V1;
using AuthSidecar.Snapshots;
using AuthSidecar.Sync.Stream;
using AuthSidecar.Tests.Testing;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace AuthSidecar.Tests.Sync.Stream;

/// <summary>What a sidecar trusts is replaced by what a key that it trusts has signed just now, whole, and by nothing else.</summary>
public sealed class TrustApplierTests : IDisposable
{
    private const string Purpose = "authsidecar-trust-anchors-v1";

    private static readonly DateTimeOffset Now = new(2026, 11, 24, 12, 0, 0, TimeSpan.Zero);

    private readonly TemporaryFolder _folder = new();
    private readonly FakeTimeProvider _time = new(Now);
    private readonly TestControlPlane _control;
    private readonly ECDsa _next = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly PinnedKeys _keys;
    private readonly ControlPlaneOptions _options;

    public TrustApplierTests()
    {
        _control = new TestControlPlane(_time);
        _options = ControlPlaneOptions.Joining([new Uri("https://control:7443")], TestControlPlane.Placement, new JoinOptions("token", "one"), _folder["state"]);
        Directory.CreateDirectory(_folder["state/identity"]);
        File.WriteAllText(_options.PinnedKeys, TestControlPlane.KeySetOf(_control.Key));
        File.WriteAllText(_options.Ca, "before");
        _keys = new PinnedKeys(_options.PinnedKeys);
        _keys.Refresh();
    }

    [Fact]
    public void Apply_SignedByAPinnedKey_ReplacesCaAndKeys()
    {
        var applier = NewApplier(_options);
        var anchors = NewAnchors();
        Assert.Null(applier.Apply(Sign(anchors)));
        Assert.False(applier.IsRefused);
        Assert.Equal((anchors.Ca, anchors.BundleKeys), (File.ReadAllText(_options.Ca), File.ReadAllText(_options.PinnedKeys)));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_options.Ca));
        Assert.True(_keys.Contains(TestControlPlane.KeyIdOf(_next)) && _keys.Contains(TestControlPlane.KeyIdOf(_control.Key)));
        Assert.Equal(TestControlPlane.KeyIdOf(_control.Key), applier.SigningKeyId);
        Assert.Empty(applier.Missing);

        // The next one alone: from then on, the one before says nothing any more.
        anchors.BundleKeys = TestControlPlane.KeySetOf(_next);
        anchors.SigningKeyId = TestControlPlane.KeyIdOf(_next);
        Assert.Null(applier.Apply(Sign(anchors)));
        Assert.Equal([TestControlPlane.KeyIdOf(_next)], _keys.Ids);
        Assert.Equal(PinnedKeys.NotSigned, applier.Apply(Sign(NewAnchors())));
        Assert.Equal([TestControlPlane.KeyIdOf(_next)], _keys.Ids);
    }

    [Fact]
    public void Apply_WithFilesOfAnOperator_ReplacesNothing_AndSaysWhatIsMissing()
    {
        var applier = NewApplier(_options with { Join = null });
        Assert.Null(applier.Apply(Sign(NewAnchors())));
        Assert.Equal(TestControlPlane.KeyIdOf(_next), applier.Missing);
        Assert.Equal(("before", TestControlPlane.KeySetOf(_control.Key)), (File.ReadAllText(_options.Ca), File.ReadAllText(_options.PinnedKeys)));
        File.WriteAllText(_options.PinnedKeys, TestControlPlane.KeySetOf(_control.Key, _next));
        _keys.Refresh();
        Assert.Empty(applier.Missing);
    }

    public static TheoryData<string> Unfit => [.. Refused.Keys];

    [Theory]
    [MemberData(nameof(Unfit))]
    public void Apply_WhatDoesNotCount_ReplacesNothing(string what)
    {
        var (why, make) = Refused[what];
        var applier = NewApplier(_options);
        var refusal = applier.Apply(make(this));
        Assert.Equal(why is null, refusal is null);
        Assert.Contains(why ?? "", refusal ?? "", StringComparison.Ordinal);
        Assert.True(applier.IsRefused);
        Assert.Equal(("before", TestControlPlane.KeySetOf(_control.Key)), (File.ReadAllText(_options.Ca), File.ReadAllText(_options.PinnedKeys)));
        Assert.Null(applier.SigningKeyId);
    }

    // Without a reason: of clocks, heartbeats tell.
    private static readonly Dictionary<string, (string? Why, Func<TrustApplierTests, Signed> Make)> Refused = new()
    {
        ["signed by another key"] = ("not signed by a pinned key", t => TestControlPlane.Sign(Purpose, t.NewAnchors().ToByteString(), t._next)),
        ["signed as a bundle"] = ("not signed by a pinned key", t => TestControlPlane.Sign(TestControlPlane.BundlePurpose, t.NewAnchors().ToByteString(), t._control.Key)),
        ["signed long ago"] = (null, t => t.Sign(t.NewAnchors(a => a.CreatedAt = Timestamp.FromDateTimeOffset(Now.AddMinutes(-2))))),
        ["signed in the future"] = (null, t => t.Sign(t.NewAnchors(a => a.CreatedAt = Timestamp.FromDateTimeOffset(Now.AddMinutes(2))))),
        ["without a time"] = ("missing creation time", t => t.Sign(t.NewAnchors(a => a.CreatedAt = null))),
        ["keys that are half there"] = ("bundle keys", t => t.Sign(t.NewAnchors(a => a.BundleKeys = a.BundleKeys[..40]))),
        ["no keys"] = ("bundle keys", t => t.Sign(t.NewAnchors(a => a.BundleKeys = ""))),
        ["a signing key that is not among them"] = ("is not among the bundle keys", t => t.Sign(t.NewAnchors(a => a.SigningKeyId = "another"))),
        ["no CA"] = ("no CA certificate", t => t.Sign(t.NewAnchors(a => a.Ca = ""))),
        ["a CA that is half there"] = ("invalid CA certificate", t => t.Sign(t.NewAnchors(a => a.Ca = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))),
    };

    public void Dispose()
    {
        _keys.Dispose();
        _next.Dispose();
        _control.Dispose();
        _folder.Dispose();
    }

    private TrustApplier NewApplier(ControlPlaneOptions options) => new(options, _keys, new SourceHealth(), _time, NullLogger<TrustApplier>.Instance);

    private Signed Sign(TrustAnchors anchors) => TestControlPlane.Sign(Purpose, anchors.ToByteString(), _control.Key);

    private TrustAnchors NewAnchors(Action<TrustAnchors>? change = null)
    {
        var request = new CertificateRequest("CN=test", _next, HashAlgorithmName.SHA256);
        using var ca = request.CreateSelfSigned(Now, Now.AddYears(1));
        var anchors = new TrustAnchors
        {
            CreatedAt = Timestamp.FromDateTimeOffset(Now),
            Ca = ca.ExportCertificatePem(),
            BundleKeys = TestControlPlane.KeySetOf(_control.Key, _next),
            SigningKeyId = TestControlPlane.KeyIdOf(_control.Key),
        };
        change?.Invoke(anchors);
        return anchors;
    }
}
