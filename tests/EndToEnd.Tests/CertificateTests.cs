using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;
using AuthSidecar.ControlPlane.V1;
using AuthSidecar.V1;
using Google.Protobuf;

namespace EndToEnd.Tests;

/// <summary>Tokens that are bound to the certificate that they were got with (RFC 8705).</summary>
public sealed class CertificateTests
{
    // RFC 7636, appendix B.
    private const string Verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    private const string Challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Tokens_GotWithACertificate_AreGoodForWhoeverHasItAndNobodyElse()
    {
        await using var fleet = await Fleet.StartAsync(ownCa: true, https: true);
        await fleet.CreateApplicationAsync();
        var token = (await fleet.Sidecars.CreateJoinTokenAsync(new CreateJoinTokenRequest { Application = "documents" }, cancellationToken: Cancellation)).Token;
        var sidecar = await fleet.JoinAsync("one", token);
        await fleet.Accounts.WriteAccountAsync(new WriteAccountRequest { Account = new Account { Id = "alice" }, Password = OpenIdClient.Password }, cancellationToken: Cancellation);
        await fleet.Clients.WriteClientAsync(
            new WriteClientRequest { Client = new Client { Id = "web", Application = "documents", GrantTypes = { GrantType.AuthorizationCode }, RedirectUris = { "http://127.0.0.1/callback" }, NeedsConsent = false } }, cancellationToken: Cancellation);
        using var own = Certify("own");
        using var others = Certify("others");
        using var http = fleet.CreateHttp(certificate: own);
        using var thief = fleet.CreateHttp(certificate: others);
        using var bare = fleet.CreateHttp();
        var metadata = (await bare.GetFromJsonAsync<JsonObject>(".well-known/openid-configuration", Cancellation))!;
        Assert.True((bool)metadata["tls_client_certificate_bound_access_tokens"]!);
        Assert.Equal(new Uri(http.BaseAddress!, "oauth2/token").AbsoluteUri, (string?)metadata["mtls_endpoint_aliases"]!["token_endpoint"]);

        var tokens = await RedeemAsync(fleet, http);
        var access = (string)tokens["access_token"]!;
        Assert.Equal("Bearer", (string?)tokens["token_type"]);
        await Fleet.UntilAsync(async () => await ReasonAsync(sidecar, access, null) == TokenRejection.ProofMissing);
        Assert.Equal(TokenRejection.ProofInvalid, await ReasonAsync(sidecar, access, others));
        Assert.Equal(TokenRejection.Unspecified, await ReasonAsync(sidecar, access, own));
        Assert.Equal(HttpStatusCode.OK, await UserInfoAsync(http, access));
        Assert.Equal(HttpStatusCode.Unauthorized, await UserInfoAsync(thief, access));
        Assert.Equal(HttpStatusCode.Unauthorized, await UserInfoAsync(bare, access));

        // So is its refresh token: a thief of it has nothing, and takes nothing away.
        Assert.Equal("invalid_grant", (string?)(await RefreshAsync(thief, tokens))["error"]);
        Assert.Equal("invalid_grant", (string?)(await RefreshAsync(bare, tokens))["error"]);
        var refreshed = await RefreshAsync(http, tokens);
        Assert.Equal(TokenRejection.Unspecified, await ReasonAsync(sidecar, (string)refreshed["access_token"]!, own));
        Assert.Equal(TokenRejection.ProofInvalid, await ReasonAsync(sidecar, (string)refreshed["access_token"]!, others));

        // Nothing else is there, and nobody without a certificate; and it is one or the other.
        Assert.Equal(HttpStatusCode.NotFound, (await http.GetAsync("login", Cancellation)).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await http.GetAsync(".well-known/openid-configuration", Cancellation)).StatusCode);
        using var anonymous = new HttpClient(new SocketsHttpHandler { SslOptions = { RemoteCertificateValidationCallback = (_, _, _, _) => true } }) { BaseAddress = http.BaseAddress };
        await Assert.ThrowsAsync<HttpRequestException>(() => anonymous.GetAsync("oauth2/userinfo", Cancellation));
        using var both = new HttpRequestMessage(HttpMethod.Post, "oauth2/token") { Content = Form(("grant_type", "refresh_token"), ("client_id", "web"), ("refresh_token", (string)refreshed["refresh_token"]!)) };
        both.Headers.Add("DPoP", "x");
        Assert.Equal("invalid_dpop_proof", (string?)(await ReadAsync(await http.SendAsync(both, Cancellation)))["error"]);
    }

    private static async Task<JsonObject> RedeemAsync(Fleet fleet, HttpClient http)
    {
        using var browser = new TestBrowser(fleet.UrlOf(), proxy: null, fleet.CaFile);
        var authorize = $"/oauth2/authorize?client_id=web&response_type=code&scope=openid%20offline_access&state=s&redirect_uri=http%3A%2F%2F127.0.0.1%3A8123%2Fcallback&code_challenge={Challenge}&code_challenge_method=S256";
        await browser.SubmitAsync(await browser.GoAsync("login"), "/login", ("name", "alice"), ("password", OpenIdClient.Password));
        var back = (await browser.GoAsync(authorize, to => to.Port == 8123 ? null : to)).Location!;
        var code = Microsoft.AspNetCore.WebUtilities.QueryHelpers.ParseQuery(back.Query)["code"].ToString();
        return await ReadAsync(await http.PostAsync(
            "oauth2/token", Form(("grant_type", "authorization_code"), ("client_id", "web"), ("code", code), ("code_verifier", Verifier), ("redirect_uri", "http://127.0.0.1:8123/callback")), Cancellation));
    }

    private static async Task<JsonObject> RefreshAsync(HttpClient http, JsonObject tokens) =>
        await ReadAsync(await http.PostAsync("oauth2/token", Form(("grant_type", "refresh_token"), ("client_id", "web"), ("refresh_token", (string)tokens["refresh_token"]!)), Cancellation));

    private static async Task<HttpStatusCode> UserInfoAsync(HttpClient http, string token)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "oauth2/userinfo") { Headers = { Authorization = new AuthenticationHeaderValue("Bearer", token) } };
        return (await http.SendAsync(request, Cancellation)).StatusCode;
    }

    private static async Task<TokenRejection> ReasonAsync(AuthSidecarService.AuthSidecarServiceClient sidecar, string token, X509Certificate2? certificate)
    {
        var request = new ValidateTokenRequest { Token = token };
        if (certificate is not null)
        {
            request.Proof = new TokenProof { ClientCertificateSha256 = ByteString.CopyFrom(SHA256.HashData(certificate.RawData)) };
        }

        return (await sidecar.ValidateTokenAsync(request, cancellationToken: Cancellation)).Reason;
    }

    private static async Task<JsonObject> ReadAsync(HttpResponseMessage response) => JsonNode.Parse(await response.Content.ReadAsStringAsync(Cancellation))!.AsObject();

    private static FormUrlEncodedContent Form(params (string Name, string Value)[] fields) => new(fields.Select(f => KeyValuePair.Create(f.Name, f.Value)));

    /// <summary>One that somebody made for themselves.</summary>
    private static X509Certificate2 Certify(string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var made = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256).CreateSelfSigned(DateTimeOffset.UnixEpoch.AddYears(50), DateTimeOffset.UnixEpoch.AddYears(99));
        return X509CertificateLoader.LoadPkcs12(made.Export(X509ContentType.Pfx), null);
    }
}
