using System.Diagnostics.Metrics;
using AuthSidecar.Cedar;
using AuthSidecar.ControlPlane.Accounts;
using AuthSidecar.ControlPlane.Resources;
using AuthSidecar.ControlPlane.Store;
using AuthSidecar.ControlPlane.V1;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;

namespace AuthSidecar.ControlPlane.Tests.Store;

/// <summary>Who guesses at an account, and who must not be kept out by them.</summary>
public abstract partial class StoreConformance
{
    private const string Walk = "a long walk along the Vltava";

    private static readonly AttemptSource Here = new("192.0.2.1", "192.0.2.1");

    [Fact]
    public async Task SignIn_WhileAStrangerGuesses_OwnerComesInAtOnceFromAKnownBrowserAndWithinAMinuteFromElsewhere()
    {
        var time = new FakeTimeProvider(DateTimeOffset.UnixEpoch.AddYears(56));
        var parts = await StartWithAliceAsync(time);
        var known = Here with { Browser = (await parts.Attempts.RememberAsync("alice", secret: null, Cancellation)).Secret };
        var attacker = new AttemptSource("198.51.100.7", "198.51.100.7", "attacker");
        var unknown = new AttemptSource("198.51.100.7", "198.51.100.7", "the owner's other browser");

        // Two guesses a second, and then an hour of what keeps an account locked that has one delay for everybody.
        for (var second = 0; second < 100; second++)
        {
            await TryAsync(parts, "wrong", attacker);
            await TryAsync(parts, "wrong", attacker);
            time.Advance(TimeSpan.FromSeconds(1));
            if (second % 30 == 29)
            {
                Assert.Equal(SignInOutcome.Accepted, await TryAsync(parts, Walk, known));
            }
        }

        for (var minute = 0; minute < 60; minute++)
        {
            await TryAsync(parts, "wrong", attacker);
            time.Advance(TimeSpan.FromMinutes(1));
        }

        // The attacker goes on, and the owner tries once every ten seconds.
        var outcome = SignInOutcome.Locked;
        for (var second = 0; second < 60 && outcome != SignInOutcome.Accepted; second++)
        {
            await TryAsync(parts, "wrong", attacker);
            outcome = second % 10 == 9 ? await TryAsync(parts, Walk, unknown) : outcome;
            time.Advance(TimeSpan.FromSeconds(1));
        }

        Assert.Equal(SignInOutcome.Accepted, outcome);
        Assert.Equal(SignInOutcome.Accepted, await TryAsync(parts, Walk, known));
    }

    [Fact]
    public async Task SignIn_AHundredWrongInARowFromAnywhere_StrangersAreRefusedUntilUnlocked()
    {
        var time = new FakeTimeProvider(DateTimeOffset.UnixEpoch.AddYears(56));
        var parts = await StartWithAliceAsync(time);
        var known = Here with { Browser = (await parts.Attempts.RememberAsync("alice", secret: null, Cancellation)).Secret };
        var looked = 0;
        for (var i = 0; i < 200; i++)
        {
            looked += await TryAsync(parts, "wrong", new AttemptSource($"203.0.113.{i}", $"203.0.113.{i}", $"{i}")) == SignInOutcome.Refused ? 1 : 0;
            time.Advance(TimeSpan.FromSeconds(31));
        }

        Assert.Equal(SignInAttempts.MostInARow, looked);
        time.Advance(TimeSpan.FromDays(30));
        await CleanAsync(time);
        Assert.Equal(SignInOutcome.Locked, await TryAsync(parts, Walk, Here));
        Assert.Equal(SignInOutcome.Accepted, await TryAsync(parts, Walk, known));
        Assert.Equal(SignInOutcome.Locked, await TryAsync(parts, Walk, Here));
        Assert.IsType<Refusal.NotFound>((await parts.Accounts.UnlockAsync("test", "nobody", Cancellation)).Refusal);
        Assert.True((await parts.Accounts.UnlockAsync("test", "alice", Cancellation)).IsCommitted);
        Assert.Equal(SignInOutcome.Accepted, await TryAsync(parts, Walk, Here));
        Assert.Equal(
            ["accounts.throttle", "accounts.lock-out", "accounts.unlock"],
            await _node.Store.ReadAsync((context, _) => context.Audit.Where(a => a.Target == "alice" && a.Action != "accounts.write-with-password").OrderBy(a => a.AtMs).ThenBy(a => a.Number).Select(a => a.Action).ToListAsync(Cancellation), Cancellation));
    }

