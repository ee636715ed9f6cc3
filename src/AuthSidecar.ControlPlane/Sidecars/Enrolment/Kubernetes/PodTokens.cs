using AuthSidecar.Tokens;
using Microsoft.IdentityModel.JsonWebTokens;

namespace AuthSidecar.ControlPlane.Sidecars.Enrolment.Kubernetes;

/// <summary>Verifies the service account tokens of pods: by the key set of their cluster, as the OpenID Connect tokens that they are, or by
/// asking the cluster (TokenReview). Only tokens that are bound to a pod count, such as those that are projected into one.</summary>
internal sealed partial class PodTokens : IDisposable
{
    private const int MaxTokenBytes = TokenLimits.DefaultMaxBytes;

    private readonly WatchedFiles<IReadOnlyDictionary<string, Cluster>>? _clusters;
    private readonly TokenValidator _validator;
    private readonly TimeProvider _time;

    /// <param name="file">The file of `--join-kubernetes`; null: service account tokens are not accepted.</param>
    /// <param name="validator">Verifies tokens.</param>
    /// <param name="logger">Logs reloads that fail.</param>
    /// <exception cref="InvalidDataException">The file is invalid, and why.</exception>
    public PodTokens(string? file, TokenValidator validator, TimeProvider time, ILogger<PodTokens> logger)
    {
        (_validator, _time) = (validator, time);
        // A ConfigMap changes while the process runs; a half-written or invalid file changes nothing.
        _clusters = file is null ? null : new WatchedFiles<IReadOnlyDictionary<string, Cluster>>(
            [file],
            () => ClusterFile.Read(file).Clusters.ToDictionary(c => c.Issuer, c => new Cluster(c, new ClusterApi(c, time, logger)),
                StringComparer.Ordinal),
            e => Log.NotRead(logger, file, e.Message)).Watch();
    }

    public bool IsConfigured => _clusters is not null;

    public async Task<PodTokenResult> VerifyAsync(string token, CancellationToken cancellation)
    {
        // Not verified yet: it only selects the cluster that verifies the token, and no other cluster does.
        if (token.Length > MaxTokenBytes)
            return PodTokenResult.Refuse($"larger than {MaxTokenBytes} bytes");

        if (ReadIssuer(token) is not { Length: > 0 } issuer)
            return PodTokenResult.Refuse("malformed JSON Web Token, or without issuer");

        if (_clusters?.Current.GetValueOrDefault(issuer) is not { } cluster)
            return PodTokenResult.Refuse($"unknown issuer `{issuer}`: not configured in the `--join-kubernetes` file");

        Pod? pod;
        string? refusal;
        try
        {
            (pod, refusal) = cluster.Settings.IsReviewed ? await cluster.Api.ReviewAsync(token, cancellation)
                : await VerifyAsync(cluster, token, cancellation);
        }
        catch (ClusterUnavailableException e)
        {
            return PodTokenResult.Unavailable(e.Message);
        }

        if (pod is null)
            return PodTokenResult.Refuse(refusal ?? "not bound to a pod: use a projected volume (`serviceAccountToken`)");

        return cluster.Settings.ServiceAccounts.FirstOrDefault(
            a => a.Namespace == pod.Namespace && a.Name == pod.ServiceAccount) is { } binding
            ? new PodTokenResult(pod, binding, null)
            : PodTokenResult.Refuse(
                $"service account `{pod.ServiceAccount}` of namespace `{pod.Namespace}` is not listed in `serviceAccounts` of the "
                    + "`--join-kubernetes` file");
    }

    public void Dispose() => _clusters?.Dispose();

    private async Task<(Pod? Pod, string? Refusal)> VerifyAsync(Cluster cluster, string token, CancellationToken cancellation)
    {
        var result = Validate(cluster, token, await cluster.Api.KeysAsync(renew: false, cancellation));
        if (result.Error == TokenRejection.KeyUnknown)
        {
            // The cluster may have rotated its keys.
            result = Validate(cluster, token, await cluster.Api.KeysAsync(renew: true, cancellation));
        }

        if (!result.IsValid)
        {
            var detail = result.Detail is { } why ? $" ({why})" : "";
            return (null, result.Error == TokenRejection.AudienceMismatch
                ? $"{result.Error}{detail}: the audience of the projected token must be `{cluster.Settings.Audience}`"
                : $"{result.Error}{detail}");
        }

        using var claims = result.Token.ParseClaims();
        if (!claims.RootElement.TryGetProperty("kubernetes.io", out var kubernetes) || kubernetes.ValueKind != JsonValueKind.Object
            || !kubernetes.TryGetProperty("pod", out var pod) || pod.ValueKind != JsonValueKind.Object)
        {
            return (null, null);
        }

        return (Pod.TryCreate(cluster.Settings.Issuer, result.Token.Subject, TextOf(pod, "name"), TextOf(pod, "uid")), null);
    }

    private TokenResult Validate(Cluster cluster, string token, KeySet keys)
    {
        // Issuer, audience and the pod claim tell service account tokens from other kinds of tokens.
        var issuer = new Issuer
        {
            Name = cluster.Settings.Issuer,
            Keys = keys,
            Audiences = FrozenSet.Create(StringComparer.Ordinal, cluster.Settings.Audience),
            Types = FrozenSet.Create(StringComparer.Ordinal, "jwt"),
            IsTypeOptional = true,
            ClockSkew = Issuer.MaxClockSkew,
        };
        return _validator.Validate(new PresentedToken { Token = new Secret(token) }, new IssuerSet([issuer]), Tokens.Revocations.None,
            _time.GetUtcNow());
    }

    private static string? TextOf(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static string? ReadIssuer(string token)
    {
        try
        {
            return new JsonWebToken(token).Issuer;
        }
        catch (ArgumentException)
        {
            return null;
        }
    }

    private sealed record Cluster(ClusterSettings Settings, ClusterApi Api);

    private static partial class Log
    {
        [LoggerMessage(34, LogLevel.Error, "failed to reload cluster configuration {File}, using the previous one: {Error}",
            EventName = "ClustersReloadFailed")]
        public static partial void NotRead(ILogger logger, string file, string error);
    }
}
