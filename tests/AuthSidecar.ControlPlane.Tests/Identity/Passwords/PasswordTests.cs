using AuthSidecar.ControlPlane.Identity;
using AuthSidecar.ControlPlane.Identity.Passwords;
using AuthSidecar.ControlPlane.Secrets;
using AuthSidecar.ControlPlane.Store;
using Microsoft.AspNetCore.Identity;

namespace AuthSidecar.ControlPlane.Tests.Identity.Passwords;

/// <summary>Passwords: how they are hashed, what they have to be like, and how long it takes to be refused.</summary>
public sealed class PasswordTests : IAsyncLifetime
{
    private const string Password = "a long walk along the Vltava";

    private static readonly Account Nobody = new() { DisplayName = "", IsDisabled = false, Revision = 0 };
    private static readonly byte[] Pepper = [.. Enumerable.Range(0, 32).Select(i => (byte)i)];

    private readonly string _folder = System.IO.Directory.CreateTempSubdirectory("passwords").FullName;
    private SecretStore _secrets = null!;
    private SecretStore _otherNodes = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        var database = Database.Parse($"sqlite:{Path.Combine(_folder, "store.db")}");
        await database.MigrateAsync(Cancellation);
        (_secrets, _otherNodes) = (await OpenAsync(), await OpenAsync());

