namespace AuthSidecar.ControlPlane.Sidecars.Enrolment.Kubernetes;

/// <summary>A pod, as authenticated by its cluster.</summary>
/// <param name="Cluster">The issuer of its cluster.</param>
/// <param name="Namespace">Its namespace.</param>
/// <param name="ServiceAccount">Its service account.</param>
/// <param name="Name">Its name: unique in the namespace at any one time.</param>
/// <param name="Uid">Its UID: unique for ever.</param>
internal sealed record Pod(string Cluster, string Namespace, string ServiceAccount, string Name, string Uid)
{
    private const string Prefix = "system:serviceaccount:";

    public PodKey Key => new(Uid, $"{Cluster} {Namespace}");
    public override string ToString() => $"{Namespace}/{Name}";

    /// <summary>Reads a pod from the user name of its service account (`system:serviceaccount:NAMESPACE:NAME`); null: not a service
    /// account, or not bound to a pod.</summary>
    public static Pod? TryCreate(string cluster, string? user, string? name, string? uid) =>
        user is not null && user.StartsWith(Prefix, StringComparison.Ordinal)
            && user[Prefix.Length..].Split(':') is [{ Length: > 0 } space, { Length: > 0 } account] && name is { Length: > 0 }
            && uid is { Length: > 0 }
            ? new Pod(cluster, space, account, name, uid)
            : null;
}

/// <summary>The result of verifying a service account token.</summary>
/// <param name="Pod">The pod that the token is bound to; null: the token is rejected.</param>
/// <param name="Binding">The application that the pod serves; null: the token is rejected.</param>
/// <param name="Refusal">Why the token is rejected; null: it is accepted.</param>
/// <param name="IsUnavailable">Whether the token could not be verified because the cluster did not answer.</param>
internal sealed record PodTokenResult(Pod? Pod, ServiceAccountBinding? Binding, string? Refusal, bool IsUnavailable = false)
{
    public static PodTokenResult Refuse(string why) => new(null, null, why);
    public static PodTokenResult Unavailable(string why) => new(null, null, why, IsUnavailable: true);
}
