using System.Security.Cryptography;
using AuthSidecar.Snapshots;
using AuthSidecar.Sync.Folder;
using AuthSidecar.Tests.Testing;
using Microsoft.Extensions.Logging.Testing;
using Microsoft.Extensions.Time.Testing;

namespace AuthSidecar.Tests.Sync.Folder;

public sealed class FolderSourceTests : IDisposable
{
    private readonly TestBundle _bundle = new();
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero));
    private readonly FakeLogger<FolderSource> _logger = new();
    private readonly SourceHealth _health = new();
    private readonly SnapshotCache _cache;
    private readonly FolderSource _source;

    public FolderSourceTests()
    {
        _cache = new SnapshotCache(_time);
        _source = Create(new SealOptions());
    }

    [Fact]
    public void Look_First_PublishedWhenItHasSettled()
    {
        _source.Look();
        Assert.Null(_cache.Current);
        _bundle.Write("policies/more.cedar", "permit (principal, action, resource);");
        _source.Look();
        Assert.Null(_cache.Current);
        _source.Look();
        Assert.Equal(12, _cache.Current!.Policies.Value.Policies.Policies.Length);
        Assert.True(_health.IsCurrent);
        // Nobody vouches for it, so what is served is said.
        Assert.Contains(_logger.Collector.GetSnapshot(), r => r.Id.Name == "BundleNotSealed");
        Assert.Contains(_logger.Collector.GetSnapshot(), r => r.Message.StartsWith("bundle file policies/more.cedar, 37 bytes", StringComparison.Ordinal));
    }

    [Fact]
    public void Look_Change_PublishedWhenItHasSettled()
    {
        Settle();
        var first = _cache.Current!;
        _bundle.Write("policies/more.cedar", "permit (principal, action, resource);");
        _source.Look();
        Assert.Same(first, _cache.Current);
        _source.Look();
        Assert.True(_cache.Current!.Revision > first.Revision);
        Assert.Equal(12, _cache.Current.Policies.Value.Policies.Policies.Length);
    }

    [Fact]
    public void Look_BrokenPolicy_KeepsTheLastGoodOneAndReportsItsPlaceOnce()
    {
        Settle();
        var good = _cache.Current;
        _bundle.Write("policies/more.cedar", "permit (principal, action, resource)\nwhn { true };");
        for (var i = 0; i < 5; i++)
        {
            _source.Look();
        }

        Assert.Same(good, _cache.Current);
        var fault = Assert.Single(_logger.Collector.GetSnapshot(), r => r.Id.Name == "BundleFault");
        Assert.Equal("bundle: policies/more.cedar:2:1: expected `when`, `unless`, or `;` to end the policy, found `whn`", fault.Message);
        Assert.Single(_logger.Collector.GetSnapshot(), r => r.Id.Name == "BundleRefused");
    }

    [Fact]
    public void Look_PolicyThatCanNeverApply_ServedWithAWarning()
    {
        _bundle.Write("policies/more.cedar", "permit (principal, action, resource) when { false };");
        Settle();
        Assert.Equal(12, _cache.Current!.Policies.Value.Policies.Policies.Length);
        var warnings = _logger.Collector.GetSnapshot().Where(r => r.Id.Name == "BundleWarning").Select(r => r.Message);
        Assert.Single(warnings, w => w.StartsWith("bundle: policies/more.cedar:1:45: the policy is never", StringComparison.Ordinal));
    }

    [Fact]
    public void Look_BrokenAndMendedAgain_ServesTheMendedOne()
    {
        Settle();
        _bundle.Write("policies/more.cedar", "permit");
        _source.Look();
        _source.Look();
        _bundle.Write("policies/more.cedar", "@id(\"mended\") permit (principal, action, resource);");
        _source.Look();
        _source.Look();
        Assert.Contains(_cache.Current!.Policies.Value.Policies.Policies, p => p.Id == "mended");
    }

    [Fact]
    public void Look_NothingToServe_SaysSoAndServesWhenMended()
    {
        _bundle.Write("policies/more.cedar", "permit");
        Settle();
        Assert.Null(_cache.Current);
        Assert.Single(_logger.Collector.GetSnapshot(), r => r.Id.Name == "NoSnapshot");
        _bundle.Delete("policies/more.cedar");
        Settle();
        Assert.NotNull(_cache.Current);
    }

    [Fact]
    public void Look_FolderGone_KeepsTheLastGoodOne()
    {
        Settle();
        var good = _cache.Current;
        Directory.Move(_bundle.Path, _bundle.Path + "-gone");
        try
        {
            _source.Look();
            _source.Look();
            Assert.Same(good, _cache.Current);
            Assert.Single(_logger.Collector.GetSnapshot(), r => r.Id.Name == "BundleRefused");
        }
        finally
        {
            Directory.Move(_bundle.Path + "-gone", _bundle.Path);
        }
    }

    [Fact]
    public void Age_WhileTheSourceIsBroken_Grows()
    {
        Settle();
        _time.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal(TimeSpan.FromSeconds(10), _cache.AgesAt(_time.GetUtcNow()).Of(PolicyData.Type));
        _source.Look();
        Assert.Equal(TimeSpan.Zero, _cache.AgesAt(_time.GetUtcNow()).Of(PolicyData.Type));
        _bundle.Write("policies/more.cedar", "permit");
        _source.Look();
        _source.Look();
        _time.Advance(TimeSpan.FromSeconds(10));
        _source.Look();
        Assert.Equal(TimeSpan.FromSeconds(10), _cache.AgesAt(_time.GetUtcNow()).Of(PolicyData.Type));
    }

    [Fact]
    public void Look_RestoredOldFile_RevisionStillGrows()
    {
        Settle();
        var first = _cache.Current!.Revision;
        var path = _bundle.Write("policies/more.cedar", "permit (principal, action, resource);");
        File.SetLastWriteTimeUtc(path, new DateTime(2001, 1, 1, 0, 0, 0, DateTimeKind.Utc));
        _source.Look();
        _source.Look();
        Assert.True(_cache.Current!.Revision > first);
    }

    [Fact]
    public void Look_FilesTouchedOrCopiedAnew_NothingIsPublished()
    {
        Settle();
        var first = _cache.Current;
        var path = _bundle.Write("entities.json", File.ReadAllText(Path.Combine(_bundle.Path, "entities.json")));
        File.SetLastWriteTimeUtc(path, new DateTime(2030, 1, 1, 0, 0, 0, DateTimeKind.Utc));
        Settle();
        Assert.Same(first, _cache.Current);
        Assert.Equal(TimeSpan.Zero, _cache.AgesAt(_time.GetUtcNow()).Of(EntityData.Type));
    }

    [Fact]
    public void Look_ReplacedByOneOfTheSameLengthAndTime_IsSeen()
    {
        var path = _bundle.Write("policies/more.cedar", "@id(\"a\") permit (principal, action, resource);");
        Settle();
        var written = File.GetLastWriteTimeUtc(path);
        _bundle.Write(".other", "@id(\"b\") permit (principal, action, resource);");
        File.SetLastWriteTimeUtc(Path.Combine(_bundle.Path, ".other"), written);
        File.Move(Path.Combine(_bundle.Path, ".other"), path, overwrite: true);
        Settle();
        Assert.Contains(_cache.Current!.Policies.Value.Policies.Policies, p => p.Id == "b");
    }

    /// <summary>As Kubernetes mounts a ConfigMap: each file a link into <c>..data</c>, which is a link that is exchanged.</summary>
    [Fact]
    public void Look_FilesBehindLinksThatAreExchanged_AreSeen()
    {
        var policies = Path.Combine(_bundle.Path, "policies");
        WriteGeneration("..1", "v1");
        File.CreateSymbolicLink(Path.Combine(policies, "..data"), "..1");
        File.CreateSymbolicLink(Path.Combine(policies, "mounted.cedar"), "..data/mounted.cedar");
        Settle();
        Assert.Contains(_cache.Current!.Policies.Value.Policies.Policies, p => p.Id == "v1");

        // Of the same length and time, and the links to the files stay what they are.
        WriteGeneration("..2", "v2");
        File.CreateSymbolicLink(Path.Combine(policies, "..new"), "..2");
        using (var exchange = System.Diagnostics.Process.Start("mv", ["-T", Path.Combine(policies, "..new"), Path.Combine(policies, "..data")]))
        {
            exchange.WaitForExit();
        }

        Directory.Delete(Path.Combine(policies, "..1"), recursive: true);
        Settle();
        Assert.Contains(_cache.Current!.Policies.Value.Policies.Policies, p => p.Id == "v2");

        void WriteGeneration(string name, string id)
        {
            var path = _bundle.Write($"policies/{name}/mounted.cedar", $"@id(\"{id}\") permit (principal, action, resource);");
            File.SetLastWriteTimeUtc(path, new DateTime(2026, 1, 1, 0, 0, 0, DateTimeKind.Utc));
        }
    }

    [Theory]
    [InlineData("policies/x.txt", "policies/x.txt: unexpected file: policy files are named `policies/….cedar`")]
    [InlineData("policies/Y.CEDAR", "policies/Y.CEDAR: unexpected file: policy files are named `policies/….cedar`")]
    [InlineData("policies/x.cedar~", "policies/x.cedar~: unexpected file: policy files are named `policies/….cedar`")]
    [InlineData("policies/team/y.cedar.bak", "policies/team/y.cedar.bak: unexpected file: policy files are named `policies/….cedar`")]
    [InlineData("policies/x", "policies/x: unexpected file: policy files are named `policies/….cedar`")]
    [InlineData("Policies/x.cedar", "Policies/x.cedar: `Policies` is not `policies`: names are case-sensitive")]
    [InlineData("Entities.json", "Entities.json: `Entities.json` is not `entities.json`: names are case-sensitive")]
    public void Look_FileThatWouldBePassedOverForItsName_Refused(string path, string message)
    {
        _bundle.Write(path, "forbid (principal, action, resource);");
        Settle();
        Assert.Null(_cache.Current);
        Assert.Contains(_logger.Collector.GetSnapshot(), r => r.Message.StartsWith($"bundle: {message}", StringComparison.Ordinal));
    }

    [Fact]
    public void Look_HiddenFilesAmongPolicies_ArePassedOver()
    {
        _bundle.Write("policies/.x.cedar.swp", "nothing");
        _bundle.Write("policies/..2026/x.txt", "nothing");
        Settle();
        Assert.NotNull(_cache.Current);
    }

    public static TheoryData<string, string> OddThings => new()
    {
        { "fifo", "is not a regular file, but a FIFO" },
        { "device", "is not a regular file, but a device" },
        { "dangling", "is not a regular file, but a dangling symbolic link" },
        { "folder", "is a folder, not a file" },
        { "loop", "possible symbolic link loop" },
        { "circle", "is a symbolic link that cannot be followed" },
        { "name", "is not valid UTF-8" },
        { "unreadable", "failed to read the bundle: " },
        { "huge", "files too large: limit 256 MiB in total" },
    };

    [Theory]
    [MemberData(nameof(OddThings))]
    public void Look_SomethingThatIsNoFile_RefusedAndFollowedOnOnceItIsGone(string kind, string message)
    {
        Settle();
        var good = _cache.Current;
        var path = Path.Combine(_bundle.Path, "policies", "zz.cedar");
        switch (kind)
        {
            case "fifo": Shell($"mkfifo '{path}'"); break;
            case "device": File.CreateSymbolicLink(path, "/dev/zero"); break;
            case "dangling": File.CreateSymbolicLink(path, "nowhere.cedar"); break;
            case "circle": File.CreateSymbolicLink(path, "zz.cedar"); break;
            // A file that opens and cannot be read, also as root.
            case "unreadable": File.CreateSymbolicLink(path, "/proc/self/mem"); break;
            case "name": Shell($"touch '{_bundle.Path}/policies/'$(printf '\\377').cedar"); break;
            case "folder": Directory.CreateDirectory(path); break;
            case "loop": File.CreateSymbolicLink(Path.ChangeExtension(path, null), ".."); break;
            case "huge": using (var sparse = File.Create(path)) { sparse.SetLength(10L * 1024 * 1024 * 1024); } break;
        }

        Settle();
        Assert.Same(good, _cache.Current);
        Assert.False(_health.IsCurrent);
        // However long it stays so, the folder can be looked at.
        for (var second = 0; second < 100; second++)
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            _source.Look();
        }

        Assert.Null(MaxStaleness.OfFolder.FindStale(DataTypeSet.All, _cache.AgesAt(_time.GetUtcNow())));
        Assert.Single(_logger.Collector.GetSnapshot(), r => r.Message.Contains(message, StringComparison.Ordinal));
        Shell($"rm -r '{_bundle.Path}'/policies/*[!a-z.]* '{path}' '{Path.ChangeExtension(path, null)}' 2>/dev/null || true");
        _bundle.Write("policies/more.cedar", "@id(\"more\") forbid (principal, action, resource);");
        Settle();
        Assert.Contains(_cache.Current!.Policies.Value.Policies.Policies, p => p.Id == "more");
        Assert.True(_health.IsCurrent);
    }

    private static void Shell(string command)
    {
        using var shell = System.Diagnostics.Process.Start("sh", ["-c", command]);
        shell.WaitForExit();
    }

    [Fact]
    public void Look_FolderThatCannotBeLookedAtForAMinute_IsStale()
    {
        Settle();
        _time.Advance(TimeSpan.FromSeconds(59));
        Assert.Null(MaxStaleness.OfFolder.FindStale(DataTypeSet.All, _cache.AgesAt(_time.GetUtcNow())));
        _time.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal(PolicyData.Type, MaxStaleness.OfFolder.FindStale(DataTypeSet.All, _cache.AgesAt(_time.GetUtcNow())));
        // A bundle that is refused has been looked at: what was good before it is still the best there is.
        _bundle.Write("policies/more.cedar", "permit");
        Settle();
        Assert.Null(MaxStaleness.OfFolder.FindStale(DataTypeSet.All, _cache.AgesAt(_time.GetUtcNow())));
        Assert.False(_health.IsCurrent);
    }

    [Fact]
    public void Look_SealedBundle_ServedOnlyAsItWasSealed()
    {
        Seal();
        using var source = Create(new SealOptions(IsRequired: true));
        Settle(source);
        var good = _cache.Current;
        Assert.NotNull(good);
        Assert.DoesNotContain(_logger.Collector.GetSnapshot(), r => r.Id.Name == "BundleNotSealed");

        // A policy gets lost, comes back, and then there is one that nobody sealed; and one that is another.
        var policy = Path.Combine(_bundle.Path, "policies", "extra.cedar");
        var text = File.ReadAllText(policy);
        File.Delete(policy);
        AssertRefused("policies/extra.cedar: file is listed in the seal but not found in the bundle");
        _bundle.Write("policies/extra.cedar", text);
        Settle(source);
        Assert.True(_health.IsCurrent);
        var more = _bundle.Write("policies/more.cedar", "permit (principal, action, resource);");
        AssertRefused("policies/more.cedar: file is in the bundle but not listed in the seal");
        File.Delete(more);
        _bundle.Write("policies/extra.cedar", text + "\n");
        AssertRefused("policies/extra.cedar: SHA-256 mismatch: the file was changed after sealing");
        File.Delete(Path.Combine(_bundle.Path, BundleSeal.FileName));
        AssertRefused("bundle.sums.json: the bundle is not sealed");
        _bundle.Write(BundleSeal.FileName, "{\"version\": 2, \"files\": {}}");
        AssertRefused("bundle.sums.json: unsupported seal version 2");
        _bundle.Write(BundleSeal.FileName, "{");
        AssertRefused("bundle.sums.json:1:");
        Assert.Same(good, _cache.Current);

        Seal();
        Settle(source);
        Assert.NotSame(good, _cache.Current);

        void AssertRefused(string message)
        {
            Settle(source);
            Assert.False(_health.IsCurrent);
            Assert.Contains(_logger.Collector.GetSnapshot(), r => r.Message.StartsWith($"bundle: {message}", StringComparison.Ordinal));
        }
    }

    [Fact]
    public void Look_SealThatDisappears_IsMissedAlsoWhereNoneIsRequired()
    {
        Seal();
        Settle();
        var good = _cache.Current;
        File.Delete(Path.Combine(_bundle.Path, BundleSeal.FileName));
        _bundle.Delete("policies/extra.cedar");
        Settle();
        Assert.Same(good, _cache.Current);
        Assert.False(_health.IsCurrent);
    }

    [Fact]
    public void Look_SignedSeal_CountsOnlyOfTheBundleKey()
    {
        using var folder = new TemporaryFolder();
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var stranger = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var keyFile = folder.Write("bundle.pub", key.ExportSubjectPublicKeyInfoPem());
        using var source = Create(new SealOptions(KeyFile: keyFile));
        foreach (var signer in new[] { null, stranger })
        {
            Seal(signer);
            Settle(source);
            Assert.Null(_cache.Current);
        }

        _bundle.Write("policies/more.cedar", "forbid (principal, action, resource);");
        Seal(key);
        Settle(source);
        var good = _cache.Current;
        Assert.NotNull(good);

        // What was signed is not what stands beside it.
        var seal = Path.Combine(_bundle.Path, BundleSeal.FileName);
        var signed = File.ReadAllText(seal);
        _bundle.Delete("policies/more.cedar");
        var lines = signed.Split('\n').Where(l => !l.Contains("more.cedar", StringComparison.Ordinal));
        File.WriteAllText(seal, string.Join('\n', lines));
        Settle(source);
        Assert.Same(good, _cache.Current);

        // Another key, and the same files are refused, or taken, by it.
        Seal(stranger);
        Settle(source);
        Assert.Same(good, _cache.Current);
        File.WriteAllText(keyFile, stranger.ExportSubjectPublicKeyInfoPem());
        Settle(source);
        Assert.NotSame(good, _cache.Current);
        File.WriteAllText(keyFile, "no key");
        Settle(source);
        Assert.Contains(_logger.Collector.GetSnapshot(), r => r.Id.Name == "BundleKeyInvalid");
        Assert.True(_health.IsCurrent);
    }

    private FolderSource Create(SealOptions seals) => new(_bundle.Path, seals, new BundleReader(TestBundle.WrappingKey), _cache, _health, _time, _logger);

    private void Seal(ECDsa? key = null) => _bundle.Write(BundleSeal.FileName, System.Text.Encoding.UTF8.GetString(BundleSeal.Create(_bundle.Load(), key)));

    /// <summary>Looks until what has changed is handled.</summary>
    private void Settle(FolderSource? source = null)
    {
        (source ?? _source).Look();
        (source ?? _source).Look();
    }

    public void Dispose()
    {
        _source.Dispose();
        _bundle.Dispose();
    }
}
