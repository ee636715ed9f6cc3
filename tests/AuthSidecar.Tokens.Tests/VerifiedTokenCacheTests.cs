using System.Collections.Frozen;
using System.Security.Cryptography;
using System.Text;
using static AuthSidecar.Tokens.Tests.TokenForge;

namespace AuthSidecar.Tokens.Tests;

/// <summary>What is remembered of verified tokens, how many, and who can push what out.</summary>
public sealed class VerifiedTokenCacheTests
{
    private const long Now = 1_700_000_000;

    private static readonly Issuer One = new() { Name = "one", Keys = KeySet.Empty, Audiences = FrozenSet<string>.Empty };
    private static readonly IssuerSet Issuers = new([One]);

    [Fact]
    public void Get_WhatWasAdded_IsThereUnderItsWholeTextAlone()
    {
        var cache = new VerifiedTokenCache(100);
        var (text, token) = (Text(1), Token(One));
        cache.Add(text, token, Now);
        Assert.True(cache.TryGet(text, Issuers, out var found));
        Assert.Same(token, found);
        Assert.Same(text, cache.FindText(Encoding.UTF8.GetBytes(text)));
        for (var i = 0; i < text.Length; i++)
        {
            var changed = string.Concat(text.AsSpan(0, i), text[i] == 'A' ? "B" : "A", text.AsSpan(i + 1));
            Assert.False(cache.TryGet(changed, Issuers, out _));
            Assert.Null(cache.FindText(Encoding.UTF8.GetBytes(changed)));
        }

        foreach (var other in new[] { "", "A", text[1..], text + "A" })
        {
            Assert.False(cache.TryGet(other, Issuers, out _));
            Assert.Null(cache.FindText(Encoding.UTF8.GetBytes(other)));
        }
    }

    [Fact]
    public void Get_OfAnIssuerThatIsAnotherObjectNow_NotThere()
    {
        var cache = new VerifiedTokenCache(100);
        cache.Add(Text(1), Token(One), Now);
        Assert.True(cache.TryGet(Text(1), Issuers, out _));
        Assert.False(cache.TryGet(Text(1), new IssuerSet([One with { Audiences = FrozenSet<string>.Empty }]), out _));
        Assert.False(cache.TryGet(Text(1), IssuerSet.Empty, out _));
        Assert.True(cache.TryGet(Text(1), Issuers, out _));
    }

    [Fact]
    public void Add_LargeTokens_AsManyAsFitIntoItsMemory()
    {
        const int Capacity = 1_000;
        var cache = new VerifiedTokenCache(Capacity);
        string Large(int i) => new string('A', 16 * 1024) + Text(i);
        for (var i = 0; i < Capacity; i++)
        {
            cache.Add(Large(i), Token(One), Now);
            Assert.InRange(cache.Bytes, 1, Capacity * 6 * 1024);
        }

        Assert.InRange(Enumerable.Range(0, Capacity).Count(i => cache.TryGet(Large(i), Issuers, out _)), 100, 200);
        // And those of usual size find room again.
        for (var i = 0; i < Capacity; i++)
        {
            cache.Add(Text(i), Token(One), Now);
        }

        Assert.True(cache.TryGet(Text(Capacity - 1), Issuers, out _));
    }

    [Fact]
    public void Add_AsManyAsItIsFor_NearlyAllAreThere()
    {
        const int Capacity = 10_000;
        var cache = new VerifiedTokenCache(Capacity);
        for (var i = 0; i < Capacity; i++)
        {
            cache.Add(Text(i), Token(One), Now);
        }

        Assert.InRange(Enumerable.Range(0, Capacity).Count(i => cache.TryGet(Text(i), Issuers, out _)), Capacity * 98 / 100, Capacity);
    }

