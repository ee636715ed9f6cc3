using System.Collections.Frozen;
using AuthSidecar.Issuers;
using AuthSidecar.Tests.Testing;
using AuthSidecar.Tokens;
using AuthSidecar.V1;
using Grpc.Core;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using TokenRejection = AuthSidecar.Tokens.TokenRejection;

namespace AuthSidecar.Tests.Issuers;

/// <summary>Tokens that say nothing themselves, and an issuer that is asked about them (RFC 7662): a real server over TLS, with its moods.</summary>
public sealed class OpaqueTokensTests : IAsyncLifetime
{
    private const string Name = "https://opaque.test";
    private const string Token = "opaque-2YotnFZFEjr1zCsicMWpAA";
    private const string Good = """{"active": true, "sub": "alice", "aud": "app", "scope": "read write", "client_id": "web", "exp": 4000000000, "iat": 1700000000, "token_type": "Bearer"}""";

    private readonly FakeTimeProvider _time = new(DateTimeOffset.UnixEpoch.AddYears(56));
    private readonly TlsServer _server = new();
    private readonly List<IDisposable> _clients = [];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => await _server.StartAsync();

    public async ValueTask DisposeAsync()
    {
        _clients.ForEach(c => c.Dispose());
        await _server.DisposeAsync();
    }

    [Fact]
    public async Task Token_ThatIsActive_IsAskedAboutOnceForAllAndInTheBackgroundFromThenOn()
    {
        var opaque = Create();
        var release = new TaskCompletionSource();
        _server.Answer = async context =>
        {
            await release.Task;
            var form = await context.Request.ReadFormAsync();
            Assert.Equal((Token, "access_token"), (form["token"].ToString(), form["token_type_hint"].ToString()));
            // RFC 6749, section 2.3.1: encoded, or a colon in an id would end it.
            Assert.Equal("Basic " + Convert.ToBase64String("side%3Acar:it%27s+secret"u8), context.Request.Headers.Authorization.ToString());
            await context.Response.WriteAsync(Good);
        };
        Assert.Equal(TokenRejection.IntrospectionPending, Validate(opaque).Error);
        var waiting = Enumerable.Range(0, 20).Select(_ => AskAsync(opaque)).ToList();
        release.SetResult();
        await Task.WhenAll(waiting);
        Assert.Equal(1, _server.Requests);
        var result = Validate(opaque);
        Assert.True(result.IsValid, $"{result.Error}");
        Assert.Equal(("alice", "web", "read write", 1700000000), (result.Token.Subject, result.Token.ClientId, string.Join(' ', result.Token.Scopes), result.Token.IssuedAt));
        // What is asked of it is looked at each time.
        Assert.Equal(TokenRejection.ScopeMissing, Validate(opaque, scopes: ["delete"]).Error);
        Assert.Equal(TokenRejection.AudienceMismatch, Validate(opaque, audience: "other").Error);
        Assert.Equal(1, _server.Requests);

        // Its issuer takes it back: nobody waits, and within a minute it is over.
        _server.Answer = c => c.Response.WriteAsync("""{"active": false}""");
        _time.Advance(OpaqueTokens.RenewAfter);
        Assert.True(Validate(opaque).IsValid);
        await UntilAsync(() => Validate(opaque).Error == TokenRejection.Inactive);
        Assert.Equal(2, _server.Requests);
        Assert.Equal(TokenRejection.Inactive, Validate(opaque).Error);
        Assert.Equal(2, _server.Requests);
        // And gives it again.
        _server.Answer = c => c.Response.WriteAsync(Good);
        _time.Advance(IssuerIntrospection.AnswerLifetime);
        Assert.Equal(TokenRejection.IntrospectionPending, Validate(opaque).Error);
        await AskAsync(opaque);
        Assert.True(Validate(opaque).IsValid);
    }