    [Fact]
    public async Task SignIn_FailuresOfLastNight_HaveFaded()
    {
        var time = new FakeTimeProvider(DateTimeOffset.UnixEpoch.AddYears(56));
        var parts = await StartWithAliceAsync(time);
        for (var i = 0; i < 9; i++)
        {
            Assert.Equal(SignInOutcome.Refused, await TryAsync(parts, "wrong", Here));
            time.Advance(TimeSpan.FromMinutes(1));
        }

        // Of nine there are two after two hours: three more are free, and no delay begins before the fourth.
        time.Advance(TimeSpan.FromHours(2));
        for (var i = 0; i < 4; i++)
        {
            Assert.Equal(SignInOutcome.Refused, await TryAsync(parts, "wrong", Here));
        }

        Assert.Equal(SignInOutcome.Locked, await TryAsync(parts, Walk, Here));
    }

    [Fact]
    public async Task SignIn_AKnownBrowserThatGuesses_IsKnownNoLonger()
    {
        var time = new FakeTimeProvider(DateTimeOffset.UnixEpoch.AddYears(56));
        var parts = await StartWithAliceAsync(time);
        var known = Here with { Browser = (await parts.Attempts.RememberAsync("alice", secret: null, Cancellation)).Secret };
        Assert.Equal((known.Browser!, true), await parts.Attempts.RememberAsync("alice", known.Browser, Cancellation));
        // What a browser had before anybody signed in with it may be known to others.
        Assert.NotEqual("planted", (await parts.Attempts.RememberAsync("alice", "planted", Cancellation)).Secret);
        for (var i = 0; i < SignInAttempts.MostOfKnown; i++)
        {
            Assert.Equal(SignInOutcome.Refused, await TryAsync(parts, "wrong", known));
            time.Advance(TimeSpan.FromMinutes(16));
        }

        Assert.Equal(1, await CountAsync(c => c.KnownBrowsers.CountAsync(Cancellation)));
        // A new password makes strangers of all of them.
        await parts.Accounts.SetPasswordAsync("test", "alice", "another walk along the Vltava", null, Cancellation);
        Assert.Equal((0, 0), (await CountAsync(c => c.KnownBrowsers.CountAsync(Cancellation)), await CountAsync(c => c.Attempts.CountAsync(a => a.AccountId == "alice", Cancellation))));
    }

    [Fact]
    public async Task SignIn_WrongPasswordsOfStrangers_DoNotTakeCodesAway()
    {
        var time = new FakeTimeProvider(DateTimeOffset.UnixEpoch.AddYears(56));
        var parts = await StartWithAliceAsync(time);
        var subject = new EntityUid("User", "alice");
        var (backup, codes) = FactorRecords.NewBackupCodes(subject, "paper");
        await _node.Resources.WriteAsync("test", "factors.enrol", new ResourceKey(ResourceType.Factors, subject.ToString(), new Placement("", "")), _ => (new ResourceChange(FactorRecords.Write([backup])), null), null, Cancellation);
        for (var i = 0; i < 6; i++)
        {
            await TryAsync(parts, "wrong", Here);
        }

        // Who has authenticated elsewhere, and has a second factor here.
        Assert.Equal(SignInOutcome.Locked, await TryAsync(parts, Walk, Here));
        var digest = SignIn.DigestOf((await parts.Accounts.FindAsync("alice", Cancellation))!);
        Assert.Equal(SignInOutcome.Accepted, (await parts.SignIn.TryCodeAsync("alice", digest, codes[0], Here, Cancellation)).Outcome);
        // The session of somebody who changes their password has its own count.
        Assert.Equal(SignInOutcome.CodeRequired, await TryAsync(parts, Walk, Here with { Session = "s" }));
    }

    [Fact]
    public async Task SignIn_ShortPasswordWithoutItsFactor_IsChangedFirst()
    {
        var time = new FakeTimeProvider(DateTimeOffset.UnixEpoch.AddYears(56));
        var parts = await StartWithAliceAsync(time);
        var (subject, key) = (new EntityUid("User", "alice"), new ResourceKey(ResourceType.Factors, "User::\"alice\"", new Placement("", "")));
        var (backup, _) = FactorRecords.NewBackupCodes(subject, "paper");
        await _node.Resources.WriteAsync("test", "factors.enrol", key, _ => (new ResourceChange(FactorRecords.Write([backup])), null), null, Cancellation);
        Assert.True((await parts.Accounts.SetPasswordAsync("test", "alice", "zr7-Lmq2", null, Cancellation)).IsCommitted);
        Assert.Equal(SignInOutcome.CodeRequired, await TryAsync(parts, "zr7-Lmq2", Here));
        await _node.Resources.RemoveAsync("test", "factors.remove", key, "factors", null, Cancellation);
        Assert.Equal(SignInOutcome.PasswordChangeRequired, await TryAsync(parts, "zr7-Lmq2", Here));
        Assert.True((await parts.Accounts.SetPasswordAsync("test", "alice", Walk, null, Cancellation)).IsCommitted);
        Assert.Equal(SignInOutcome.Accepted, await TryAsync(parts, Walk, Here));
    }