        async Task<SecretStore> OpenAsync()
        {
            var secrets = new SecretStore(new ControlStore(database, TimeProvider.System), new LocalKeyVault("test", () => Convert.ToBase64String(new byte[32])));
            await secrets.OpenAsync(Cancellation);
            return secrets;
        }
    }

    public ValueTask DisposeAsync()
    {
        Microsoft.Data.Sqlite.SqliteConnection.ClearAllPools();
        System.IO.Directory.Delete(_folder, recursive: true);
        return ValueTask.CompletedTask;
    }

    /// <summary>Systems write the same characters in different ways: composed and not, full-width, ligatures, other digits (UAX #15).</summary>
    [Theory]
    [InlineData("Zlat\u00e1 Praha, kr\u00e1sn\u00e1 ti", "Zlata\u0301 Praha, kra\u0301sna\u0301 ti")]
    [InlineData("office of fine fish", "o\ufb03ce of \ufb01ne \ufb01sh")]
    [InlineData("\uff50\uff41\uff53\uff53 along the Vltava", "pass along the Vltava")]
    [InlineData("\u212bngstr\u00f6m walks far", "\u00c5ngstro\u0308m walks far")]
    [InlineData("\ud55c\uae00 walks a long way", "\u1112\u1161\u11ab\u1100\u1173\u11af walks a long way")]
    public async Task Hash_OfTheSameCharactersWrittenOtherwise_IsTheSame(string chosen, string typed)
    {
        using var hashing = new PasswordHashing(_secrets, PasswordScheme.Argon2id);
        Assert.NotEqual(chosen, typed);
        var hash = (await hashing.TryHashAsync(Nobody, chosen, Cancellation))!;
        Assert.Equal(PasswordCheck.Right, await hashing.VerifyAsync(hash, typed, Cancellation));
        Assert.Equal(PasswordCheck.Wrong, await hashing.VerifyAsync(hash, typed + "x", Cancellation));
        var normalizer = new Nfkc();
        Assert.Equal(normalizer.NormalizeName(chosen), normalizer.NormalizeName(typed));
    }

    /// <summary>Of one character normalization may make eighteen, and runs of combining ones take quadratic time.</summary>
    [Fact]
    public async Task Normalization_MakesNoLongPasswordOfAShortOne_AndTakesNoTimeForALongOne()
    {
        var rules = new PasswordRules(PasswordPolicy.Length, []);
        Assert.NotNull(rules.FaultOf("\ufdfa", [], hasSecondFactor: false));
        Assert.True(rules.IsShort("\ufdfa\ufdfa"));
        var huge = "a" + string.Concat(Enumerable.Repeat("\u0301\u0323", 2_000_000));
        Assert.NotNull(rules.FaultOf(huge, [], hasSecondFactor: true));
        Assert.Same(huge, Nfkc.Of(huge));
        using var hashing = new PasswordHashing(_secrets, PasswordScheme.Argon2id);
        Assert.Equal(PasswordCheck.Wrong, await hashing.VerifyAsync(null, huge, Cancellation));
    }

    [Theory]
    [InlineData("\n", ":3")]
    [InlineData("\r\n", ":1234567890")]
    [InlineData("\n", "")]
    public void Breached_WhateverIsInTheList_IsFoundAndNothingElse(string end, string count)
    {
        var path = Path.Combine(_folder, "breached.txt");
        foreach (var size in new[] { 1, 2, 3, 1_000 })
        {
            var hashes = Enumerable.Range(0, size).Select(i => Sha1Of($"password {i}")).Order(StringComparer.Ordinal);
            File.WriteAllText(path, string.Join(end, hashes.Select(h => h + count)) + (size % 2 == 0 ? end : ""));
            using var breached = BreachedPasswords.Open(path);
            Assert.All(Enumerable.Range(0, size), i => Assert.True(breached.Contains($"password {i}")));
            Assert.All(Enumerable.Range(0, 1_000), i => Assert.False(breached.Contains($"another {i}")));
            Assert.Contains("breached", new PasswordRules(PasswordPolicy.Length, [], breached).FaultOf("password 0", [], hasSecondFactor: true), StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("", "is empty")]
    [InlineData("hunter2\npassword\n", "is not a sorted list of SHA-1 hashes")]
    [InlineData("8846F7EAEE8FB117AD06BDD830B7586C:3\n", "is not a sorted list of SHA-1 hashes")]
    [InlineData("B1B3773A05C0ED0176787A4F1574FF0075F7521E:1\n5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8:2\n", "is not sorted")]
    [InlineData("5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8,2\n", "is not a sorted list of SHA-1 hashes")]
    public void Breached_FileThatIsNoList_IsRefused(string content, string message)
    {
        var path = Path.Combine(_folder, "breached.txt");
        File.WriteAllText(path, content);
        Assert.Contains(message, Assert.Throws<InvalidDataException>(() => BreachedPasswords.Open(path)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0, "$argon2id$v=19$m=19456,t=2,p=1,keyid=1$")]
    [InlineData(1, "$pbkdf2-sha512$i=220000,keyid=1$")]
    public void Hash_Created_IsAPhcStringThatVerifiesItsPasswordAlone(int scheme, string prefix)
    {
        var text = PasswordHash.Create(Password, (PasswordScheme)scheme, "1", Pepper).ToString();
        Assert.StartsWith(prefix, text, StringComparison.Ordinal);
        Assert.NotEqual(text, PasswordHash.Create(Password, (PasswordScheme)scheme, "1", Pepper).ToString());
        Assert.True(PasswordHash.TryParse(text, out var hash));
        Assert.True(hash.Verify(Password, Pepper));
        Assert.False(hash.Verify(Password + " ", Pepper));
        Assert.False(hash.Verify(Password, new byte[32]));
        Assert.True(hash.IsCurrent((PasswordScheme)scheme, "1"));
        Assert.False(hash.IsCurrent((PasswordScheme)(1 - scheme), "1"));
        Assert.False(hash.IsCurrent((PasswordScheme)scheme, "2"));
    }

    [Theory]
    [InlineData("")]
    [InlineData("$argon2id$v=19$m=19456,t=2,p=1,keyid=1$AAAA$AAAA")]
    [InlineData("$argon2id$v=18$m=19456,t=2,p=1,keyid=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    [InlineData("$argon2i$v=19$m=19456,t=2,p=1,keyid=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    [InlineData("$argon2id$v=19$m=99999999999,t=2,p=1,keyid=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    [InlineData("AQAAAAIAAYagAAAAE")]
    public void Hash_ThatIsNone_IsNotRead(string text) => Assert.False(PasswordHash.TryParse(text, out _));

    [Fact]
    public async Task Verify_OfTheOtherScheme_RightAndToBeHashedAnew()
    {
        using var argon2 = new PasswordHashing(_secrets, PasswordScheme.Argon2id);
        using var pbkdf2 = new PasswordHashing(_secrets, PasswordScheme.Pbkdf2Sha512);
        var hash = pbkdf2.HashPassword(Nobody, Password);
        Assert.Equal(PasswordCheck.Right, await pbkdf2.VerifyAsync(hash, Password, Cancellation));
        Assert.Equal(PasswordCheck.RightButOutdated, await argon2.VerifyAsync(hash, Password, Cancellation));
        Assert.Equal(PasswordCheck.Wrong, await argon2.VerifyAsync(hash, "another", Cancellation));
        Assert.Equal(PasswordCheck.Wrong, await argon2.VerifyAsync(null, Password, Cancellation));
        Assert.Equal(PasswordVerificationResult.SuccessRehashNeeded, argon2.VerifyHashedPassword(Nobody, hash, Password));
    }

    [Fact]
    public async Task Pepper_Rotated_OldHashesVerifyAndAreToBeHashedAnew_AlsoAtNodesThatHaveNotHeard()
    {
        using var here = new PasswordHashing(_secrets, PasswordScheme.Argon2id);
        using var there = new PasswordHashing(_otherNodes, PasswordScheme.Argon2id);
        var old = here.HashPassword(Nobody, Password);
        for (var i = 2; i <= 11; i++)
        {
            Assert.True((await _secrets.AddPepperAsync("test", Cancellation)).IsCommitted);
        }

        // By number: 11 is newer than 9.
        var renewed = here.HashPassword(Nobody, Password);
        Assert.Contains(",keyid=11$", renewed, StringComparison.Ordinal);
        Assert.Equal(PasswordCheck.RightButOutdated, await here.VerifyAsync(old, Password, Cancellation));
        Assert.Equal(PasswordCheck.Wrong, await here.VerifyAsync(old, "another", Cancellation));
        Assert.Equal(PasswordCheck.Right, await here.VerifyAsync(renewed, Password, Cancellation));
        Assert.Equal(PasswordCheck.Right, await there.VerifyAsync(old, Password, Cancellation));
        Assert.Equal(PasswordCheck.Right, await there.VerifyAsync(renewed, Password, Cancellation));
        Assert.Equal(PasswordCheck.RightButOutdated, await there.VerifyAsync(old, Password, Cancellation));
        Assert.Equal(PasswordCheck.Wrong, await here.VerifyAsync(renewed.Replace("keyid=11", "keyid=99", StringComparison.Ordinal), Password, Cancellation));
        Assert.Equal(PasswordCheck.Wrong, await here.VerifyAsync(renewed.Replace("keyid=11", "keyid=1", StringComparison.Ordinal), Password, Cancellation));
    }

    [Fact]
    public async Task Verify_ManyAtOnce_ThoseTooManyAreTurnedAway()
    {
        using var hashing = new PasswordHashing(_secrets, PasswordScheme.Argon2id);
        var hash = hashing.HashPassword(Nobody, Password);
        var checks = await Task.WhenAll(Enumerable.Range(0, 200).Select(_ => hashing.VerifyAsync(hash, Password, Cancellation)));
        Assert.Contains(PasswordCheck.Busy, checks);
        Assert.InRange(checks.Count(c => c == PasswordCheck.Right), 64, 199);
        Assert.DoesNotContain(PasswordCheck.Wrong, checks);
        Assert.Equal(PasswordCheck.Right, await hashing.VerifyAsync(hash, Password, Cancellation));
    }

    /// <summary>What it costs is counted and not timed: on a busy machine times say little.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Verify_UnknownAccount_DerivesAsManyKeys(bool isArgon2)
    {
        var scheme = isArgon2 ? PasswordScheme.Argon2id : PasswordScheme.Pbkdf2Sha512;
        using var hashing = new PasswordHashing(_secrets, scheme);
        var hash = hashing.HashPassword(Nobody, Password);
        foreach (var stored in new[] { hash, null, "no hash at all", hash.Replace("keyid=1$", "keyid=99$", StringComparison.Ordinal) })
        {
            var before = hashing.Derivations;
            Assert.Equal(PasswordCheck.Wrong, await hashing.VerifyAsync(stored, "not it at all", Cancellation));
            Assert.Equal(1, hashing.Derivations - before);
        }

        Assert.True(hashing.Dummy().IsCurrent(scheme, _secrets.Peppers.NewestId));
    }

    [Theory]
    [InlineData("a long walk along the Vltava", true)]
    [InlineData("correct horse battery staple", true)]
    [InlineData("zr7-Lmq2.vv0Pw9", true)]
    [InlineData("\u4e00\u4e8c\u4e09\u56db\u4e94\u516d\u4e03\u516b\u4e5d\u5341\u767e\u5343\u842c\u5104\u5146", true)]
    [InlineData("zr7-Lmq2.vv0Pw", false)]
    [InlineData("passwordpassword", false)]
    [InlineData("Password1234567890!", false)]
    [InlineData("P@ssw0rdP@ssw0rd!!", false)]
    [InlineData("qwertyuiopasdfghjkl", false)]
    [InlineData("1234567890123456", false)]
    [InlineData("aaaaaaaaaaaaaaaaaaaa", false)]
    [InlineData("abcabcabcabcabcabc", false)]
    [InlineData("alicealicealice1", false)]
    [InlineData("Alice.Example-2026", false)]
    [InlineData("ILoveYou!ILoveYou!", false)]
    [InlineData("hunterhunter20262026", false)]
    public void Rules_OfLength_WantLongOnesAndNoneOfTheCommonest(string password, bool isGood) =>
        Assert.Equal(isGood, new PasswordRules(PasswordPolicy.Length, []).FaultOf(password, ["alice", "Alice Example"], hasSecondFactor: false) is null);

    [Fact]
    public void Rules_AtTheirEdges()
    {
        var rules = new PasswordRules(PasswordPolicy.Length, ["vltava"]);
        Assert.Null(rules.FaultOf("zr7-Lmq2", [], hasSecondFactor: true));
        Assert.NotNull(rules.FaultOf("zr7-Lmq", [], hasSecondFactor: true));
        Assert.Null(rules.FaultOf(string.Concat(Enumerable.Range(0, 32).Select(i => $"{i:x2}zK")), [], hasSecondFactor: false));
        Assert.NotNull(rules.FaultOf(string.Concat(Enumerable.Range(0, 33).Select(i => $"{i:x2}zK")), [], hasSecondFactor: false));
        // The operator's own list.
        Assert.NotNull(rules.FaultOf("VltavaVltavaVltava", [], hasSecondFactor: false));

        var classes = new PasswordRules(PasswordPolicy.Classes, []);
        Assert.Null(classes.FaultOf("Zr7-Lmq2.vv0", [], hasSecondFactor: false));
        foreach (var wrong in new[] { "Zr7-Lmq2.vv", "zr7-lmq2.vv0", "ZR7-LMQ2.VV0", "Zrx-Lmqy.vvz", "Zr7aLmq2bvv0", "Password1234!" })
        {
            Assert.NotNull(classes.FaultOf(wrong, [], hasSecondFactor: false));
        }
    }

#pragma warning disable CA5350 // What the lists are made of.
    private static string Sha1Of(string text) => Convert.ToHexString(System.Security.Cryptography.SHA1.HashData(System.Text.Encoding.UTF8.GetBytes(text)));
#pragma warning restore CA5350
}