    [Fact]
    public async Task Issuer_ThatIsAway_IsNotNoticedForAMinuteAndNothingOfItsIsAcceptedThen()
    {
        var opaque = Create();
        _server.Answer = c => c.Response.WriteAsync(Good);
        await AskAsync(opaque);
        _server.Answer = TlsServer.Status(503);
        _time.Advance(IssuerIntrospection.AnswerLifetime - TimeSpan.FromMilliseconds(1));
        Assert.True(Validate(opaque).IsValid);
        _time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Equal(TokenRejection.IntrospectionPending, Validate(opaque).Error);
        await AskAsync(opaque);
        Assert.Equal(TokenRejection.IntrospectionPending, Validate(opaque).Error);
        // Nor when the clock is set back.
        _server.Answer = c => c.Response.WriteAsync(Good);
        await AskAsync(opaque);
        Assert.True(Validate(opaque).IsValid);
        Assert.Equal(TokenRejection.IntrospectionPending, Validate(opaque, at: _time.GetUtcNow() - TimeSpan.FromMinutes(1)).Error);
    }

    [Theory]
    [InlineData("not json", TokenRejection.IntrospectionPending)]
    [InlineData("[]", TokenRejection.IntrospectionPending)]
    [InlineData("", TokenRejection.IntrospectionPending)]
    [InlineData("""{"sub": "alice", "aud": "app"}""", TokenRejection.IntrospectionPending)]
    [InlineData("""{"active": "true", "sub": "alice", "aud": "app"}""", TokenRejection.IntrospectionPending)]
    [InlineData("""{"active": 1, "sub": "alice", "aud": "app"}""", TokenRejection.IntrospectionPending)]
    [InlineData("""{"active": null, "sub": "alice", "aud": "app"}""", TokenRejection.IntrospectionPending)]
    [InlineData("""{"active": false, "active": true, "sub": "alice", "aud": "app"}""", TokenRejection.IntrospectionPending)]
    [InlineData("""{"active": false, "sub": "alice", "aud": "app"}""", TokenRejection.Inactive)]
    [InlineData("""{"active": true, "aud": "app"}""", TokenRejection.ClaimMissing)]
    [InlineData("""{"active": true, "sub": "alice"}""", TokenRejection.ClaimMissing)]
    [InlineData("""{"active": true, "sub": 1, "aud": "app"}""", TokenRejection.ClaimMalformed)]
    [InlineData("""{"active": true, "sub": "alice", "aud": "app", "exp": "never"}""", TokenRejection.ClaimMalformed)]
    [InlineData("""{"active": true, "sub": "alice", "aud": "app", "cnf": true}""", TokenRejection.ClaimMalformed)]
    [InlineData("""{"active": true, "sub": "alice", "aud": "others"}""", TokenRejection.AudienceMismatch)]
    [InlineData("""{"active": true, "sub": "alice", "aud": "app", "iss": "https://other.test"}""", TokenRejection.IssuerUnknown)]
    [InlineData("""{"active": true, "sub": "alice", "aud": "app", "token_type": "refresh_token"}""", TokenRejection.TypeNotAllowed)]
    [InlineData("""{"active": true, "sub": "alice", "aud": "app", "token_type": "Bearer", "token_use": "refresh_token"}""", TokenRejection.TypeNotAllowed)]
    [InlineData("""{"active": true, "sub": "alice", "aud": "app", "token_use": "id"}""", TokenRejection.TypeNotAllowed)]
    [InlineData("""{"active": true, "sub": "alice", "aud": "app", "token_type": "Bearer", "typ": "Refresh"}""", TokenRejection.TypeNotAllowed)]
    [InlineData("""{"active": true, "sub": "alice", "aud": "app", "typ": "ID"}""", TokenRejection.TypeNotAllowed)]
    [InlineData("""{"active": true, "sub": "alice", "aud": "app", "events": {"http://schemas.openid.net/event/backchannel-logout": {}}}""", TokenRejection.TypeNotAllowed)]
    [InlineData("""{"active": true, "sub": "alice", "aud": "app", "token_type": "urn:ietf:params:oauth:token-type:refresh_token"}""", TokenRejection.TypeNotAllowed)]
    [InlineData("""{"active": true, "sub": "alice", "aud": "app", "token_type": "urn:ietf:params:oauth:token-type:access_token", "token_use": "access_token", "typ": "at+jwt"}""", TokenRejection.None)]
    [InlineData("""{"active": true, "sub": "alice", "aud": "app", "token_use": ["refresh_token"]}""", TokenRejection.ClaimMalformed)]
    [InlineData("""{"active": true, "sub": "alice", "aud": "app", "exp": 1}""", TokenRejection.Expired)]
    [InlineData("""{"active": true, "sub": "alice", "aud": "app", "nbf": 4000000000}""", TokenRejection.NotYetValid)]
    [InlineData("""{"active": true, "sub": "alice", "aud": "app", "cnf": {"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}}""", TokenRejection.ProofMissing)]
    [InlineData("""{"active": true, "sub": "alice", "aud": "app", "cnf": {"unheard-of": "x"}}""", TokenRejection.ProofMissing)]
    [InlineData("""{"active": true, "sub": "alice", "aud": "app", "token_type": "DPoP"}""", TokenRejection.ClaimMissing)]
    [InlineData("""{"active": true, "sub": "alice", "aud": "app", "token_type": "DPoP", "cnf": {"x5t#S256": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}}""", TokenRejection.ClaimMissing)]
    [InlineData("""{"active": true, "sub": "alice", "aud": "app"}""", TokenRejection.None)]
    [InlineData("""{"active": true, "sub": "alice", "aud": ["others", "app"], "iss": "https://opaque.test", "token_type": "bearer"}""", TokenRejection.None)]
    public async Task Answer_ThatIsNotAsItShouldBe_AcceptsNothing(string answer, object expected)
    {
        var opaque = Create();
        _server.Answer = c => c.Response.WriteAsync(answer);
        await AskAsync(opaque);
        Assert.Equal(expected, Validate(opaque).Error);
        // Once more, from what is remembered.
        Assert.Equal(expected, Validate(opaque).Error);
    }

