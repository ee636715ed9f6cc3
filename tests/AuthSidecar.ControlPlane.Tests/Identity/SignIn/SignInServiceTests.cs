using AuthSidecar.Cedar;
using AuthSidecar.ControlPlane.Identity;
using AuthSidecar.ControlPlane.Identity.Sessions;
using AuthSidecar.ControlPlane.Identity.SignIn;
using AuthSidecar.ControlPlane.Store;
using AuthSidecar.ControlPlane.Tests.Testing;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using Account = AuthSidecar.ControlPlane.Identity.Account;

namespace AuthSidecar.ControlPlane.Tests.Identity.SignIn;

/// <summary>Who guesses at an account, and who must not be kept out by them.</summary>
public abstract class SignInServiceTests(TestDatabase database) : SignInTest(database)
{
    [Fact]
    public async Task SignIn_ManyWrongOfOneSource_DelaysDouble()
    {
        var time = new FakeTimeProvider(DateTimeOffset.UnixEpoch.AddYears(56));
        var (accounts, signIn, _) = await Node.AccountsAsync(time);
        const string Password = "a long walk along the Vltava";
        Assert.True((await accounts.WriteAsync("test", "alice", _ => new AccountProfile("alice", "Alice@Example.com", "", "", IsDisabled: false), Password, expectedRevision: default(Revision), Cancellation)).IsCommitted);
        Assert.IsType<Refusal.Stale>((await accounts.WriteAsync("test", "alice", _ => new AccountProfile("alice", "alice", "", "", IsDisabled: false), null, expectedRevision: default(Revision), Cancellation)).Refusal);
        Assert.IsType<Refusal.Invalid>((await accounts.WriteAsync("test", "bob", _ => new AccountProfile("bob", "alice@example.COM", "", "", IsDisabled: false), null, null, Cancellation)).Refusal);
        Assert.IsType<Refusal.Invalid>((await accounts.WriteAsync("test", "bob", _ => new AccountProfile("bob", "bob", "", "", IsDisabled: false), "passwordpassword", null, Cancellation)).Refusal);
        Assert.Equal(SignInOutcome.Accepted, await TryAsync("ALICE@example.com", Password));
        Assert.Equal(SignInOutcome.Refused, await TryAsync("nobody", Password));

        var expected = TimeSpan.FromSeconds(4);
        for (var i = 0; i < 5; i++)
        {
            Assert.Equal(SignInOutcome.Refused, await TryAsync("alice@example.com", "wrong"));
        }

        for (var i = 0; i < 12; i++)
        {
            Assert.Equal(SignInOutcome.Refused, await TryAsync("alice@example.com", "wrong"));
            time.Advance(expected - TimeSpan.FromMilliseconds(1));
            Assert.Equal(SignInOutcome.Locked, await TryAsync("alice@example.com", Password));
            time.Advance(TimeSpan.FromMilliseconds(1));
            expected = TimeSpan.FromSeconds(Math.Min(expected.TotalSeconds * 2, 900));
        }

        Assert.Equal(SignInOutcome.Accepted, await TryAsync("alice@example.com", Password));
        Assert.Equal(SignInOutcome.Refused, await TryAsync("alice@example.com", "wrong"));
        Assert.Equal(SignInOutcome.Accepted, await TryAsync("alice@example.com", Password));

        // All at once: no more are looked at than one by one.
        for (var i = 0; i < 5; i++)
        {
            await TryAsync("alice@example.com", "wrong");
        }

        var outcomes = await Task.WhenAll(Enumerable.Range(0, 12).Select(_ => TryAsync("alice@example.com", "wrong")));
        Assert.Equal((1, 11), (outcomes.Count(o => o == SignInOutcome.Refused), outcomes.Count(o => o == SignInOutcome.Locked)));
        time.Advance(TimeSpan.FromHours(1));
        await accounts.WriteAsync("test", "alice", _ => new AccountProfile("alice", "alice", "", "", IsDisabled: true), null, null, Cancellation);
        Assert.Equal(SignInOutcome.Refused, await TryAsync("alice", Password));

        async Task<SignInOutcome> TryAsync(string name, string password) => (await signIn.TryAsync(name, password, Here, Cancellation)).Outcome;
    }

