namespace AuthSidecar.ControlPlane.Sidecars.Enrolment;

/// <summary>A pod, as far as a registry goes.</summary>
/// <param name="Uid">What no other pod ever has.</param>
/// <param name="Namespace">Its cluster and namespace.</param>
internal sealed record PodKey(string Uid, string Namespace);

/// <summary>Why a sidecar is not enrolled.</summary>
internal enum EnrolmentRefusal
{
    TokenUnknown,
    TokenExpired,
    TokenUsedUp,
    TokenOfAnotherName,
    TokenOfAnotherPlacement,
    NameInUse,
    SidecarRemoved,
    NoKey,
}

/// <summary>A certificate, or why there is none.</summary>
/// <param name="Certificate">In PEM.</param>
/// <param name="ReplacedAt">When the sidecar had enrolled whose name this one has now; null: there was none.</param>
/// <param name="Refusal">Why there is none.</param>
internal sealed record EnrolmentResult(string Certificate, DateTimeOffset? ReplacedAt, EnrolmentRefusal? Refusal)
{
    public bool IsIssued => Refusal is null;
    public static EnrolmentResult Issue(string certificate, DateTimeOffset? replacedAt) => new(certificate, replacedAt, null);
    public static EnrolmentResult Refuse(EnrolmentRefusal refusal) => new("", null, refusal);
}