    [Fact]
    public async Task Server_ThatAnswersOtherwise_AcceptsNothing()
    {
        foreach (var answer in new Func<HttpContext, Task>[]
        {
            TlsServer.Status(500), TlsServer.Status(401), TlsServer.Status(204),
            c => { c.Response.Redirect("https://127.0.0.1/elsewhere"); return Task.CompletedTask; },
            c => c.Response.WriteAsync(Good[..^1] + $", \"more\": \"{new string('x', 65 * 1024)}\"}}"),
            c => { c.Abort(); return Task.CompletedTask; },
        })
        {
            var opaque = Create();
            _server.Answer = answer;
            await AskAsync(opaque);
            Assert.Equal(TokenRejection.IntrospectionPending, Validate(opaque).Error);
        }
    }

    [Fact]
    public async Task Token_ThatIsNoneOfTheIssuers_IsNeverSentToIt()
    {
        _server.Answer = c => c.Response.WriteAsync(Good);
        var opaque = Create();
        foreach (var (text, error) in new[]
        {
            // What could be a JWT, of whomever, however wrong.
            ("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.", TokenRejection.Malformed), ("opaque-a.b.c", TokenRejection.Malformed), ("a.b.c.d.e", TokenRejection.Malformed),
            ("", TokenRejection.Missing), ("another-prefix", TokenRejection.Malformed), ("OPAQUE-x", TokenRejection.Malformed),
            ("opaque-with space", TokenRejection.Malformed), ("opaque-\n", TokenRejection.Malformed), ("opaque-é", TokenRejection.Malformed), ("opaque-=x", TokenRejection.Malformed),
            ("opaque-" + new string('x', 1024), TokenRejection.TooLarge), (new string('x', 17_000), TokenRejection.TooLarge),
        })
        {
            await AskAsync(opaque, token: text);
            Assert.Equal(error, Validate(opaque, token: text).Error);
        }

        // Nor to one at a host that nobody allowed, or with nothing to ask it with.
        var elsewhere = new IntrospectionClients(new Dictionary<string, IntrospectionCredentials> { [Name] = new() { Url = _server.UrlOf("another").AbsoluteUri, ClientId = "x", ClientSecret = "x" } });
        foreach (var stranger in new[] { Create(clients: elsewhere), Create(new IssuerHosts { Ca = _server.CaFile }), Create(new IssuerHosts { Hosts = ["127.0.0.1"], Ca = _server.CaFile }), Create(clients: IntrospectionClients.None) })
        {
            await AskAsync(stranger);
            Assert.Equal(TokenRejection.IntrospectionPending, Validate(stranger).Error);
        }

        Assert.Equal(0, _server.Requests);
        await AskAsync(opaque, token: Token + "==");
        Assert.True(Validate(opaque, token: Token + "==").IsValid);
    }

