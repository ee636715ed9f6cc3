using System.Text.Json.Serialization.Metadata;

namespace AuthSidecar.ControlPlane.Sidecars.Enrolment.Kubernetes;

/// <summary>The clusters whose pods enrol with their service account tokens: the file of `--join-kubernetes`.</summary>
/// <param name="Clusters">At least one.</param>
internal sealed record ClusterFile(IReadOnlyList<ClusterSettings> Clusters)
{
    private const int MaxBytes = 1024 * 1024;

    private static readonly JsonSerializerOptions Json = new(JsonSerializerOptions.Strict)
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        TypeInfoResolver = new DefaultJsonTypeInfoResolver(),
    };

    /// <exception cref="InvalidDataException">The file is invalid, and why.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static ClusterFile Read(string path)
    {
        if (new FileInfo(path).Length > MaxBytes)
            throw new InvalidDataException($"`{path}` is larger than {MaxBytes} bytes");

        var utf8 = File.ReadAllBytes(path);
        try
        {
            var file = JsonSerializer.Deserialize<ClusterFile>(utf8, Json)
                ?? throw new InvalidDataException($"`{path}` is null: expected an object");
            return file.Faults().FirstOrDefault() is { } fault ? throw new InvalidDataException($"`{path}`: {fault}") : file;
        }
        catch (JsonException e)
        {
            throw new InvalidDataException(JsonFaults.Of(e, $"`{path}`", utf8, Json.GetTypeInfo(typeof(ClusterFile)), Json).ToString(), e);
        }
    }

    private IEnumerable<string> Faults()
    {
        if (Clusters.Count == 0)
            yield return "clusters: required, must not be empty";

        // The serializer does not check the elements of collections for null.
        if (Clusters.Any(c => c is null || c.ServiceAccounts.Any(a => a is null)))
        {
            yield return "clusters: null elements are not allowed, nor in serviceAccounts";
            yield break;
        }

        foreach (var (index, cluster) in Clusters.Index())
        {
            foreach (var fault in cluster.Faults())
                yield return $"clusters[{index}].{fault}";
        }

        if (Clusters.GroupBy(c => c.Issuer, StringComparer.Ordinal).FirstOrDefault(g => g.Count() > 1) is { } twice)
            yield return $"clusters: duplicate issuer `{twice.Key}`; each cluster needs its own `--service-account-issuer`";
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

    /// <summary>Its key set (a file, or the address of one): tokens are verified here. Null: it is asked about each
    /// (<see cref="TokenReview"/>).</summary>
    public string? KeySet { get; init; }

    /// <summary>The address of its TokenReview API, which also knows of pods that are gone. Null: tokens are verified here
    /// (<see cref="KeySet"/>).</summary>
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
            yield return "issuer: required, must not be empty";

        if (Audience.Length == 0)
            yield return "audience: must not be empty";

        if (KeySet is null == TokenReview is null)
            yield return "keySet, tokenReview: specify exactly one";

        if (TokenReview is not null && !RequestChecks.IsHttps(TokenReview))
        {
            yield return "tokenReview: expected an `https:` URL, such as "
                + "https://kubernetes.default.svc/apis/authentication.k8s.io/v1/tokenreviews";
        }

        if (KeySet is not null && !RequestChecks.IsHttps(KeySet)
            && (KeySet.Contains("://", StringComparison.Ordinal) || !File.Exists(KeySet)))
        {
            yield return $"keySet: expected an `https:` URL or an existing file: `{KeySet}`";
        }

        foreach (var (member, path) in new[] { ("ca", Ca), ("tokenFile", TokenFile) })
        {
            if (path is not null && !File.Exists(path))
                yield return $"{member}: the file `{path}` does not exist";
        }

        if (ServiceAccounts.Count == 0)
            yield return "serviceAccounts: required, must not be empty";

        foreach (var (index, account) in ServiceAccounts.Index())
        {
            if (account.Fault() is { } fault)
                yield return $"serviceAccounts[{index}].{fault}";
        }

        if (ServiceAccounts.GroupBy(a => (a.Namespace, a.Name)).FirstOrDefault(g => g.Count() > 1) is { } twice)
            yield return $"serviceAccounts: duplicate service account `{twice.Key.Namespace}/{twice.Key.Name}`";
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
        !Label().IsMatch(Namespace) ? "namespace: invalid Kubernetes namespace name (wildcards are not supported)"
        : !Label().IsMatch(Name) ? "name: invalid Kubernetes service account name (wildcards are not supported)"
        : !RequestChecks.IsName(Application) || Application == Placement.ControlPlaneApplication ? "application: invalid application name"
        : Tenant.Length > 0 && !RequestChecks.IsName(Tenant) ? "tenant: invalid tenant name"
        : null;

    /// <summary>A DNS subdomain (RFC 1123), as Kubernetes has names.</summary>
    [GeneratedRegex(@"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\z")]
    private static partial Regex Label();
}
