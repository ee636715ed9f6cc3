namespace AuthSidecar.ControlPlane.Enrolment.Kubernetes;

/// <summary>A pod, as its cluster vouches for it.</summary>
/// <param name="Cluster">The issuer of its cluster.</param>
/// <param name="Namespace">Its namespace.</param>
/// <param name="ServiceAccount">Its service account.</param>
/// <param name="Name">Its name, which no other pod of the namespace has at the time.</param>
/// <param name="Uid">What no other pod ever has.</param>
internal sealed record Pod(string Cluster, string Namespace, string ServiceAccount, string Name, string Uid)
{
    private const string Prefix = "system:serviceaccount:";

    public PodKey Key => new(Uid, $"{Cluster} {Namespace}");

    public override string ToString() => $"{Namespace}/{Name}";

    /// <summary>A pod by the user name of its service account; null: it is none.</summary>
    public static Pod? TryCreate(string cluster, string? user, string? name, string? uid) =>
        user is not null && user.StartsWith(Prefix, StringComparison.Ordinal) && user[Prefix.Length..].Split(':') is [{ Length: > 0 } space, { Length: > 0 } account] && name is { Length: > 0 } && uid is { Length: > 0 }
            ? new Pod(cluster, space, account, name, uid)
            : null;
}

/// <summary>What a service account token is worth.</summary>
/// <param name="Pod">Whose it is; null: nobody's.</param>
/// <param name="Binding">What the pod serves; null: the token is nobody's.</param>
/// <param name="Refusal">Why it is nobody's.</param>
/// <param name="IsUnavailable">Whether nobody could be asked: it may be good.</param>
internal sealed record PodTokenResult(Pod? Pod, ServiceAccountBinding? Binding, string? Refusal, bool IsUnavailable = false)
{
    public static PodTokenResult Refuse(string why) => new(null, null, why);

    public static PodTokenResult Unavailable(string why) => new(null, null, why, IsUnavailable: true);
}