    [Fact]
    public async Task Revocations_HoldForOpaqueTokensToo_AndForThoseOfNoTimeWheneverTheyAreFrom()
    {
        _server.Answer = c => c.Response.WriteAsync("""{"active": true, "sub": "alice", "aud": "app"}""");
        var opaque = Create();
        await AskAsync(opaque);
        Assert.True(Validate(opaque).IsValid);
        var revocations = new Revocations([new(new Revocations.Key(Revocations.Target.Subject, Name, "alice"), new Revocations.Extent(_time.GetUtcNow().AddYears(-5).ToUnixTimeSeconds()))]);
        Assert.Equal(TokenRejection.Revoked, Validate(opaque, revocations: revocations).Error);
    }

    [Fact]
    public async Task Floods_OfTokensThatAreRefused_PushOutNoneThatIsNot()
    {
        var opaque = Create();
        _server.Answer = async c => await c.Response.WriteAsync((await c.Request.ReadFormAsync())["token"] == Token ? Good : """{"active": false}""");
        await AskAsync(opaque);
        await Task.WhenAll(Enumerable.Range(0, 3_000).Select(i => AskAsync(opaque, token: $"opaque-{i}")));
        Assert.True(Validate(opaque).IsValid);
        // There are so many that may be waited for, and who comes then is refused at once.
        Assert.InRange(_server.Requests, 1_001, 3_001);
        Assert.Equal(TokenRejection.IntrospectionPending, Validate(opaque, token: "opaque-never-asked").Error);
    }

    [Fact]
    public async Task Garbage_ThatTheIssuerIsSlowAbout_KeepsNothingFromBeingRenewed()
    {
        var opaque = Create();
        var never = new TaskCompletionSource();
        _server.Answer = async c =>
        {
            if ((await c.Request.ReadFormAsync())["token"] != Token)
            {
                await never.Task;
            }

            await c.Response.WriteAsync(Good);
        };
        await AskAsync(opaque);
        var garbage = Enumerable.Range(0, 2_000).Select(i => AskAsync(opaque, token: $"opaque-{i}")).ToList();
        for (var i = 0; i < 5; i++)
        {
            var before = _server.Requests;
            _time.Advance(OpaqueTokens.RenewAfter);
            Assert.True(Validate(opaque).IsValid);
            await UntilAsync(() => _server.Requests > before);
            // By then what was said before would be too old to wait with.
            _time.Advance(IssuerIntrospection.AnswerLifetime - OpaqueTokens.RenewAfter - IssuerIntrospection.Timeout);
            await UntilAsync(() => opaque.Tokens.IsKnown(new Secret(Token), opaque.Issuers));
        }

        never.SetResult();
        await Task.WhenAll(garbage);
    }