    [Fact]
    public async Task Account_Removed_LeavesNothingToTheNextOfItsId()
    {
        var time = new FakeTimeProvider(DateTimeOffset.UnixEpoch.AddYears(56));
        var parts = await StartWithAliceAsync(time);
        var subject = new EntityUid("User", "alice");
        var (backup, _) = FactorRecords.NewBackupCodes(subject, "paper");
        foreach (var placement in new[] { new Placement("", ""), new Placement("documents", "acme") })
        {
            await _node.Resources.WriteAsync("test", "factors.enrol", new ResourceKey(ResourceType.Factors, subject.ToString(), placement), _ => (new ResourceChange(FactorRecords.Write([backup])), null), null, Cancellation);
        }

        await parts.Attempts.RememberAsync("alice", secret: null, Cancellation);
        await parts.Resets.CreateAsync("test", "alice", TimeSpan.FromHours(1), Cancellation);
        await TryAsync(parts, "wrong", Here);
        await parts.Log.ListAsync("alice", 1, Cancellation);
        Assert.True((await parts.Accounts.RemoveAsync("test", "alice", Cancellation)).IsCommitted);
        Assert.Equal(0, await CountAsync(c => c.Resources.CountAsync(r => r.Type == ResourceType.Factors && !r.IsRemoved, Cancellation)));
        Assert.Equal(0, await CountAsync(c => c.KnownBrowsers.CountAsync(Cancellation)));
        Assert.Equal(0, await CountAsync(c => c.ResetLinks.CountAsync(Cancellation)));
        Assert.Equal(0, await CountAsync(c => c.FailedSignIns.CountAsync(Cancellation)));
        Assert.Equal(0, await CountAsync(c => c.Attempts.CountAsync(a => a.AccountId == "alice", Cancellation)));
    }

    [Fact]
    public async Task ResetLink_IsGoodOnceAndUntilItExpires()
    {
        var time = new FakeTimeProvider(DateTimeOffset.UnixEpoch.AddYears(56));
        var parts = await StartWithAliceAsync(time);
        Assert.IsType<Refusal.NotFound>((await parts.Resets.CreateAsync("test", "nobody", TimeSpan.FromHours(1), Cancellation)).Result.Refusal);
        var old = await parts.Resets.CreateAsync("test", "alice", TimeSpan.FromHours(1), Cancellation);
        var link = await parts.Resets.CreateAsync("test", "alice", TimeSpan.FromHours(1), Cancellation);
        Assert.Null(await parts.Resets.FindAsync(old.Code, Cancellation));
        Assert.IsType<Refusal.Invalid>((await parts.Resets.UseAsync(link.Code, "short", Cancellation)).Refusal);
        // At once from many sides: one of them.
        var used = await Task.WhenAll(Enumerable.Range(0, 4).Select(i => parts.Resets.UseAsync(link.Code, $"walk number {i} along the Vltava", Cancellation)));
        Assert.Equal((1, 3), (used.Count(r => r.IsCommitted), used.Count(r => r.Refusal is Refusal.NotFound)));
        Assert.Equal(SignInOutcome.Refused, await TryAsync(parts, Walk, Here));
        var late = await parts.Resets.CreateAsync("test", "alice", TimeSpan.FromHours(1), Cancellation);
        time.Advance(TimeSpan.FromHours(1));
        Assert.IsType<Refusal.NotFound>((await parts.Resets.UseAsync(late.Code, Walk, Cancellation)).Refusal);
    }

    [Fact]
    public async Task AuthenticationLog_TellsOfEachKindWithoutNamesAndWithoutEnd()
    {
        var time = new FakeTimeProvider(DateTimeOffset.UnixEpoch.AddYears(56));
        var parts = await StartWithAliceAsync(time);
        var counted = new List<string>();
        using var listener = new MeterListener { InstrumentPublished = (instrument, l) => { if (instrument.Meter.Scope == parts.Meters) { l.EnableMeasurementEvents(instrument); } } };
        listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => counted.Add($"{instrument.Name} {string.Join(' ', tags.ToArray().Select(t => t.Value))}"));
        listener.Start();
        await parts.SignIn.TryAsync("hunter2 typed into the wrong field", "x", Here, Cancellation);
        for (var i = 0; i < 30; i++)
        {
            await TryAsync(parts, "wrong", Here);
        }

