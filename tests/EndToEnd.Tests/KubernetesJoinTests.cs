using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;
using AuthSidecar.ControlPlane.V1;
using Google.Rpc;
using Grpc.Core;
using Grpc.Net.Client;

namespace EndToEnd.Tests;

/// <summary>Pods that enrol with the service account token that is projected into them: no secret is shared, and none is used up.</summary>
public sealed class KubernetesJoinTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Pod_WithItsToken_JoinsAsItselfAndAgainAfterARestart(bool isReviewed)
    {
        await using var cluster = await KubernetesCluster.StartAsync();
        await using var fleet = await StartAsync(cluster, isReviewed);
        fleet.StartPod("web-0", cluster.Sign(KubernetesCluster.Claims("web-0")));
        await Fleet.UntilAsync(async () => (await NamesAsync(fleet)).SequenceEqual(["web-0"]));
        Assert.Equal((isReviewed, !isReviewed), (!cluster.Reviews.IsEmpty, cluster.KeySetRequests > 0));
        if (isReviewed)
        {
            cluster.Reviews.TryPeek(out var review);
            Assert.Equal(("authentication.k8s.io/v1", "TokenReview", """["authsidecar"]"""), ((string?)review!["apiVersion"], (string?)review["kind"], review["spec"]!["audiences"]!.ToJsonString()));
        }

        // Its state was on a node that is gone: another key, and the same name, whatever the control plane believes of the one of before.
        var audit = await fleet.Audit.ListAuditRecordsAsync(new ListAuditRecordsRequest(), cancellationToken: Cancellation);
        Assert.Contains(audit.Records, r => r is { Action: "sidecars.enrol", Actor: "pod:shop/web-0" });
        Assert.True(await EnrolAsync(fleet, "web-0", cluster.Sign(KubernetesCluster.Claims("web-0"))));

        // With the namespace, where pods of several serve one application.
        Assert.False(await EnrolAsync(fleet, "shop.web-1", cluster.Sign(KubernetesCluster.Claims("web-1"))));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Token_ThatIsNotOfSuchAPod_IsRefusedAndSaidWhy(bool isReviewed)
    {
        await using var cluster = await KubernetesCluster.StartAsync();
        await using var fleet = await StartAsync(cluster, isReviewed);
        using var other = RSA.Create(2048);
        await RefusedAsync("ERROR_REASON_POD_TOKEN_REJECTED", "web-0", "a.b", "malformed JSON Web Token");
        await RefusedAsync("ERROR_REASON_POD_TOKEN_REJECTED", "web-0", "a.b.c", "malformed JSON Web Token");
        await RefusedAsync("ERROR_REASON_POD_TOKEN_REJECTED", "web-0", With(c => c.Remove("iss")), "malformed JSON Web Token, or without issuer");
        await RefusedAsync("ERROR_REASON_POD_TOKEN_REJECTED", "web-0", With(c => c["pad"] = new string('x', 20_000)), "larger than 16384 bytes");
        await RefusedAsync("ERROR_REASON_POD_TOKEN_REJECTED", "web-0", With(c => c["iss"] = "https://evil.example"), "unknown issuer `https://evil.example`");
        await RefusedAsync("ERROR_REASON_POD_TOKEN_REJECTED", "web-0", cluster.Sign(KubernetesCluster.Claims("web-0"), other), isReviewed ? "invalidated" : "SignatureInvalid");
        await RefusedAsync("ERROR_REASON_POD_TOKEN_REJECTED", "web-0", cluster.Sign(KubernetesCluster.Claims("web-0", audience: "https://kubernetes.default.svc")), isReviewed ? "audiences" : "the audience of the projected token must be `authsidecar`");
        await RefusedAsync("ERROR_REASON_POD_TOKEN_REJECTED", "web-0", With(c => c.Remove("kubernetes.io")), "not bound to a pod");
        await RefusedAsync("ERROR_REASON_POD_TOKEN_REJECTED", "web-0", With(c => c["kubernetes.io"]!.AsObject().Remove("pod")), "not bound to a pod");
        await RefusedAsync("ERROR_REASON_POD_TOKEN_REJECTED", "web-0", With(c => c["sub"] = "system:node:node-1"), "not bound to a pod");
        await RefusedAsync("ERROR_REASON_POD_TOKEN_REJECTED", "web-0", With(c => c["sub"] = "system:serviceaccount:other:documents"), "service account `documents` of namespace `other` is not listed in `serviceAccounts`");
        await RefusedAsync("ERROR_REASON_POD_TOKEN_REJECTED", "web-0", cluster.Sign(KubernetesCluster.Claims("web-0", "default")), "service account `default` of namespace `shop` is not listed in `serviceAccounts`");
        await RefusedAsync("ERROR_REASON_POD_TOKEN_REJECTED", "web-0", cluster.Sign(KubernetesCluster.Claims("web-0", "nowhere")), "unknown application `mistyped` of service account `shop/nowhere`");
        await RefusedAsync("ERROR_REASON_POD_NAME_MISMATCH", "web-1", cluster.Sign(KubernetesCluster.Claims("web-0")), "does not match the pod: use `web-0` or `shop.web-0`");
        if (isReviewed)
        {
            // Known by nobody but the API server.
            cluster.Deleted.Add("web-0");
            await RefusedAsync("ERROR_REASON_POD_TOKEN_REJECTED", "web-0", cluster.Sign(KubernetesCluster.Claims("web-0")), "service account token has been invalidated");
            // One that does not look at audiences would let tokens for anybody pass.
            cluster.Status = JsonNode.Parse("""{"authenticated": true, "user": {"username": "system:serviceaccount:shop:documents", "extra": {"authentication.kubernetes.io/pod-name": ["web-0"], "authentication.kubernetes.io/pod-uid": ["1"]}}}""")!.AsObject();
            await RefusedAsync("ERROR_REASON_POD_TOKEN_REJECTED", "web-0", cluster.Sign(KubernetesCluster.Claims("web-0")), "AudienceMismatch");
        }
        else
        {
            await RefusedAsync("ERROR_REASON_POD_TOKEN_REJECTED", "web-0", With(c => c["exp"] = 1_700_000_000), "Expired");
            await RefusedAsync("ERROR_REASON_POD_TOKEN_REJECTED", "web-0", cluster.Sign(KubernetesCluster.Claims("web-0"), header: """{"alg":"none","kid":"one"}"""), "AlgorithmNotAllowed");
            await RefusedAsync("ERROR_REASON_POD_TOKEN_REJECTED", "web-0", cluster.Sign(KubernetesCluster.Claims("web-0"), header: """{"alg":"RS256","kid":"one","typ":"at+jwt"}"""), "TypeNotAllowed");
        }

        // Whoever was removed is not in again before there is another pod.
        cluster.Deleted.Clear();
        cluster.Status = null;
        var misspelt = await Assert.ThrowsAsync<RpcException>(() => EnrolAsync(fleet, "web-0", cluster.Sign(KubernetesCluster.Claims("web-0")), application: "document"));
        Assert.Contains("is configured for application `documents`, and the sidecar serves application `document`", misspelt.Status.Detail, StringComparison.Ordinal);
        Assert.False(await EnrolAsync(fleet, "web-2", cluster.Sign(KubernetesCluster.Claims("web-2"))));
        await fleet.Sidecars.RemoveSidecarAsync(new RemoveSidecarRequest { Application = "documents", Name = "web-2" }, cancellationToken: Cancellation);
        await RefusedAsync("ERROR_REASON_SIDECAR_REMOVED", "web-2", cluster.Sign(KubernetesCluster.Claims("web-2")), "delete the pod");
        await RefusedAsync("ERROR_REASON_SIDECAR_REMOVED", "shop.web-2", cluster.Sign(KubernetesCluster.Claims("web-2")), "delete the pod");
        Assert.False(await EnrolAsync(fleet, "web-2", With(c => c["kubernetes.io"]!["pod"] = new JsonObject { ["name"] = "web-2", ["uid"] = "another" })));
        await RefusedAsync("ERROR_REASON_SIDECAR_REMOVED", "web-2", cluster.Sign(KubernetesCluster.Claims("web-2")), "delete the pod");
        Assert.Equal(["web-2"], (await fleet.Sidecars.ListSidecarsAsync(new ListSidecarsRequest(), cancellationToken: Cancellation)).Sidecars.Select(s => s.Name));
        await Fleet.UntilAsync(() => Task.FromResult(fleet.OutputOf().Any(l => l.Contains("enrolment of web-0 by unverified pod refused: service account token rejected: malformed JSON Web Token", StringComparison.Ordinal))));

        string With(Action<JsonObject> change)
        {
            var claims = KubernetesCluster.Claims("web-0");
            change(claims);
            return cluster.Sign(claims);
        }

        async Task RefusedAsync(string reason, string name, string token, string why)
        {
            var refused = await Assert.ThrowsAsync<RpcException>(() => EnrolAsync(fleet, name, token));
            Assert.Equal((StatusCode.Unauthenticated, reason), (refused.StatusCode, refused.GetRpcStatus()?.GetDetail<ErrorInfo>()?.Reason));
            Assert.Contains(why, refused.Status.Detail, StringComparison.Ordinal);
        }
    }

    /// <summary>Pods of several namespaces may serve one application, and each has its own names; nor is a name taken from who is there by a join token.</summary>
    [Fact]
    public async Task Name_OfAnotherNamespaceOrOfAJoinToken_IsNotTaken()
    {
        await using var cluster = await KubernetesCluster.StartAsync();
        var settings = cluster.Settings(isReviewed: false);
        settings["serviceAccounts"]!.AsArray().Add(new JsonObject { ["namespace"] = "staging", ["name"] = "documents", ["application"] = "documents" });
        await using var fleet = await StartAsync(settings);
        Assert.False(await EnrolAsync(fleet, "web-0", cluster.Sign(KubernetesCluster.Claims("web-0"))));
        var other = KubernetesCluster.Claims("web-0");
        (other["sub"], other["kubernetes.io"]!["namespace"], other["kubernetes.io"]!["pod"]!["uid"]) = ("system:serviceaccount:staging:documents", "staging", "of another");
        var refused = await Assert.ThrowsAsync<RpcException>(() => EnrolAsync(fleet, "web-0", cluster.Sign(other)));
        Assert.Equal((StatusCode.AlreadyExists, "ERROR_REASON_NAME_IN_USE"), (refused.StatusCode, refused.GetRpcStatus()?.GetDetail<ErrorInfo>()?.Reason));
        Assert.Contains("use `--name staging.web-0`", refused.Status.Detail, StringComparison.Ordinal);
        Assert.False(await EnrolAsync(fleet, "staging.web-0", cluster.Sign(other)));

        await fleet.JoinAsync("one", (await fleet.Sidecars.CreateJoinTokenAsync(new CreateJoinTokenRequest { Application = "documents" }, cancellationToken: Cancellation)).Token);
        await Assert.ThrowsAsync<RpcException>(() => EnrolAsync(fleet, "one", cluster.Sign(KubernetesCluster.Claims("one"))));
    }

    /// <summary>A certificate that was copied out of a pod is good for a day, and no longer than the pod.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Renew_WithoutTheTokenOfThePod_IsRefused(bool isReviewed)
    {
        await using var cluster = await KubernetesCluster.StartAsync();
        await using var fleet = await StartAsync(cluster, isReviewed);
        var token = cluster.Sign(KubernetesCluster.Claims("web-0"));
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var channel = Connect(fleet, certificate: null);
        var enrolled = await new EnrolmentService.EnrolmentServiceClient(channel).EnrolAsync(new EnrolRequest { Name = "web-0", KubernetesToken = token, CertificateRequest = RequestFor(key) }, cancellationToken: Cancellation);
        using var certificate = X509Certificate2.CreateFromPem(enrolled.Certificate).CopyWithPrivateKey(key);
        await RefusedAsync("");
        await RefusedAsync(cluster.Sign(KubernetesCluster.Claims("web-1")));
        await RefusedAsync(cluster.Sign(KubernetesCluster.Claims("web-0", "default")));
        if (isReviewed)
        {
            cluster.Deleted.Add("web-0");
            await RefusedAsync(token);
            cluster.Deleted.Clear();
        }

        Assert.NotEmpty((await RenewAsync(token)).Certificate);

        async Task RefusedAsync(string shown)
        {
            var refused = await Assert.ThrowsAsync<RpcException>(() => RenewAsync(shown));
            Assert.Equal((StatusCode.Unauthenticated, "ERROR_REASON_POD_TOKEN_REJECTED"), (refused.StatusCode, refused.GetRpcStatus()?.GetDetail<ErrorInfo>()?.Reason));
        }

        async Task<RenewResponse> RenewAsync(string shown)
        {
            using var next = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            using var own = Connect(fleet, certificate);
            return await new EnrolmentService.EnrolmentServiceClient(own).RenewAsync(new RenewRequest { CertificateRequest = RequestFor(next), KubernetesToken = shown }, cancellationToken: Cancellation);
        }
    }

    [Fact]
    public async Task Cluster_ThatTurnsItsKeyOrIsAway_IsFollowedAndIsNoReasonToRefuseForGood()
    {
        await using var cluster = await KubernetesCluster.StartAsync();
        cluster.IsDown = true;
        await using var fleet = await StartAsync(cluster, isReviewed: false);
        var away = await Assert.ThrowsAsync<RpcException>(() => EnrolAsync(fleet, "web-0", cluster.Sign(KubernetesCluster.Claims("web-0"))));
        Assert.Equal((StatusCode.Unavailable, $"failed to fetch the key set `{cluster.Address}/openid/v1/jwks`: HTTP status 503"), (away.StatusCode, away.Status.Detail));
        cluster.IsDown = false;
        // It is not asked again at once, whoever comes.
        await UntilEnrolledAsync(fleet, "web-0", cluster.Sign(KubernetesCluster.Claims("web-0")));
        // Verified with what is in memory.
        cluster.IsDown = true;
        Assert.False(await EnrolAsync(fleet, "web-1", cluster.Sign(KubernetesCluster.Claims("web-1"))));
        cluster.IsDown = false;
        var asked = cluster.KeySetRequests;
        cluster.Rotate();
        await UntilEnrolledAsync(fleet, "web-2", cluster.Sign(KubernetesCluster.Claims("web-2")));
        Assert.Equal(asked + 1, cluster.KeySetRequests);
    }

    [Theory]
    [InlineData("""{"clusters": []}""", "clusters: required, must not be empty")]
    [InlineData("""{"clusters": [{"issuer": "x", "serviceAccounts": []}]}""", "clusters[0].keySet, tokenReview: specify exactly one")]
    [InlineData("""{"clusters": [{"issuer": "x", "keySet": "http://x/jwks", "serviceAccounts": []}]}""", "clusters[0].keySet: expected an `https:` URL or an existing file")]
    [InlineData("""{"clusters": [{"issuer": "x", "keySet": "https://x", "ca": "/nowhere", "serviceAccounts": []}]}""", "clusters[0].ca: the file `/nowhere` does not exist")]
    [InlineData("""{"clusters": [{"issuer": "x", "keySet": "https://x", "serviceAccounts": []}]}""", "clusters[0].serviceAccounts: required, must not be empty")]
    [InlineData("""{"clusters": [{"issuer": "x", "keySet": "https://x", "serviceAccounts": [{"namespace": "*", "name": "a", "application": "documents"}]}]}""", "clusters[0].serviceAccounts[0].namespace: invalid Kubernetes namespace name (wildcards are not supported)")]
    [InlineData("""{"clusters": [{"issuer": "x", "keySet": "https://x", "serviceAccounts": [{"namespace": "a", "name": "a", "application": "authsidecar"}]}]}""", "clusters[0].serviceAccounts[0].application: invalid application name")]
    [InlineData("""{"clusters": [{"issuer": "x", "keySet": "https://x", "serviceAccounts": [{"namespace": "a", "name": "a", "aplication": "documents"}]}]}""", "aplication")]
    [InlineData("""{"clusters": [{"issuer": "x", "issuer": "y", "keySet": "https://x", "serviceAccounts": []}]}""", "issuer")]
    [InlineData("""{"clusters": [null]}""", "null")]
    [InlineData("{", ":1:2: unexpected end of file: the JSON is incomplete")]
    [InlineData("""{"cluster": []}""", ":1:2: at `$.cluster`: unknown field; did you mean `clusters`?")]
    public async Task File_ThatCannotBeUsed_EndsTheStartWithOneLine(string json, string fault)
    {
        var folder = Directory.CreateTempSubdirectory("clusters").FullName;
        var file = Path.Combine(folder, "clusters.json");
        await File.WriteAllTextAsync(file, json, Cancellation);
        var ended = await Binary.RunControlAsync("serve", "--state", Path.Combine(folder, "state"), "--admin-socket", Path.Combine(folder, "s"), "--listen", "127.0.0.1:0", "--name", "x", "--join-kubernetes", file);
        Assert.Equal((2, ""), (ended.ExitCode, ended.Output));
        Assert.StartsWith($"authsidecar-control: `{file}`:", ended.Error, StringComparison.Ordinal);
        Assert.Contains(fault, ended.Error, StringComparison.Ordinal);
        Assert.Equal(1, ended.Error.Count(c => c == '\n'));
        Directory.Delete(folder, recursive: true);
    }

    /// <summary>A map of Kubernetes' is replaced while we run.</summary>
    [Fact]
    public async Task File_ThatChanges_IsReadAgain_AndOneThatIsWrongChangesNothing()
    {
        await using var cluster = await KubernetesCluster.StartAsync();
        await using var fleet = await StartAsync(cluster, isReviewed: false);
        var token = cluster.Sign(KubernetesCluster.Claims("web-0", "later"));
        await Assert.ThrowsAsync<RpcException>(() => EnrolAsync(fleet, "web-0", token));
        await File.WriteAllTextAsync(fleet.In("clusters.json"), """{"clusters": [""", Cancellation);
        await Fleet.UntilAsync(() => Task.FromResult(fleet.OutputOf().Any(l => l.Contains("failed to reload cluster configuration ", StringComparison.Ordinal))));
        Assert.False(await EnrolAsync(fleet, "web-1", cluster.Sign(KubernetesCluster.Claims("web-1"))));
        var settings = cluster.Settings(isReviewed: false);
        settings["serviceAccounts"]!.AsArray().Add(new JsonObject { ["namespace"] = "shop", ["name"] = "later", ["application"] = "documents" });
        await File.WriteAllTextAsync(fleet.In("clusters.json"), new JsonObject { ["clusters"] = new JsonArray(settings) }.ToJsonString(), Cancellation);
        await UntilEnrolledAsync(fleet, "web-0", token);
    }

    [Theory]
    [InlineData("`--join-kubernetes` requires `--ca`", "--join-kubernetes", "token")]
    [InlineData("`--join-kubernetes` excludes `--join-token`", "--join-kubernetes", "token", "--ca", "ca.pem", "--join-token", "token")]
    [InlineData("`--join-token` excludes `--ca`", "--join-token", "token", "--ca", "ca.pem")]
    [InlineData("the file `/nowhere/token` does not exist", "--join-kubernetes", "/nowhere/token", "--ca", "/nowhere/ca.pem")]
    public async Task Options_ThatDoNotGoTogether_AreRefused(string fault, params string[] arguments)
    {
        var ended = await Binary.RunAsync(["serve", "--control-plane", "https://127.0.0.1:1", "--application", "documents", "--state", "/tmp/none", "--socket", "none", "--listen", "127.0.0.1:0", .. arguments]);
        Assert.Equal(2, ended.ExitCode);
        Assert.StartsWith($"authsidecar: {fault}", ended.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Option_ThatIsEmpty_IsRefused()
    {
        var ended = await Binary.RunAsync("serve", "--control-plane", "https://127.0.0.1:1", "--application", "documents", "--state", "/tmp/none", "--join-kubernetes", "", "--ca", "ca.pem");
        Assert.Equal((2, true), (ended.ExitCode, ended.Error.StartsWith("authsidecar serve: `--join-kubernetes` is empty; see `authsidecar serve --help`\n", StringComparison.Ordinal)));
    }

    private static Task<Fleet> StartAsync(KubernetesCluster cluster, bool isReviewed) => StartAsync(cluster.Settings(isReviewed));

    private static async Task<Fleet> StartAsync(JsonObject settings)
    {
        var fleet = await Fleet.StartAsync(ownCa: true);
        await fleet.CreateApplicationAsync();
        fleet.KillControlPlane();
        await File.WriteAllTextAsync(fleet.In("clusters.json"), new JsonObject { ["clusters"] = new JsonArray(settings) }.ToJsonString(), Cancellation);
        await fleet.StartControlPlaneAsync(0, "--join-kubernetes", fleet.In("clusters.json"));
        return fleet;
    }

    private static Task UntilEnrolledAsync(Fleet fleet, string name, string token) => Fleet.UntilAsync(async () =>
    {
        try
        {
            return !await EnrolAsync(fleet, name, token);
        }
        catch (RpcException e) when (e.StatusCode is StatusCode.Unavailable or StatusCode.Unauthenticated)
        {
            return false;
        }
    });

    /// <returns>Whether another of the name was replaced.</returns>
    private static async Task<bool> EnrolAsync(Fleet fleet, string name, string token, string application = "")
    {
        using var channel = Connect(fleet, certificate: null);
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var response = await new EnrolmentService.EnrolmentServiceClient(channel).EnrolAsync(
            new EnrolRequest { Name = name, Application = application, KubernetesToken = token, CertificateRequest = RequestFor(key) }, cancellationToken: Cancellation);
        using var certificate = X509Certificate2.CreateFromPem(response.Certificate);
        return response.ReplacedEnrolledAt is not null;
    }

    private static GrpcChannel Connect(Fleet fleet, X509Certificate2? certificate)
    {
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        policy.CustomTrustStore.ImportFromPemFile(fleet.CaFile);
        var tls = new SslClientAuthenticationOptions { CertificateChainPolicy = policy, ClientCertificates = certificate is null ? null : [X509CertificateLoader.LoadPkcs12(certificate.Export(X509ContentType.Pkcs12), null)] };
        return GrpcChannel.ForAddress(fleet.Addresses[0], new GrpcChannelOptions { HttpHandler = new SocketsHttpHandler { SslOptions = tls }, DisposeHttpClient = true });
    }

    private static string RequestFor(ECDsa key) => new CertificateRequest("CN=x", key, HashAlgorithmName.SHA256).CreateSigningRequestPem();

    private static async Task<IReadOnlyList<string>> NamesAsync(Fleet fleet) =>
        [.. (await fleet.Sidecars.ListSidecarsAsync(new ListSidecarsRequest { State = SidecarState.Current }, cancellationToken: Cancellation)).Sidecars.Select(s => s.Name)];
}