    [Fact]
    public async Task SignIn_WithASecondFactor_EachCodeOnceAndMistakesAdd()
    {
        var time = new FakeTimeProvider(DateTimeOffset.UnixEpoch.AddYears(56));
        var (accounts, signIn, _) = await Node.AccountsAsync(time);
        const string Password = "a long walk along the Vltava";
        await accounts.WriteAsync("test", "alice", _ => new AccountProfile("alice", "alice", "", "", IsDisabled: false), Password, null, Cancellation);
        Assert.IsType<Refusal.Invalid>((await accounts.SetPasswordAsync("test", "alice", "zr7-Lmq2", null, Cancellation)).Refusal);
        var (subject, key) = (new EntityUid("User", "alice"), await Node.FactorKeyAsync(time));
        var (totp, uri) = FactorEnrolment.NewTotp(subject, "app", "alice", "test", key);
        var (backup, codes) = FactorEnrolment.NewBackupCodes(subject, "paper");
        await Node.Entries.WriteAsync("test", "factors.enrol", new EntryKey(DataType.Factors, subject.ToString(), new Placement("", "")), _ => (new EntryChange(FactorEntry.WriteAll([totp, backup])), null), null, Cancellation);
        Assert.True((await accounts.SetPasswordAsync("test", "alice", "zr7-Lmq2", null, Cancellation)).IsCommitted);

        var secret = OtpNet.Base32Encoding.ToBytes(uri.Split("secret=")[1].Split('&')[0]);
        string CodeAt(TimeSpan after) => new OtpNet.Totp(secret).ComputeTotp((time.GetUtcNow() + after).UtcDateTime);
        Assert.Equal(SignInOutcome.CodeRequired, (await signIn.TryAsync("alice", "zr7-Lmq2", Here, Cancellation)).Outcome);
        var current = CodeAt(TimeSpan.Zero);
        // At once from many sides, written in two ways: one of them.
        var outcomes = await Task.WhenAll(Enumerable.Range(0, 8).Select(i => TryCodeAsync("alice", i % 2 == 0 ? current : current.Insert(3, " "), Cancellation)));
        Assert.InRange(outcomes.Count(o => o.Outcome == SignInOutcome.Accepted), 0, 1);
        time.Advance(TimeSpan.FromHours(1));
        current = CodeAt(TimeSpan.Zero);
        Assert.Equal(SignInOutcome.Accepted, (await TryCodeAsync("alice", current, Cancellation)).Outcome);
        Assert.Equal(SignInOutcome.Refused, (await TryCodeAsync("alice", current, Cancellation)).Outcome);
        Assert.Equal(SignInOutcome.Refused, (await TryCodeAsync("alice", CodeAt(TimeSpan.FromSeconds(-30)), Cancellation)).Outcome);
        Assert.Equal(SignInOutcome.Accepted, (await TryCodeAsync("alice", CodeAt(TimeSpan.FromSeconds(30)), Cancellation)).Outcome);
        Assert.Equal(SignInOutcome.Accepted, (await TryCodeAsync("alice", codes[3].ToLowerInvariant(), Cancellation)).Outcome);
        Assert.Equal(SignInOutcome.Refused, (await TryCodeAsync("alice", codes[3], Cancellation)).Outcome);

        async Task<(SignInOutcome Outcome, Account? Account)> TryCodeAsync(string id, string code, CancellationToken cancellation) =>
            await signIn.TryCodeAsync(id, SignInService.DigestOf((await accounts.FindAsync("alice", cancellation))!), code, Here, cancellation);

        // A password that is another by now does not wait for its code.
        Assert.Equal(SignInOutcome.Refused, (await signIn.TryCodeAsync("alice", "another", codes[5], Here, Cancellation)).Outcome);
        var (verified, sessions) = ((await accounts.FindAsync("alice", Cancellation))!, (await Node.GrantsAsync(time)).Sessions);
        await accounts.SetPasswordAsync("test", "alice", "zr7-Lmq3", null, Cancellation);
        Assert.Null(await sessions.TryBeginAsync(verified, new Authentication("pwd", "", "", null), before: null, Cancellation));
        await accounts.SetPasswordAsync("test", "alice", "zr7-Lmq2", null, Cancellation);

        // A right password in between does not make wrong codes be forgotten.
        for (var i = 0; i < 6; i++)
        {
            Assert.Equal(SignInOutcome.CodeRequired, (await signIn.TryAsync("alice", "zr7-Lmq2", Here, Cancellation)).Outcome);
            Assert.Equal(SignInOutcome.Refused, (await TryCodeAsync("alice", "000000", Cancellation)).Outcome);
        }

        Assert.Equal(SignInOutcome.Locked, (await TryCodeAsync("alice", codes[4], Cancellation)).Outcome);
        Assert.Equal(SignInOutcome.Refused, (await TryCodeAsync("nobody", codes[4], Cancellation)).Outcome);
    }

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
            await Node.Store.ReadAsync((context, _) => context.Audit.Where(a => a.Target == "alice" && a.Action != "accounts.write-with-password").OrderBy(a => a.AtMs).ThenBy(a => a.Number).Select(a => a.Action).ToListAsync(Cancellation), Cancellation));
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
        var (backup, codes) = FactorEnrolment.NewBackupCodes(subject, "paper");
        await Node.Entries.WriteAsync("test", "factors.enrol", new EntryKey(DataType.Factors, subject.ToString(), new Placement("", "")), _ => (new EntryChange(FactorEntry.WriteAll([backup])), null), null, Cancellation);
        for (var i = 0; i < 6; i++)
        {
            await TryAsync(parts, "wrong", Here);
        }

        // Who has authenticated elsewhere, and has a second factor here.
        Assert.Equal(SignInOutcome.Locked, await TryAsync(parts, Walk, Here));
        var digest = SignInService.DigestOf((await parts.Accounts.FindAsync("alice", Cancellation))!);
        Assert.Equal(SignInOutcome.Accepted, (await parts.SignIn.TryCodeAsync("alice", digest, codes[0], Here, Cancellation)).Outcome);
        // The session of somebody who changes their password has its own count.
        Assert.Equal(SignInOutcome.CodeRequired, await TryAsync(parts, Walk, Here with { Session = "s" }));
    }

    [Fact]
    public async Task SignIn_ShortPasswordWithoutItsFactor_IsChangedFirst()
    {
        var time = new FakeTimeProvider(DateTimeOffset.UnixEpoch.AddYears(56));
        var parts = await StartWithAliceAsync(time);
        var (subject, key) = (new EntityUid("User", "alice"), new EntryKey(DataType.Factors, "User::\"alice\"", new Placement("", "")));
        var (backup, _) = FactorEnrolment.NewBackupCodes(subject, "paper");
        await Node.Entries.WriteAsync("test", "factors.enrol", key, _ => (new EntryChange(FactorEntry.WriteAll([backup])), null), null, Cancellation);
        Assert.True((await parts.Accounts.SetPasswordAsync("test", "alice", "zr7-Lmq2", null, Cancellation)).IsCommitted);
        Assert.Equal(SignInOutcome.CodeRequired, await TryAsync(parts, "zr7-Lmq2", Here));
        await Node.Entries.RemoveAsync("test", "factors.remove", key, "factors", null, Cancellation);
        Assert.Equal(SignInOutcome.PasswordChangeRequired, await TryAsync(parts, "zr7-Lmq2", Here));
        Assert.True((await parts.Accounts.SetPasswordAsync("test", "alice", Walk, null, Cancellation)).IsCommitted);
        Assert.Equal(SignInOutcome.Accepted, await TryAsync(parts, Walk, Here));
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

    private async Task CleanAsync(TimeProvider time)
    {
        await using var context = Node.Database.Open();
        await SignInAttempts.CleanAsync(context, time.GetUtcNow(), Cancellation);
    }
}

public sealed class SqliteSignInServiceTests() : SignInServiceTests(new SqliteTestDatabase());

public sealed class PostgresSignInServiceTests(PostgresServer server) : SignInServiceTests(new PostgresTestDatabase(server));