    [Fact]
    public async Task Calls_WithOpaqueTokens_WaitForTheirIssuerAndNobodyElseDoes()
    {
        using var issuer = new TestIssuer();
        using var bundle = new TestBundle(issuer);
        bundle.Write("issuers.json", $$"""
            {"issuers": [
              {"issuer": "{{TestIssuer.Name}}", "jwks": "keys.jwks.json", "audiences": ["{{TestIssuer.Audience}}"]},
              {"issuer": "{{Name}}", "introspectionUrl": "{{_server.UrlOf("introspect")}}", "opaquePrefix": "opaque-", "audiences": ["app"]}]}
            """);
        using var folder = new TemporaryFolder();
        var clients = folder.Write("clients.json", $$$"""{"{{{Name}}}": {"url": "{{{_server.UrlOf("introspect")}}}", "clientId": "sidecar", "clientSecret": "it's secret"}}""");
        await using var sidecar = await TestSidecar.StartAsync(bundle, change: o => o with { Issuers = new IssuerHosts { PrivateHosts = ["127.0.0.1"], Ca = _server.CaFile }, IntrospectionClients = clients });
        _server.Answer = c => c.Response.WriteAsync(Good);
        await sidecar.WaitForRevisionAfterAsync(0);
        var validated = await sidecar.Client.ValidateTokenAsync(new ValidateTokenRequest { Token = Token, RequiredScopes = { "read" } }, cancellationToken: Cancellation);
        Assert.True(validated.Valid, $"{validated.Reason}");
        Assert.Equal((Name, "alice"), (validated.Issuer, validated.Subject));
        var check = new CheckPermissionRequest { Token = Token + "2", Action = new EntityUid { Id = "read" }, Resource = new Entity { Uid = new EntityUid { Type = "Document", Id = "plan" } } };
        Assert.Equal(Decision.Allow, (await sidecar.Client.CheckPermissionAsync(check, cancellationToken: Cancellation)).Decision);
        check.Token = Token + "3";
        var batch = await sidecar.Client.CheckPermissionsAsync(new CheckPermissionsRequest { Checks = { check, check } }, cancellationToken: Cancellation);
        Assert.All(batch.Results, r => Assert.Equal(Decision.Allow, r.Decision));
        Assert.Equal(3, _server.Requests);

        // An issuer that never answers keeps only those waiting who come with a token of its, and those only as long as they like.
        var never = new TaskCompletionSource();
        _server.Answer = _ => never.Task;
        var stuck = sidecar.Client.ValidateTokenAsync(new ValidateTokenRequest { Token = "opaque-new" }, deadline: TimeProvider.System.GetUtcNow().UtcDateTime.AddMilliseconds(500), cancellationToken: Cancellation);
        Assert.True((await sidecar.Client.ValidateTokenAsync(new ValidateTokenRequest { Token = Token }, cancellationToken: Cancellation)).Valid);
        Assert.Equal(V1.TokenRejection.SignatureInvalid, (await sidecar.Client.ValidateTokenAsync(new ValidateTokenRequest { Token = issuer.Issue(TimeProvider.System.GetUtcNow()).Reveal()[..^8] + "AAAAAAAA" }, cancellationToken: Cancellation)).Reason);
        Assert.Equal(StatusCode.DeadlineExceeded, (await Assert.ThrowsAsync<RpcException>(async () => await stuck)).StatusCode);
        var denied = await sidecar.Client.ValidateTokenAsync(new ValidateTokenRequest { Token = "opaque-newer" }, cancellationToken: Cancellation);
        Assert.Equal((false, V1.TokenRejection.IntrospectionPending), (denied.Valid, denied.Reason));
        never.SetResult();
        Assert.DoesNotContain(sidecar.Logs, l => l.Contains("opaque-", StringComparison.Ordinal) || l.Contains("it's secret", StringComparison.Ordinal));
    }

    [Fact]
    public void IssuersFile_WhereOpaqueTokensCouldBeOfTwo_IsRefused()
    {
        using var bundle = new TestBundle();
        bundle.Add(null, ("issuers.json", """
            {"issuers": [
              {"issuer": "a", "introspectionUrl": "https://a.test/introspect", "opaquePrefix": "op", "audiences": ["app"]},
              {"issuer": "b", "introspectionUrl": "https://b.test/introspect", "opaquePrefix": "opaque-", "audiences": ["app"]},
              {"issuer": "c", "introspectionUrl": "http://c.test/introspect", "audiences": ["app"]},
              {"issuer": "d", "opaquePrefix": "d", "audiences": ["app"]}]}
            """));
        Assert.Null(bundle.TryBuild(out var found));
        var faults = found.ConvertAll(f => f.ToString());
        Assert.Contains(faults, f => f.Contains("ambiguous `opaquePrefix`", StringComparison.Ordinal));
        Assert.Contains(faults, f => f.Contains("issuer `c`: `http://c.test/introspect` is not an `https:` URL", StringComparison.Ordinal));
        Assert.Contains(faults, f => f.Contains("issuer `d`: `opaquePrefix` requires `introspectionUrl`", StringComparison.Ordinal));
        Assert.Contains(faults, f => f.Contains("issuer `d`: no verification method", StringComparison.Ordinal));
    }

