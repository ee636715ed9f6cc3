using System.Text.Json;
using System.Text.RegularExpressions;
using AuthSidecar.ControlPlane.Administration;
using AuthSidecar.ControlPlane.Publications;

namespace AuthSidecar.ControlPlane.Enrolment.Kubernetes;

/// <summary>The clusters whose pods enrol with their service account tokens: the file of `--join-kubernetes`.</summary>
/// <param name="Clusters">At least one.</param>
internal sealed record ClusterFile(IReadOnlyList<ClusterSettings> Clusters)
{
    private const int MaxBytes = 1024 * 1024;

    private static readonly JsonSerializerOptions Json = new(JsonSerializerOptions.Strict) { PropertyNamingPolicy = JsonNamingPolicy.CamelCase };

    /// <exception cref="InvalidDataException">It is not such a file, and why.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static ClusterFile Read(string path)
    {
        try
        {
            if (new FileInfo(path).Length > MaxBytes)
            {
                throw new InvalidDataException($"`{path}` is larger than {MaxBytes} bytes");
            }

            var file = JsonSerializer.Deserialize<ClusterFile>(File.ReadAllBytes(path), Json) ?? throw new InvalidDataException($"`{path}` is empty");
            return file.Faults().FirstOrDefault() is { } fault ? throw new InvalidDataException($"`{path}`: {fault}") : file;
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"`{path}`: {e.Message}", e);
        }
    }

    private IEnumerable<string> Faults()
    {
        if (Clusters.Count == 0)
        {
            yield return "clusters: at least one is required";
        }

        // Said by nobody else: of lists the serializer takes what is in them.
        if (Clusters.Any(c => c is null || c.ServiceAccounts.Any(a => a is null)))
        {
            yield return "clusters: one of them, or of their serviceAccounts, is null";
            yield break;
        }

        foreach (var (index, cluster) in Clusters.Index())
        {
            foreach (var fault in cluster.Faults())
            {
                yield return $"clusters[{index}].{fault}";
            }
        }

        if (Clusters.GroupBy(c => c.Issuer, StringComparer.Ordinal).FirstOrDefault(g => g.Count() > 1) is { } twice)
        {
            yield return $"clusters: two have the issuer `{twice.Key}` (`--service-account-issuer` of the API server): tokens would not say of which they are";
        }
    }
}

/// <summary>A cluster, and which of its service accounts are for which application.</summary>
internal sealed partial record ClusterSettings
{
    public const string DefaultAudience = "authsidecar";

    /// <summary>The issuer of its tokens (`iss`).</summary>
    public required string Issuer { get; init; }

    /// <summary>The audience that tokens must be for.</summary>
    public string Audience { get; init; } = DefaultAudience;

    /// <summary>Its key set (a file, or the address of one): tokens are verified here. Null: it is asked about each (<see cref="TokenReview"/>).</summary>
    public string? KeySet { get; init; }

    /// <summary>The address of its TokenReview API, which also knows of pods that are gone. Null: tokens are verified here (<see cref="KeySet"/>).</summary>
    public string? TokenReview { get; init; }

    /// <summary>The CA of the API server's certificate, in PEM. Null: those that the machine trusts.</summary>
    public string? Ca { get; init; }

    /// <summary>The file with the token that the API server is asked with; read each time. Null: it is asked without.</summary>
    public string? TokenFile { get; init; }

    public required IReadOnlyList<ServiceAccountBinding> ServiceAccounts { get; init; }

    public bool IsReviewed => TokenReview is not null;

    public IEnumerable<string> Faults()
    {
        if (Issuer.Length == 0)
        {
            yield return "issuer: it is required";
        }

        if (Audience.Length == 0)
        {
            yield return "audience: it is empty; a token for anybody would be one of the API server's own";
        }

        if (KeySet is null == TokenReview is null)
        {
            yield return "keySet, tokenReview: exactly one is required";
        }

        if (TokenReview is not null && !RequestChecks.IsHttps(TokenReview))
        {
            yield return "tokenReview: expected an `https:` address, such as https://kubernetes.default.svc/apis/authentication.k8s.io/v1/tokenreviews";
        }

        if (KeySet is not null && !RequestChecks.IsHttps(KeySet) && (KeySet.Contains("://", StringComparison.Ordinal) || !File.Exists(KeySet)))
        {
            yield return $"keySet: expected an `https:` address or a file; `{KeySet}` is neither";
        }

        foreach (var (member, path) in new[] { ("ca", Ca), ("tokenFile", TokenFile) })
        {
            if (path is not null && !File.Exists(path))
            {
                yield return $"{member}: the file `{path}` does not exist";
            }
        }

        if (ServiceAccounts.Count == 0)
        {
            yield return "serviceAccounts: at least one is required";
        }

        foreach (var (index, account) in ServiceAccounts.Index())
        {
            if (account.Fault() is { } fault)
            {
                yield return $"serviceAccounts[{index}].{fault}";
            }
        }

        if (ServiceAccounts.GroupBy(a => (a.Namespace, a.Name)).FirstOrDefault(g => g.Count() > 1) is { } twice)
        {
            yield return $"serviceAccounts: `{twice.Key.Name}` of namespace `{twice.Key.Namespace}` has two applications";
        }
    }
}

/// <summary>The application, and tenant, that pods of a service account serve.</summary>
internal sealed partial record ServiceAccountBinding
{
    public required string Namespace { get; init; }

    public required string Name { get; init; }

    public required string Application { get; init; }

    /// <summary>Empty: all tenants.</summary>
    public string Tenant { get; init; } = "";

    public string? Fault() =>
        !Label().IsMatch(Namespace) ? "namespace: expected the name of a namespace; there are no wildcards"
        : !Label().IsMatch(Name) ? "name: expected the name of a service account; there are no wildcards"
        : !RequestChecks.IsName(Application) || Application == BuiltInPolicies.Application ? "application: expected the name of an application"
        : Tenant.Length > 0 && !RequestChecks.IsName(Tenant) ? "tenant: expected the name of a tenant"
        : null;

    /// <summary>A DNS subdomain (RFC 1123), as Kubernetes has names.</summary>
    [GeneratedRegex(@"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\z")]
    private static partial Regex Label();
}