        parts.Log.SignedIn("alice", "pwd", "192.0.2.1", isKnown: true);
        parts.Log.TokenRequest("token", "web", "refresh_token", "invalid_grant", "used already", "192.0.2.1");
        parts.Log.TokenRequest("token", "web", "refresh_token", null, null, "192.0.2.1");
        parts.Log.AdministratorRefused("expired", "192.0.2.1");
        Assert.Equal(
            ["authsidecar.sign_ins failure UnknownName", .. Enumerable.Repeat("authsidecar.sign_ins failure WrongPassword", 6), .. Enumerable.Repeat("authsidecar.sign_ins failure TooManyAttempts", 24),
                "authsidecar.sign_ins success ", "authsidecar.token_requests token failure invalid_grant", "authsidecar.token_requests token success ", "authsidecar.administrator_authentications failure expired"],
            counted);
        var events = parts.Logger.Collector.GetSnapshot();
        Assert.Equal(
            ["SignInFailed", .. Enumerable.Repeat("SignInFailed", 5), .. Enumerable.Repeat("SignInFailed", 5), "SignInSucceeded", "TokenRequestFailed", "TokenRequestSucceeded", "AdministratorRefused"],
            events.Select(e => e.Id.Name));
        Assert.DoesNotContain(events, e => e.Message.Contains("hunter2", StringComparison.Ordinal));
        Assert.Contains(events, e => e.Message == "sign-in of account alice failed from 192.0.2.1: WrongPassword" && e.Level == LogLevel.Warning);
        var shown = await parts.Log.ListAsync("alice", 10, Cancellation);
        Assert.Equal([("TooManyAttempts", 24), ("WrongPassword", 6)], shown.Select(f => (f.Reason, f.Count)).Order());
        Assert.All(shown, f => Assert.Equal("192.0.2.1", f.Address));
    }

    [Fact]
    public async Task AuthenticationLog_FromManyAddressesOrWithoutADatabase_LosesNothingOfAnAccount()
    {
        var time = new FakeTimeProvider(DateTimeOffset.UnixEpoch.AddYears(56));
        var parts = await StartWithAliceAsync(time);
        parts.Log.SignInFailed("alice", SignInFailure.WrongPassword, "192.0.2.1", "192.0.2.1");
        await parts.Log.ListAsync("alice", 10, Cancellation);
        time.Advance(TimeSpan.FromMinutes(1));
        for (var i = 0; i < 500; i++)
        {
            parts.Log.SignInFailed("alice", SignInFailure.WrongPassword, $"2001:db8:{i:x}::1", $"2001:db8:{i:x}::/64");
        }

        var shown = await parts.Log.ListAsync("alice", 1_000, Cancellation);
        Assert.Equal(501, shown.Sum(f => f.Count));
        Assert.Equal(22, shown.Count);
        Assert.Contains(shown, f => f is { Address: "", Count: 480 });
        Assert.Contains(shown, f => f.Address == "192.0.2.1");
    }

    [Fact]
    public async Task SignIn_WhereNobodyCanLook_IsAnsweredAlikeForNamesThatSomebodyHasAndThatNobodyHas()
    {
        var time = new FakeTimeProvider(DateTimeOffset.UnixEpoch.AddYears(56));
        var parts = await StartWithAliceAsync(time);
        var answers = await Task.WhenAll(Enumerable.Range(0, 200).Select(i => parts.SignIn.TryAsync(
            i % 2 == 0 ? "alice" : "nobody", "wrong", new AttemptSource($"203.0.113.{i}", $"203.0.113.{i}", $"{i}", $"session {i}"), Cancellation)));
        Assert.Contains(answers, a => a.Outcome == SignInOutcome.Busy);
        Assert.All(answers, a => Assert.True(a.Outcome is SignInOutcome.Busy or SignInOutcome.Refused));
    }

    private async Task<Node.AccountParts> StartWithAliceAsync(FakeTimeProvider time)
    {
        var parts = await _node.AccountPartsAsync(time);
        Assert.True((await parts.Accounts.WriteAsync("test", "alice", _ => new AccountProfile("alice", "alice", "", "", IsDisabled: false), Walk, null, Cancellation)).IsCommitted);
        return parts;
    }

    private static async Task<SignInOutcome> TryAsync(Node.AccountParts parts, string password, AttemptSource source) => (await parts.SignIn.TryAsync("alice", password, source, Cancellation)).Outcome;

    private async Task CleanAsync(TimeProvider time)
    {
        await using var context = _node.Database.Open();
        await SignInAttempts.CleanAsync(context, time.GetUtcNow(), Cancellation);
    }

    private Task<int> CountAsync(Func<StoreContext, Task<int>> count) => _node.Store.ReadAsync((context, _) => count(context), Cancellation);
}