    /// <summary>RFC 7662, section 2.2: <c>aud</c> and <c>sub</c> are optional, and so are answered by options of the issuer.</summary>
    [Theory]
    [InlineData("""{"active": true, "sub": "alice", "client_id": "app"}""", TokenRejection.None, "alice")]
    [InlineData("""{"active": true, "sub": "alice", "client_id": "app", "aud": []}""", TokenRejection.None, "alice")]
    [InlineData("""{"active": true, "sub": "alice", "client_id": "app", "aud": null, "jti": null, "exp": null, "nbf": null}""", TokenRejection.None, "alice")]
    [InlineData("""{"active": true, "sub": "alice", "client_id": "app", "aud": "others"}""", TokenRejection.AudienceMismatch)]
    [InlineData("""{"active": true, "sub": "alice", "client_id": "others"}""", TokenRejection.AudienceMismatch)]
    [InlineData("""{"active": true, "sub": "alice"}""", TokenRejection.ClaimMissing)]
    [InlineData("""{"active": true, "sub": "alice", "client_id": 1}""", TokenRejection.ClaimMalformed)]
    [InlineData("""{"active": true, "sub": "alice", "client_id": "app", "exp": 4000000000.5}""", TokenRejection.None, "alice")]
    [InlineData("""{"active": true, "sub": "alice", "client_id": "app", "iss": "https://opaque.test/"}""", TokenRejection.None, "alice")]
    [InlineData("""{"active": true, "username": "alice", "client_id": "app"}""", TokenRejection.ClaimMissing)]
    [InlineData("""{"active": true, "username": "alice", "client_id": "app"}""", TokenRejection.None, "alice", "username")]
    [InlineData("""{"active": true, "client_id": "app"}""", TokenRejection.ClaimMissing, null, "username")]
    public async Task Answer_WithoutAudienceOrSubject_AcceptedByOptionsAlone(string answer, object expected, string? subject = null, string? id = null)
    {
        var opaque = Create(configure: i => i with
        {
            Aliases = ["https://opaque.test/"],
            AudienceClaim = ClaimPath.Parse("client_id"),
            Principal = new PrincipalMapping { Id = id is null ? null : ClaimPath.Parse(id) },
        });
        _server.Answer = c => c.Response.WriteAsync(answer);
        await AskAsync(opaque);
        var result = Validate(opaque);
        Assert.Equal((expected, subject), (result.Error, result.IsValid ? result.Token.Subject : null));
    }

    private Opaque Create(IssuerHosts? hosts = null, IntrospectionClients? clients = null, Func<Issuer, Issuer>? configure = null)
    {
        var http = new IssuerHttp(hosts ?? new IssuerHosts { PrivateHosts = ["127.0.0.1"], Ca = _server.CaFile }, NullLogger<IssuerHttp>.Instance);
        _clients.Add(http);
        clients ??= new IntrospectionClients(new Dictionary<string, IntrospectionCredentials> { [Name] = new() { Url = _server.UrlOf("introspect").AbsoluteUri, ClientId = "side:car", ClientSecret = "it's secret" } });
        var tokens = new OpaqueTokens(new IntrospectionClient(http, clients), _time, NullLogger<OpaqueTokens>.Instance);
        var issuer = new Issuer
        {
            Name = Name,
            Audiences = FrozenSet.Create(StringComparer.Ordinal, "app"),
            Keys = KeySet.Empty,
            IntrospectionUrl = _server.UrlOf("introspect"),
            OpaquePrefix = "opaque-",
        };
        return new Opaque(tokens, new TokenValidator(new VerifiedTokenCache(10), new DpopVerifier(), tokens.Find), new IssuerSet([configure?.Invoke(issuer) ?? issuer]));
    }

    private static Task AskAsync(Opaque opaque, string token = Token) => opaque.Tokens.AskAsync(new Secret(token), opaque.Issuers);

    private TokenResult Validate(Opaque opaque, string token = Token, string? audience = null, string[]? scopes = null, Revocations? revocations = null, DateTimeOffset? at = null) =>
        opaque.Validator.Validate(new PresentedToken { Token = new Secret(token), Audience = audience, RequiredScopes = scopes ?? [] }, opaque.Issuers, revocations ?? Revocations.None, at ?? _time.GetUtcNow());

    private static async Task UntilAsync(Func<bool> isSo)
    {
        for (var i = 0; i < 500 && !isSo(); i++)
        {
            await Task.Delay(10, Cancellation);
        }

        Assert.True(isSo(), "it did not come to be so");
    }

    private sealed record Opaque(OpaqueTokens Tokens, TokenValidator Validator, IssuerSet Issuers);
}
