using System.Security.Cryptography;
using System.Text;
using AuthSidecar.Cedar;
using AuthSidecar.Common;
using AuthSidecar.ControlPlane.Accounts;
using AuthSidecar.ControlPlane.Administration.Access;
using AuthSidecar.ControlPlane.Identity;
using AuthSidecar.ControlPlane.Resources;
using AuthSidecar.ControlPlane.Store;
using AuthSidecar.ControlPlane.Upstreams;
using AuthSidecar.ControlPlane.V1;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using OpenIddict.Server;
using Account = AuthSidecar.ControlPlane.Accounts.Account;

namespace AuthSidecar.ControlPlane.Tests.Store;

/// <summary>Who administers, who signs in, and what is signed.</summary>
public abstract partial class StoreConformance
{
    [Fact]
    public async Task Claim_CodeUsedTwiceLateOrWrong_MakesOneOwnerAndNoOther()
    {
        var time = new FakeTimeProvider(DateTimeOffset.UnixEpoch.AddYears(56));
        var administrators = _node.Administrators(time);
        var late = await administrators.TryCreateCodeAsync(previous: null, Cancellation);
        time.Advance(Administrators.CodeLifetime);
        Assert.Null(await administrators.TryClaimAsync(late!, "alice", Jwks, Cancellation));
        var (code, other) = (await administrators.TryCreateCodeAsync(previous: null, Cancellation), await _node.Administrators(time).TryCreateCodeAsync(previous: null, Cancellation));
        Assert.Null(await administrators.TryClaimAsync(code![..^1] + (code[^1] == '0' ? '1' : '0'), "alice", Jwks, Cancellation));

        // Two codes of two nodes, used by many at once.
        var results = await Task.WhenAll(Enumerable.Range(0, 12).Select(i => new Node(_node.Database).Administrators(time).TryClaimAsync(i % 2 == 0 ? code : other!, $"alice{i}", Jwks, Cancellation)));
        Assert.Single(results, r => r is { IsCommitted: true });
        Assert.Equal(["owner"], Assert.Single(await administrators.ListAsync(Cancellation)).Roles);
        Assert.Null(await administrators.TryCreateCodeAsync(previous: null, Cancellation));
    }

    [Fact]
    public async Task Administrator_KeyReplacedOrRemoved_TokensOfBeforeAreRevoked()
    {
        var administrators = _node.Administrators(TimeProvider.System);
        await _node.KeyRingAsync(TimeProvider.System);
        Task<WriteResult> WriteAsync(string jwks, string role, Revision? expected = null) =>
            administrators.WriteAsync("test", "bob", _ => new Administrator { Name = "bob", Jwks = jwks, Roles = { role }, Applications = { "documents" }, Tenants = { "acme" } }, expected, Cancellation);
        Task<long> RevokedAsync() => _node.Store.ReadAsync(
            async (context, _) => await context.Resources.Where(r => r.Type == ResourceType.Revocations && r.Application == "authsidecar").MaxAsync(r => (long?)r.Revision, Cancellation) ?? 0, Cancellation);

        var first = await WriteAsync(Jwks, "auditor", expected: default(Revision));
        Assert.Equal(new Refusal.Stale(first.Revision), (await WriteAsync(Jwks, "auditor", expected: default(Revision))).Refusal);
        await WriteAsync(Jwks, "operator");
        Assert.Equal(0, await RevokedAsync());
        var rekeyed = await WriteAsync("""{"keys": []}""", "operator");
        Assert.Equal(rekeyed.Revision, _node.Store.At(await RevokedAsync()));
        var listed = Assert.Single(await administrators.ListAsync(Cancellation));
        Assert.Equal(("bob", "operator", "documents", "acme"), (listed.Name, listed.Roles.Single(), listed.Applications.Single(), listed.Tenants.Single()));

        var removed = await administrators.RemoveAsync("test", "bob", Cancellation);
        Assert.Equal(removed.Revision, _node.Store.At(await RevokedAsync()));
        Assert.Empty(await administrators.ListAsync(Cancellation));
        Assert.Equal(0, await _node.Store.ReadAsync((context, _) => context.Clients.CountAsync(), Cancellation));
        Assert.Equal(new Refusal.NotFound("administrator `bob`"), (await administrators.RemoveAsync("test", "bob", Cancellation)).Refusal);
    }

