using System.Buffers.Text;
using System.Collections.Concurrent;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace EndToEnd.Tests;

/// <summary>How a provider errs, or cheats.</summary>
public enum Misbehaviour
{
    None,
    StateOfAnother,
    NoState,
    NonceOfAnother,
    NoNonce,
    IssuerOfAnotherInTheAnswer,
    IssuerOfAnotherInTheToken,
    IssuerOfAnotherInTheDocument,
    AudienceOfAnother,
    Unsigned,
    SignedByAnother,
    SignedWithTheClientSecret,
    Expired,
    NoSubject,
    UserInfoOfAnother,
    NoIdToken,
    TokenEndpointElsewhere,
    TokenEndpointFails,
    TokenEndpointRedirects,
    DiscoveryFails,
    HugeAnswer,
    Slow,
}

/// <summary>
/// An OpenID provider that speaks the real protocol, and errs when it is told to: discovery, codes that are good once, for the client and the verifier (PKCE)
/// they are for, ID tokens. By other names it is Google, Microsoft and GitHub. Whoever comes is signed in already.
/// </summary>
internal sealed class TestIdentityProvider : IAsyncDisposable
{
    public const string ClientId = "authsidecar-at-the-provider";
    public const string ClientSecret = "a secret of some length, as providers give them";
    public const string GitHub = "github.com";

    private static readonly string[] Names =
        [GitHub, "api.github.com", "accounts.google.com", "oauth2.googleapis.com", "openidconnect.googleapis.com", "www.googleapis.com", "login.microsoftonline.com", "graph.microsoft.com"];

    private readonly string _folder = Directory.CreateTempSubdirectory("provider").FullName;
    private readonly RSA _key = RSA.Create(2048);
    private readonly ConcurrentDictionary<string, IQueryCollection> _codes = new();
    private WebApplication _app = null!;

    private TestIdentityProvider()
    {
    }

    public Misbehaviour Misbehaviour { get; set; }

    /// <summary>Who is signed in there.</summary>
    public string Subject { get; set; } = "248289761001";

    public string Email { get; set; } = "jane@provider.example";

    /// <summary>The tenant of Microsoft's that they are of.</summary>
    public string Tenant { get; set; } = "8d9f2c4e-1111-4222-8333-444455556666";

    /// <summary>What its tokens and user infos say of the address; null: nothing.</summary>
    public JsonNode? EmailVerified { get; set; }

    /// <summary>The organisation of Google Workspace that they are of; null: none.</summary>
    public string? HostedDomain { get; set; }

    /// <summary>Organisations at GitHub, and how they are of them.</summary>
    public Dictionary<string, string> Organizations { get; } = [];

    /// <summary>Whether GitHub's API answers.</summary>
    public bool IsApiDown { get; set; }

    public bool AreAddressesHidden { get; set; }

    public string CaFile => Path.Combine(_folder, "ca.pem");

    public int Port { get; private set; }

    public string Issuer => $"https://127.0.0.1:{Port}";

    /// <summary>Each question that it was asked by a browser.</summary>
    public ConcurrentQueue<IQueryCollection> Asked { get; } = [];

    /// <summary>How often it was asked for tokens.</summary>
    public int TokenRequests;

    public static async Task<TestIdentityProvider> StartAsync()
    {
        var provider = new TestIdentityProvider();
        (provider._app, var address) = await TlsServer.StartAsync(TestCertificate.Create(provider.CaFile, Names), provider.AnswerAsync);
        provider.Port = address.Port;
        return provider;
    }

    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        _key.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private async Task AnswerAsync(HttpContext context)
    {
        var (request, path) = (context.Request, context.Request.Path.Value!);
        context.Response.ContentType = "application/json";
        if (path.EndsWith("/openid-configuration", StringComparison.Ordinal))
        {
            await (Misbehaviour == Misbehaviour.DiscoveryFails ? FailAsync(context) : context.Response.WriteAsync(Discovery(request).ToJsonString()));
        }
        else if (path.EndsWith("/jwks", StringComparison.Ordinal))
        {
            await context.Response.WriteAsync(Keys().ToJsonString());
        }
        else if (path.EndsWith("/authorize", StringComparison.Ordinal))
        {
            Authorize(context);
        }
        else if (path.EndsWith("/token", StringComparison.Ordinal) || path.EndsWith("/access_token", StringComparison.Ordinal))
        {
            await AnswerTokenRequestAsync(context);
        }
        else if (path is "/userinfo" or "/user" or "/oidc/userinfo")
        {
            await AnswerUserInfoRequestAsync(context);
        }
        else if (request.Host.Host == "api.github.com" && path.StartsWith("/user/", StringComparison.Ordinal))
        {
            await AnswerGitHubAsync(context, path);
        }
        else
        {
            context.Response.StatusCode = StatusCodes.Status404NotFound;
        }
    }