    [Fact]
    public void Add_ManyThatAreAskedForOnce_ThoseThatAreAskedForOftenStay()
    {
        var cache = new VerifiedTokenCache(1_000);
        var busy = Enumerable.Range(0, 100).Select(Text).ToList();
        busy.ForEach(t => cache.Add(t, Token(One), Now));
        for (var i = 1_000; i < 100_000; i++)
        {
            cache.Add(Text(i), Token(One), Now);
            cache.TryGet(busy[i % 100], Issuers, out _);
        }

        Assert.InRange(busy.Count(t => cache.TryGet(t, Issuers, out _)), 90, 100);
    }

    [Fact]
    public void Add_WhereAllHaveExpired_TakesTheirPlaces()
    {
        var cache = new VerifiedTokenCache(1);
        for (var i = 0; i < 8; i++)
        {
            cache.Add(Text(i), Token(One, expiresAt: Now + 1), Now);
            Assert.True(cache.TryGet(Text(i), Issuers, out _));
        }

        cache.Add(Text(8), Token(One), Now + 1);
        Assert.True(cache.TryGet(Text(8), Issuers, out _));
        Assert.Equal(7, Enumerable.Range(0, 8).Count(i => cache.TryGet(Text(i), Issuers, out _)));
    }

    [Fact]
    public void Validate_ManyTokensOfUnknownKeys_PushNothingOut()
    {
        using var rsa = RSA.Create(2048);
        var issuers = new IssuerSet([One with { Audiences = FrozenSet.Create("a"), Keys = KeySet.Of(VerificationKey.OfPublicKey(rsa, "k")) }]);
        var cache = new VerifiedTokenCache(8);
        var validator = new TokenValidator(cache, new DpopVerifier());
        var claims = $$"""{"iss":"one","sub":"s","aud":"a","iat":{{Now}},"exp":{{Now + 900}}}""";
        var good = Sign("""{"alg":"RS256","kid":"k","typ":"at+jwt"}""", claims, Rs256(rsa));
        Assert.True(Validate(good));
        for (var i = 0; i < 10_000; i++)
        {
            Assert.False(Validate(Sign($$"""{"alg":"RS256","kid":"k{{i}}","typ":"at+jwt"}""", claims, _ => RandomNumberGenerator.GetBytes(256))));
        }

        Assert.True(cache.TryGet(good, issuers, out _));

        bool Validate(string token) => validator.Validate(new PresentedToken { Token = new Secret(token) }, issuers, Revocations.None, DateTimeOffset.FromUnixTimeSeconds(Now)).IsValid;
    }

    [Fact]
    public void Validate_Remembered_AllocatesNothing()
    {
        using var rsa = RSA.Create(2048);
        var issuers = new IssuerSet([One with { Audiences = FrozenSet.Create("a"), Keys = KeySet.Of(VerificationKey.OfPublicKey(rsa, "k")) }]);
        var validator = new TokenValidator(new VerifiedTokenCache(8), new DpopVerifier());
        var token = Sign("""{"alg":"RS256","kid":"k","typ":"at+jwt"}""", $$"""{"iss":"one","sub":"s","aud":"a","iat":{{Now}},"exp":{{Now + 900}},"jti":"j","sid":"i","scope":"read write"}""", Rs256(rsa));
        var request = new PresentedToken { Token = new Secret(token), Audience = "a", RequiredScopes = ["write"] };
        var revocations = new Revocations([new(new(Revocations.Target.Session, "one", "other"), new(long.MaxValue))]);
        var now = DateTimeOffset.FromUnixTimeSeconds(Now);
        for (var i = 0; i < 1_000; i++)
        {
            Assert.True(validator.Validate(request, issuers, revocations, now).IsValid);
        }

        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 1_000; i++)
        {
            validator.Validate(request, issuers, revocations, now);
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    private static string Text(int i) => $"{Encode("{}")}.{Encode("{}")}.{Hash($"{i}")}";

    private static VerifiedToken Token(Issuer issuer, long expiresAt = Now + 900) => new() { Issuer = issuer, Subject = "s", Audiences = [], ExpiresAt = expiresAt, IssuedAt = Now, ClaimsUtf8 = [] };
}