    [Fact]
    public async Task SigningKeys_ByTheCalendar_AreAnnouncedSignAndGo()
    {
        var start = DateTimeOffset.UnixEpoch.AddYears(56);
        var time = new FakeTimeProvider(start);
        var rings = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => new Node(_node.Database).KeyRingAsync(time)));
        var first = Assert.Single(rings[0].Current.Keys).KeyId;
        Assert.All(rings, r => Assert.Equal(first, r.Current.Signing));

        async Task<(int Keys, string Signing)> AtAsync(TimeSpan age)
        {
            time.SetUtcNow(start + age);
            await Task.WhenAll(rings.Select(r => r.OpenAsync(Cancellation)));
            Assert.Single(rings.Select(r => (r.Current.Keys.Count, r.Current.Signing)).Distinct());
            return (rings[0].Current.Keys.Count, rings[0].Current.Signing);
        }

        var announced = KeyRing.SignsFor - KeyRing.AnnouncedFor;
        Assert.Equal((1, first), await AtAsync(announced - TimeSpan.FromSeconds(1)));
        Assert.Equal((2, first), await AtAsync(announced));
        var second = rings[0].Current.Keys[0];
        Assert.Equal(start + KeyRing.SignsFor, second.SignsFrom);
        Assert.Equal((2, first), await AtAsync(KeyRing.SignsFor - TimeSpan.FromSeconds(1)));
        Assert.Equal((2, second.KeyId), await AtAsync(KeyRing.SignsFor));
        Assert.Equal((2, second.KeyId), await AtAsync(KeyRing.SignsFor + KeyRing.KeptFor - TimeSpan.FromSeconds(1)));
        Assert.Equal((1, second.KeyId), await AtAsync(KeyRing.SignsFor + KeyRing.KeptFor));
        // Away for a year: the next one signs at once.
        var (keys, signing) = await AtAsync(TimeSpan.FromDays(500));
        Assert.Equal((2, false), (keys, signing == second.KeyId));
    }

    [Theory]
    [InlineData(false, 2)]
    [InlineData(true, 1)]
    public async Task SigningKeys_RotatedOutOfTurn_NewOneSignsAndSidecarsAreTold(bool revoke, int left)
    {
        var ring = await _node.KeyRingAsync(TimeProvider.System);
        var (before, token) = (ring.Current.Signing, ((IOptionsChangeTokenSource<OpenIddictServerOptions>)ring).GetChangeToken());
        Assert.True((await ring.RotateAsync("test", revoke, Cancellation)).IsCommitted);
        Assert.NotEqual(before, ring.Current.Signing);
        Assert.Equal((left, !revoke), (ring.Current.Keys.Count, ring.Current.Keys.Any(k => k.KeyId == before)));
        Assert.True(token.HasChanged);
        var options = new OpenIddictServerOptions();
        ring.Configure(options);
        Assert.Equal(ring.Current.Signing, options.SigningCredentials[0].Kid);

        var draft = Assert.Single(await _node.ReadDraftsAsync("", default), d => d.Type == ResourceType.Keys);
        Assert.Contains("\"audiences\":[\"app\"]", Encoding.UTF8.GetString(draft.Documents["issuers.json"]), StringComparison.Ordinal);
        var jwks = Encoding.UTF8.GetString(draft.Documents["keys/0.jwks.json"]);
        Assert.Equal(!revoke, jwks.Contains(before, StringComparison.Ordinal));
        Assert.Contains(ring.Current.Signing, jwks, StringComparison.Ordinal);
        Assert.DoesNotContain("\"d\"", jwks, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Issuer_OfAnotherNameThanTheOthers_RefusedUntilItReplacesTheirs()
    {
        var ring = await _node.KeyRingAsync(TimeProvider.System);
        await Assert.ThrowsAsync<InvalidDataException>(() => new Node(_node.Database).KeyRingAsync(TimeProvider.System, "https://other.test"));
        await _node.WriteResourceAsync("https://taken.test/", "{}", expectedRevision: default(Revision));
        await Assert.ThrowsAsync<InvalidDataException>(() => new Node(_node.Database).KeyRingAsync(TimeProvider.System, "https://taken.test", replaceIssuer: true));
        await _node.Resources.RemoveAsync("test", "keys.remove", Key("https://taken.test/"), "it", null, Cancellation);
        Assert.False(_node.Lifetime.ApplicationStopping.IsCancellationRequested);

        var replaced = await new Node(_node.Database).KeyRingAsync(TimeProvider.System, "https://other.test", replaceIssuer: true);
        Assert.Equal(ring.Current.Signing, replaced.Current.Signing);
        Assert.Equal(["https://control.test/ False", "https://other.test/ True"], await _node.Store.ReadAsync(
            async (context, _) => (await context.Resources.Where(r => r.Type == ResourceType.Keys && r.Application == "").OrderBy(r => r.Key).ToListAsync()).Select(r => $"{r.Key} {!r.IsRemoved}"), Cancellation));
        // The node of before notices as soon as it looks, and issues nothing more.
        await ring.RotateAsync("test", revoke: false, Cancellation);
        Assert.True(_node.Lifetime.ApplicationStopping.IsCancellationRequested);
    }

    /// <summary>Who refreshes, who refreshes as well, and who ends it, in whatever order they come: from two nodes, thousands of times.</summary>
    [Fact]
    public async Task Grants_RefreshedAndEndedAtOnce_NeverTwoSuccessorsNorOneThatOutlivesItsEnd()
    {
        const int Rounds = 1_500;
        var nodes = await Task.WhenAll(Enumerable.Range(0, 2).Select(_ => new Node(_node.Database).GrantsAsync(TimeProvider.System)));
        for (var round = 0; round < Rounds; round++)
        {
            var (session, _) = await _node.BeginSessionAsync(nodes[0].Sessions, $"account-{round}");
            var grant = await nodes[0].Grants.TryBeginAsync(Grants.NewId(), session.Id, "web", "openid", "key", Cancellation);
            var token = nodes[0].Grants.ReadToken(nodes[0].Grants.TokenOf(grant!.Row))!;
            var how = round % 3;
            var delays = Enumerable.Range(0, 4).Select(_ => RandomNumberGenerator.GetInt32(20_000)).ToArray();
            var refreshes = Enumerable.Range(0, 3).Select(i => Task.Run(async () =>
            {
                Spin(delays[i]);
                var (refreshed, failure) = await nodes[i % 2].Grants.RefreshAsync(token, "web", "key", isAuthenticated: false, Cancellation);
                return (Token: refreshed is null ? null : nodes[i % 2].Grants.TokenOf(refreshed.Row), failure);
            })).ToArray();
            var end = Task.Run(async () =>
            {
                Spin(delays[3]);
                return how switch
                {
                    1 => (await nodes[1].Grants.EndAsync("test", grant.Row.Id, "test", Cancellation)).IsCommitted,
                    2 => (await nodes[1].Sessions.EndAsync("test", session.AccountId, session.Id, "test", Cancellation)).IsCommitted,
                    _ => false,
                };
            });
            var results = await Task.WhenAll(refreshes);
            var ended = await end;
            Assert.Equal(how > 0, ended);

            // However many there were: one successor, and the same for all.
            var successors = results.Select(r => r.Token).OfType<string>().Distinct().ToList();
            Assert.True(successors.Count <= 1);
            Assert.DoesNotContain(results, r => r.failure == RefreshFailure.Reused);
            Assert.Equal(how == 0 ? 3 : results.Count(r => r.Token is not null), results.Count(r => r.Token is not null));
            foreach (var successor in successors)
            {
                var (again, _) = await nodes[0].Grants.RefreshAsync(nodes[0].Grants.ReadToken(successor)!, "web", "key", isAuthenticated: false, Cancellation);
                Assert.Equal(!ended, again is not null);
            }

            Assert.Null((await nodes[0].Grants.RefreshAsync(token, "web", "key", isAuthenticated: false, Cancellation)).Grant);
        }

        static void Spin(int times) => Thread.SpinWait(times);
    }

    [Fact]
    public async Task Grants_WithAnotherKeyClientOrTooLate_BuyNothing_AndReuseEndsThem()
    {
        var time = new FakeTimeProvider(DateTimeOffset.UnixEpoch.AddYears(56));
        var node = await _node.GrantsAsync(time);
        var (session, _) = await _node.BeginSessionAsync(node.Sessions, "alice");
        var first = node.Grants.ReadToken(await BeginAsync())!;
        Assert.Equal(RefreshFailure.Unknown, (await RefreshAsync(first, key: "other")).Failure);
        Assert.Equal(RefreshFailure.Unknown, (await RefreshAsync(first, key: "")).Failure);
        Assert.Equal(RefreshFailure.Unknown, (await RefreshAsync(first, client: "other")).Failure);
        Assert.Equal(RefreshFailure.Unknown, (await RefreshAsync(first with { GrantId = "none" })).Failure);
        Assert.Equal(RefreshFailure.Ended, (await RefreshAsync(first with { Generation = 2 })).Failure);
        var second = node.Grants.ReadToken(node.Grants.TokenOf((await RefreshAsync(first)).Grant!.Row))!;
        time.Advance(Grants.RetryWithin);
        Assert.Equal(second.Generation, (await RefreshAsync(first)).Grant!.Row.Generation);
        time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Equal(RefreshFailure.Reused, (await RefreshAsync(first)).Failure);
        Assert.Equal(RefreshFailure.Ended, (await RefreshAsync(second)).Failure);

        // It lives as long as its session is used, and no longer than that may last.
        var token = node.Grants.ReadToken(await BeginAsync())!;
        for (var used = TimeSpan.Zero; used < Sessions.LivesFor - Sessions.IdleFor; used += Sessions.IdleFor / 2)
        {
            time.Advance(Sessions.IdleFor / 2);
            token = node.Grants.ReadToken(node.Grants.TokenOf((await RefreshAsync(token)).Grant!.Row))!;
        }

        time.Advance(Sessions.IdleFor / 2);
        time.Advance(Sessions.IdleFor / 2);
        Assert.Equal(RefreshFailure.Ended, (await RefreshAsync(token)).Failure);
        (session, _) = await _node.BeginSessionAsync(node.Sessions, "alice");
        token = node.Grants.ReadToken(await BeginAsync())!;
        time.Advance(Sessions.IdleFor);
        Assert.Equal(RefreshFailure.Ended, (await RefreshAsync(token)).Failure);
        // Altered, or of another control plane.
        var text = node.Grants.TokenOf((await node.Grants.FindAsync(token.GrantId, Cancellation))!);
        Assert.Null(node.Grants.ReadToken(text[..^1] + (text[^1] == 'A' ? 'B' : 'A')));
        Assert.Null(RefreshToken.TryRead(text, new byte[32]));
        Assert.Null(node.Grants.ReadToken(text.Replace(".1.", ".2.", StringComparison.Ordinal)));

        async Task<string> BeginAsync() => node.Grants.TokenOf((await node.Grants.TryBeginAsync(Grants.NewId(), session.Id, "web", "openid", "key", Cancellation))!.Row);

        Task<(Grant? Grant, RefreshFailure Failure)> RefreshAsync(RefreshToken of, string client = "web", string key = "key") =>
            node.Grants.RefreshAsync(of, client, key, isAuthenticated: false, Cancellation);
    }

    [Fact]
    public async Task SignIn_ManyWrongOfOneSource_DelaysDouble()
    {
        var time = new FakeTimeProvider(DateTimeOffset.UnixEpoch.AddYears(56));
        var (accounts, signIn, _) = await _node.AccountsAsync(time);
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
        var (accounts, signIn, _) = await _node.AccountsAsync(time);
        const string Password = "a long walk along the Vltava";
        await accounts.WriteAsync("test", "alice", _ => new AccountProfile("alice", "alice", "", "", IsDisabled: false), Password, null, Cancellation);
        Assert.IsType<Refusal.Invalid>((await accounts.SetPasswordAsync("test", "alice", "zr7-Lmq2", null, Cancellation)).Refusal);
        var (subject, key) = (new EntityUid("User", "alice"), await _node.FactorKeyAsync(time));
        var (totp, uri) = FactorRecords.NewTotp(subject, "app", "alice", "test", key);
        var (backup, codes) = FactorRecords.NewBackupCodes(subject, "paper");
        await _node.Resources.WriteAsync("test", "factors.enrol", new ResourceKey(ResourceType.Factors, subject.ToString(), new Placement("", "")), _ => (new ResourceChange(FactorRecords.Write([totp, backup])), null), null, Cancellation);
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
            await signIn.TryCodeAsync(id, SignIn.DigestOf((await accounts.FindAsync("alice", cancellation))!), code, Here, cancellation);

        // A password that is another by now does not wait for its code.
        Assert.Equal(SignInOutcome.Refused, (await signIn.TryCodeAsync("alice", "another", codes[5], Here, Cancellation)).Outcome);
        var (verified, sessions) = ((await accounts.FindAsync("alice", Cancellation))!, (await _node.GrantsAsync(time)).Sessions);
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
    public async Task Sessions_OneTooMany_EndsTheOneThatWasLongestNotUsed()
    {
        var time = new FakeTimeProvider(DateTimeOffset.UnixEpoch.AddYears(56));
        var node = await _node.GrantsAsync(time);
        var begun = new List<(SessionRow Session, string Secret)>();
        for (var i = 0; i < Sessions.AtOnce; i++)
        {
            begun.Add(await _node.BeginSessionAsync(node.Sessions, "alice", $"browser {i}"));
            time.Advance(TimeSpan.FromMinutes(2));
        }

        // The first one is used now, and so the second one has to go.
        Assert.NotNull(await node.Sessions.FindAsync(begun[0].Secret, Cancellation));
        begun.Add(await _node.BeginSessionAsync(node.Sessions, "alice", "browser 3"));
        Assert.Equal(["browser 3", "browser 2", "browser 0"], (await node.Sessions.ListAsync("alice", Cancellation)).Select(s => s.UserAgent));
        Assert.Equal("limit", (await node.Sessions.FindAsync(begun[1].Secret, Cancellation))!.EndedBecause);
        Assert.Null(await node.Sessions.FindAsync(begun[1].Session.Id, Cancellation));
        Assert.IsType<Refusal.NotFound>((await node.Sessions.EndAsync("test", "bob", begun[0].Session.Id, "test", Cancellation)).Refusal);
        time.Advance(Sessions.IdleFor);
        Assert.Empty(await node.Sessions.ListAsync("alice", Cancellation));
    }

    [Fact]
    public async Task Session_OfWhoAuthenticatesOnceMore_GoesOnWithWhatWasGrantedInIt()
    {
        var time = new FakeTimeProvider(DateTimeOffset.UnixEpoch.AddYears(56));
        var (grants, sessions) = await _node.GrantsAsync(time);
        var (session, secret) = await _node.BeginSessionAsync(sessions, "alice");
        var grant = (await grants.TryBeginAsync(Grants.NewId(), session.Id, "web", "openid", "key", Cancellation))!.Row;
        time.Advance(TimeSpan.FromMinutes(20));
        Assert.False(sessions.IsFresh(session));
        var (again, newSecret) = await _node.BeginSessionAsync(sessions, "alice", before: session);
        Assert.Equal(session.Id, again.Id);
        Assert.True(sessions.IsFresh(again));
        // What the browser had is nobody's any more.
        Assert.Null(await sessions.FindAsync(secret, Cancellation));
        Assert.Equal(time.GetUtcNow().ToUnixTimeMilliseconds() + (long)Sessions.LivesFor.TotalMilliseconds, (await sessions.FindAsync(newSecret, Cancellation))!.EndsAtMs);
        var refreshed = (await grants.RefreshAsync(new RefreshToken(grant.Id, 1), "web", "key", isAuthenticated: false, Cancellation)).Grant!;
        // Its tokens say when somebody authenticated for it, and not when they did so for something else.
        Assert.Equal((session.AuthenticatedAtMs, again.AuthenticatedAtMs), (refreshed.Row.AuthenticatedAtMs, refreshed.Session.AuthenticatedAtMs));

        // With somebody elsewhere who says that it was longer ago, or does not say: what is known counts, and nothing is the fresher for it.
        time.Advance(TimeSpan.FromMinutes(11));
        (again, newSecret) = await _node.BeginSessionAsync(sessions, "alice", before: again, at: time.GetUtcNow() - TimeSpan.FromHours(1));
        Assert.False(sessions.IsFresh(again));
        Assert.Equal(time.GetUtcNow() - TimeSpan.FromMinutes(11), DateTimeOffset.FromUnixTimeMilliseconds((await sessions.FindAsync(newSecret, Cancellation))!.AuthenticatedAtMs));
        Assert.False(sessions.IsFresh((await _node.BeginSessionAsync(sessions, "carol", at: time.GetUtcNow() - TimeSpan.FromHours(1))).Session));

        // As somebody else in the same browser, and from one that was ended meanwhile.
        var (bobs, _) = await _node.BeginSessionAsync(sessions, "bob", before: again);
        Assert.NotEqual(again.Id, bobs.Id);
        Assert.Equal("signed in anew", (await sessions.FindAsync(newSecret, Cancellation))!.EndedBecause);
        Assert.Null((await grants.RefreshAsync(new RefreshToken(grant.Id, 2), "web", "key", isAuthenticated: false, Cancellation)).Grant);
        Assert.NotEqual(again.Id, (await _node.BeginSessionAsync(sessions, "alice", before: again)).Session.Id);
    }

    [Fact]
    public async Task UpstreamLogins_OfOneAtOnce_AreOneAccount_AndNobodyElses()
    {
        var time = new FakeTimeProvider(DateTimeOffset.UnixEpoch.AddYears(56));
        var (accounts, _, logins) = await _node.AccountsAsync(time);
        var jane = new UpstreamIdentity("https://provider.example", "1", "Jane", "alice@example.com", IsEmailVerified: false, Organization: "", null);
        var made = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => logins.TryCreateAsync(jane, Cancellation)));
        var account = Assert.Single(made.OfType<Account>());
        Assert.Equal(account.Id, (await logins.FindAsync(jane, Cancellation))!.Id);
        Assert.False((await logins.FindAsync(jane, Cancellation))!.EmailConfirmed);
        // The same name of another provider, another name of the same, and the same but for its case are others.
        foreach (var other in new[] { jane with { Issuer = "https://other.example" }, jane with { Subject = "2" }, jane with { Issuer = "https://PROVIDER.example" } })
        {
            Assert.Null(await logins.FindAsync(other, Cancellation));
        }

        var (_, sessions) = await _node.GrantsAsync(time);
        var (alice, _) = await _node.BeginSessionAsync(sessions, "alice");
        Assert.IsType<Refusal.AlreadyThere>((await logins.LinkAsync(alice, jane, Cancellation)).Refusal);
        var second = jane with { Subject = "2" };
        var linked = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => logins.LinkAsync(alice, second, Cancellation)));
        Assert.Single(linked, l => l.IsCommitted);
        Assert.Equal("alice", (await logins.FindAsync(second, Cancellation))!.Id);

        // Another's is not theirs to take away; their own is, and every other session ends with it.
        var (elsewhere, _) = await _node.BeginSessionAsync(sessions, "alice");
        Assert.IsType<Refusal.NotFound>((await logins.UnlinkAsync(alice, jane.Issuer, jane.Subject, Cancellation)).Refusal);
        var signingIn = (await logins.FindAsync(second, Cancellation))!;
        Assert.True((await logins.UnlinkAsync(alice, second.Issuer, second.Subject, Cancellation)).IsCommitted);
        // Whoever was on their way in by it is not let in any more.
        Assert.Null(await sessions.TryBeginAsync(signingIn, new Authentication("fed", "", "", null), before: null, Cancellation));
        Assert.NotEqual(SignIn.DigestOf(signingIn), SignIn.DigestOf((await accounts.FindAsync("alice", Cancellation))!));
        Assert.Equal([alice.Id], (await sessions.ListAsync("alice", Cancellation)).Select(s => s.Id));
        await sessions.EndAsync("test", "alice", alice.Id, "test", Cancellation);
        Assert.IsType<Refusal.NotFound>((await logins.LinkAsync(alice, second, Cancellation)).Refusal);
        await accounts.RemoveAsync("test", account.Id, Cancellation);
        Assert.Null(await logins.FindAsync(jane, Cancellation));
    }
}