    private JsonObject Discovery(HttpRequest request)
    {
        var issuer = IssuerOf(request.Host, Tenant);
        var at = request.Host.Host == "127.0.0.1" ? issuer : $"https://{request.Host}";
        return new JsonObject
        {
            ["issuer"] = Misbehaviour == Misbehaviour.IssuerOfAnotherInTheDocument ? "https://another.example" : issuer,
            ["authorization_endpoint"] = $"{at}/authorize",
            ["token_endpoint"] = Misbehaviour == Misbehaviour.TokenEndpointElsewhere ? "https://metadata.internal/token" : $"{at}/token",
            ["jwks_uri"] = $"{at}/jwks",
            ["userinfo_endpoint"] = request.Host.Host == "login.microsoftonline.com" ? "https://graph.microsoft.com/oidc/userinfo" : $"{at}/userinfo",
            // Where nobody is to send anything.
            ["pushed_authorization_request_endpoint"] = "https://metadata.internal/par",
            ["response_types_supported"] = new JsonArray("code"),
            ["subject_types_supported"] = new JsonArray("public"),
            ["id_token_signing_alg_values_supported"] = new JsonArray("RS256"),
            ["authorization_response_iss_parameter_supported"] = SaysIssuer(request.Host),
        };
    }

    /// <summary>Sends the browser back with a code, as if somebody had agreed.</summary>
    private void Authorize(HttpContext context)
    {
        var query = context.Request.Query;
        Asked.Enqueue(query);
        var code = Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32));
        _codes[code] = query;
        var issuer = Misbehaviour == Misbehaviour.IssuerOfAnotherInTheAnswer ? "https://another.example" : context.Request.Host.Host == GitHub ? "https://github.com/login/oauth" : IssuerOf(context.Request.Host, Tenant);
        var state = Misbehaviour switch { Misbehaviour.StateOfAnother => "AAAA" + query["state"], Misbehaviour.NoState => null, _ => query["state"].ToString() };
        context.Response.Redirect($"{query["redirect_uri"]}?code={code}{(SaysIssuer(context.Request.Host) ? $"&iss={Uri.EscapeDataString(issuer)}" : "")}{(state is null ? "" : $"&state={Uri.EscapeDataString(state)}")}");
    }

    private async Task AnswerTokenRequestAsync(HttpContext context)
    {
        Interlocked.Increment(ref TokenRequests);
        var form = await context.Request.ReadFormAsync(context.RequestAborted);
        switch (Misbehaviour)
        {
            case Misbehaviour.TokenEndpointFails:
                await FailAsync(context);
                return;
            case Misbehaviour.TokenEndpointRedirects:
                context.Response.Redirect("https://127.0.0.1:1/token", permanent: false, preserveMethod: true);
                return;
            case Misbehaviour.Slow:
                await Task.Delay(TimeSpan.FromSeconds(30), context.RequestAborted);
                return;
            case Misbehaviour.HugeAnswer:
                await context.Response.WriteAsync(new string(' ', 10_000_000), context.RequestAborted);
                return;
        }

        // Whoever has no secret, or a code that was used, or is for somebody else, gets nothing (RFC 6749, section 4.1.3; RFC 7636, section 4.6).
        var basic = context.Request.Headers.Authorization.ToString();
        var (client, secret) = basic.StartsWith("Basic ", StringComparison.Ordinal) && Encoding.UTF8.GetString(Convert.FromBase64String(basic[6..])).Split(':') is [var id, var password]
            ? (WebUtility.UrlDecode(id), WebUtility.UrlDecode(password))
            : (form["client_id"].ToString(), form["client_secret"].ToString());
        var challenge = Base64Url.EncodeToString(SHA256.HashData(Encoding.ASCII.GetBytes(form["code_verifier"].ToString())));
        if (client != ClientId || secret != ClientSecret || form["grant_type"] != "authorization_code" || !_codes.TryRemove(form["code"].ToString(), out var asked)
            || asked["redirect_uri"] != form["redirect_uri"] || asked["code_challenge"] != challenge || asked["code_challenge_method"] != "S256")
        {
            context.Response.StatusCode = StatusCodes.Status400BadRequest;
            await context.Response.WriteAsJsonAsync(new { error = "invalid_grant" }, context.RequestAborted);
            return;
        }

        var answer = new JsonObject { ["access_token"] = "for the API", ["token_type"] = "Bearer", ["expires_in"] = 600 };
        if (context.Request.Host.Host != GitHub && Misbehaviour != Misbehaviour.NoIdToken)
        {
            answer["id_token"] = IdToken(context.Request, asked);
        }

        await context.Response.WriteAsync(answer.ToJsonString(), context.RequestAborted);
    }

    private string IdToken(HttpRequest request, IQueryCollection asked)
    {
        var now = TimeProvider.System.GetUtcNow().ToUnixTimeSeconds();
        var claims = new JsonObject
        {
            ["iss"] = Misbehaviour == Misbehaviour.IssuerOfAnotherInTheToken ? "https://another.example" : IssuerOf(request.Host.Host == "oauth2.googleapis.com" ? new HostString("accounts.google.com") : request.Host, Tenant),
            ["aud"] = Misbehaviour == Misbehaviour.AudienceOfAnother ? "somebody else" : ClientId,
            ["sub"] = Subject,
            ["tid"] = Tenant,
            ["name"] = "Jane Doe",
            ["email"] = Email,
            ["iat"] = now,
            ["exp"] = Misbehaviour == Misbehaviour.Expired ? now - 3600 : now + 600,
            ["nonce"] = Misbehaviour == Misbehaviour.NonceOfAnother ? "another" : asked["nonce"].ToString(),
        };
        if (EmailVerified is not null)
        {
            claims["email_verified"] = EmailVerified.DeepClone();
        }

        if (HostedDomain is not null)
        {
            claims["hd"] = HostedDomain;
        }

        if (asked.ContainsKey("max_age"))
        {
            claims["auth_time"] = now;
        }

        if (Misbehaviour is Misbehaviour.NoNonce or Misbehaviour.NoSubject)
        {
            claims.Remove(Misbehaviour == Misbehaviour.NoNonce ? "nonce" : "sub");
        }

        var signed = $"{Encode(Misbehaviour switch { Misbehaviour.Unsigned => """{"alg":"none","typ":"JWT"}""", Misbehaviour.SignedWithTheClientSecret => """{"alg":"HS256","typ":"JWT"}""", _ => """{"alg":"RS256","typ":"JWT","kid":"one"}""" })}.{Encode(claims.ToJsonString())}";
        using var other = RSA.Create(2048);
        return $"{signed}.{Misbehaviour switch
        {
            Misbehaviour.Unsigned => "",
            Misbehaviour.SignedWithTheClientSecret => Base64Url.EncodeToString(HMACSHA256.HashData(Encoding.UTF8.GetBytes(ClientSecret), Encoding.ASCII.GetBytes(signed))),
            _ => Base64Url.EncodeToString((Misbehaviour == Misbehaviour.SignedByAnother ? other : _key).SignData(Encoding.ASCII.GetBytes(signed), HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1)),
        }}";
    }

    private async Task AnswerUserInfoRequestAsync(HttpContext context)
    {
        var subject = Misbehaviour == Misbehaviour.UserInfoOfAnother ? "somebody else" : Subject;
        var answer = context.Request.Host.Host == "api.github.com"
            ? new JsonObject { ["id"] = long.Parse(subject, System.Globalization.CultureInfo.InvariantCulture), ["login"] = "jane", ["name"] = "Jane Doe", ["email"] = Email }
            : new JsonObject { ["sub"] = subject, ["name"] = "Jane Doe", ["email"] = Email };
        await context.Response.WriteAsync(answer.ToJsonString(), context.RequestAborted);
    }

    private async Task AnswerGitHubAsync(HttpContext context, string path)
    {
        var isAllowed = context.Request.Headers.Authorization == "Bearer for the API" && context.Request.Headers.UserAgent.Count > 0;
        if (IsApiDown || !isAllowed)
        {
            context.Response.StatusCode = isAllowed ? StatusCodes.Status502BadGateway : StatusCodes.Status401Unauthorized;
        }
        else if (path == "/user/emails" && AreAddressesHidden)
        {
            context.Response.StatusCode = StatusCodes.Status403Forbidden;
        }
        else if (path == "/user/emails")
        {
            await context.Response.WriteAsync(new JsonArray(
                new JsonObject { ["email"] = "jane@unverified.example", ["primary"] = false, ["verified"] = false },
                new JsonObject { ["email"] = Email, ["primary"] = true, ["verified"] = true }).ToJsonString());
        }
        else if (Organizations.TryGetValue(path[(path.LastIndexOf('/') + 1)..], out var state))
        {
            await context.Response.WriteAsync(new JsonObject { ["state"] = state, ["role"] = "member" }.ToJsonString());
        }
        else
        {
            context.Response.StatusCode = StatusCodes.Status404NotFound;
        }
    }

    private JsonObject Keys()
    {
        var parameters = _key.ExportParameters(includePrivateParameters: false);
        return new JsonObject
        {
            ["keys"] = new JsonArray(new JsonObject
            {
                ["kty"] = "RSA",
                ["use"] = "sig",
                ["alg"] = "RS256",
                ["kid"] = "one",
                ["n"] = Base64Url.EncodeToString(parameters.Modulus),
                ["e"] = Base64Url.EncodeToString(parameters.Exponent),
            }),
        };
    }

    private static string IssuerOf(HostString host, string tenant) => host.Host switch
    {
        "login.microsoftonline.com" => $"https://login.microsoftonline.com/{tenant}/v2.0",
        _ => $"https://{host}",
    };

    /// <summary>RFC 9207, which Microsoft has nothing of.</summary>
    private static bool SaysIssuer(HostString host) => host.Host != "login.microsoftonline.com";

    private static Task FailAsync(HttpContext context)
    {
        context.Response.StatusCode = StatusCodes.Status500InternalServerError;
        return context.Response.WriteAsync("<h1>Something went wrong</h1>");
    }

    private static string Encode(string json) => Base64Url.EncodeToString(Encoding.UTF8.GetBytes(json));
}
