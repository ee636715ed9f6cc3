using System.Buffers.Text;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace EndToEnd.Tests;

/// <summary>A cluster as far as enrolment is concerned: it signs service account tokens as kube-apiserver does, publishes its key set, and answers TokenReviews (authentication.k8s.io/v1).</summary>
internal sealed class KubernetesCluster : IAsyncDisposable
{
    public const string Issuer = "https://kubernetes.default.svc.cluster.local";

    private const string OwnToken = "the control plane's own token";

    private readonly string _folder = Directory.CreateTempSubdirectory("cluster").FullName;
    private WebApplication _app = null!;

    public RSA Key { get; private set; } = RSA.Create(2048);

    public string KeyId { get; private set; } = "one";

    /// <summary>Whether it answers.</summary>
    public bool IsDown { get; set; }

    /// <summary>Pods that are gone: their tokens are good for nothing, though they have not expired.</summary>
    public HashSet<string> Deleted { get; } = [];

    /// <summary>What `status` says instead of what it should; null: that.</summary>
    public JsonObject? Status { get; set; }

    /// <summary>What was reviewed.</summary>
    public ConcurrentQueue<JsonNode> Reviews { get; } = [];

    public int KeySetRequests;

    public string Address { get; private set; } = "";

    public static async Task<KubernetesCluster> StartAsync()
    {
        var cluster = new KubernetesCluster();
        await File.WriteAllTextAsync(Path.Combine(cluster._folder, "token"), OwnToken + "\n");
        (cluster._app, var address) = await TlsServer.StartAsync(TestCertificate.Create(Path.Combine(cluster._folder, "ca.crt")), cluster.AnswerAsync);
        cluster.Address = address.ToString().TrimEnd('/');
        return cluster;
    }

    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        Key.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>What the control plane is told of it.</summary>
    public JsonObject Settings(bool isReviewed) => new()
    {
        ["issuer"] = Issuer,
        [isReviewed ? "tokenReview" : "keySet"] = isReviewed ? $"{Address}/apis/authentication.k8s.io/v1/tokenreviews" : $"{Address}/openid/v1/jwks",
        ["ca"] = Path.Combine(_folder, "ca.crt"),
        ["tokenFile"] = Path.Combine(_folder, "token"),
        ["serviceAccounts"] = new JsonArray(
            new JsonObject { ["namespace"] = "shop", ["name"] = "documents", ["application"] = "documents" },
            new JsonObject { ["namespace"] = "shop", ["name"] = "nowhere", ["application"] = "mistyped" }),
    };

    /// <summary>The claims of a token that the kubelet has projected into a pod.</summary>
    public static JsonObject Claims(string pod, string account = "documents", string audience = "authsidecar")
    {
        var now = TimeProvider.System.GetUtcNow().ToUnixTimeSeconds();
        return new JsonObject
        {
            ["aud"] = new JsonArray(audience),
            ["exp"] = now + 3600,
            ["iat"] = now,
            ["iss"] = Issuer,
            ["jti"] = Guid.NewGuid().ToString(),
            ["kubernetes.io"] = new JsonObject
            {
                ["namespace"] = "shop",
                ["node"] = new JsonObject { ["name"] = "node-1", ["uid"] = "c9a6f7e6-1b2c-4f7a-9f3e-5f1f6c1f0a11" },
                ["pod"] = new JsonObject { ["name"] = pod, ["uid"] = $"uid-of-{pod}" },
                ["serviceaccount"] = new JsonObject { ["name"] = account, ["uid"] = "4f8fcaf0-0f0f-4f5e-8b8e-0b5c7f8f4c11" },
            },
            ["nbf"] = now,
            ["sub"] = $"system:serviceaccount:shop:{account}",
        };
    }

    public string Sign(JsonObject claims, RSA? key = null, string? header = null)
    {
        var signed = $"{Encode(header ?? $$"""{"alg":"RS256","kid":"{{KeyId}}"}""")}.{Encode(claims.ToJsonString())}";
        return $"{signed}.{Base64Url.EncodeToString((key ?? Key).SignData(Encoding.ASCII.GetBytes(signed), HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1))}";
    }

    /// <summary>Signs with another key from now on, and with that alone.</summary>
    public void Rotate() => (Key, KeyId) = (RSA.Create(2048), "two");

    private static string Encode(string json) => Base64Url.EncodeToString(Encoding.UTF8.GetBytes(json));

    private async Task AnswerAsync(HttpContext context)
    {
        if (IsDown || context.Request.Headers.Authorization != $"Bearer {OwnToken}")
        {
            context.Response.StatusCode = IsDown ? StatusCodes.Status503ServiceUnavailable : StatusCodes.Status401Unauthorized;
            return;
        }

        context.Response.ContentType = "application/json";
        if (context.Request is { Method: "GET", Path.Value: "/openid/v1/jwks" })
        {
            Interlocked.Increment(ref KeySetRequests);
            var parameters = Key.ExportParameters(includePrivateParameters: false);
            await context.Response.WriteAsync(new JsonObject
            {
                ["keys"] = new JsonArray(new JsonObject { ["use"] = "sig", ["kty"] = "RSA", ["kid"] = KeyId, ["alg"] = "RS256", ["n"] = Base64Url.EncodeToString(parameters.Modulus), ["e"] = Base64Url.EncodeToString(parameters.Exponent) }),
            }.ToJsonString());
        }
        else if (context.Request is { Method: "POST", Path.Value: "/apis/authentication.k8s.io/v1/tokenreviews" })
        {
            var review = (await JsonNode.ParseAsync(context.Request.Body, cancellationToken: context.RequestAborted))!;
            Reviews.Enqueue(review);
            review["status"] = Status?.DeepClone() ?? StatusOf((string)review["spec"]!["token"]!, review["spec"]!["audiences"]!.AsArray());
            context.Response.StatusCode = StatusCodes.Status201Created;
            await context.Response.WriteAsync(review.ToJsonString());
        }
        else
        {
            context.Response.StatusCode = StatusCodes.Status404NotFound;
        }
    }

    private JsonObject StatusOf(string token, JsonArray audiences)
    {
        var parts = token.Split('.');
        var claims = JsonNode.Parse(Base64Url.DecodeFromChars(parts[1]))!;
        var pod = claims["kubernetes.io"]?["pod"];
        var isSigned = Key.VerifyData(Encoding.ASCII.GetBytes($"{parts[0]}.{parts[1]}"), Base64Url.DecodeFromChars(parts[2]), HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        var common = audiences.Select(a => (string)a!).Intersect(claims["aud"]!.AsArray().Select(a => (string)a!)).ToList();
        if (!isSigned || common.Count == 0 || (pod is not null && Deleted.Contains((string)pod["name"]!)))
        {
            return new JsonObject { ["user"] = new JsonObject(), ["error"] = common.Count == 0 ? "token audiences is invalid for the target audiences" : "service account token has been invalidated" };
        }

        var extra = pod is null ? null : new JsonObject
        {
            ["authentication.kubernetes.io/pod-name"] = new JsonArray((string)pod["name"]!),
            ["authentication.kubernetes.io/pod-uid"] = new JsonArray((string)pod["uid"]!),
        };
        return new JsonObject
        {
            ["authenticated"] = true,
            ["user"] = new JsonObject { ["username"] = (string)claims["sub"]!, ["uid"] = "4f8f", ["groups"] = new JsonArray("system:serviceaccounts"), ["extra"] = extra },
            ["audiences"] = new JsonArray([.. common.Select(a => (JsonNode)a)]),
        };
    }
}
