using AuthSidecar.ControlPlane.Sidecars.Fleet;
using AuthSidecar.ControlPlane.V1;

namespace AuthSidecar.ControlPlane.Sidecars.Sync;

/// <summary>The limits of what a sidecar sends: it may be older or newer than the control plane, or not one at all.</summary>
internal static class SyncRequestChecks
{
    private const int MaxVersionLength = 64;
    private const int MaxPinnedKeys = 16;
    private const int MaxFaults = 20;
    private const int MaxFaultLength = 4_096;
    private const int MaxProblems = 8;
    private const int MaxProblemLength = 512;

    public static void Subscribe(Subscribe subscribe)
    {
        if (subscribe.Version.Length > MaxVersionLength || subscribe.Instance.Length > MaxVersionLength)
            throw ApiErrors.ProtocolViolation($"`version` and `instance` must have at most {MaxVersionLength} characters");

        PinnedKeys(subscribe.PinnedKeys);
    }

    public static void Ack(Ack ack)
    {
        Type(ack.Type);
        RevisionLength(ack.Revision);
    }

    public static void Nack(Nack nack)
    {
        if (nack.Type != DataType.Unspecified)
            Type(nack.Type);

        RevisionLength(nack.Revision);
        if (nack.Faults.Count > MaxFaults || nack.Faults.Any(f => f.Length > MaxFaultLength))
            throw ApiErrors.ProtocolViolation($"`nack` must have at most {MaxFaults} faults of at most {MaxFaultLength} characters");
    }

    private static void PinnedKeys(IReadOnlyCollection<string> ids)
    {
        if (ids.Count > MaxPinnedKeys || ids.Any(k => k.Length > MaxVersionLength))
        {
            throw ApiErrors.ProtocolViolation(
                $"`pinned_keys` must have at most {MaxPinnedKeys} ids of at most {MaxVersionLength} characters");
        }
    }

    private static void RevisionLength(string revision)
    {
        if (revision.Length > Revision.MaxLength)
            throw ApiErrors.ProtocolViolation($"`revision` must have at most {Revision.MaxLength} characters");
    }

    public static void Status(SidecarStatus status)
    {
        foreach (var type in status.Types_)
            RevisionLength(type.Revision);

        PinnedKeys(status.PinnedKeys);
        if (status.Problems.Count > MaxProblems || status.Problems.Any(p => p.Length > MaxProblemLength)
            || status.Types_.Count > RevisionVector.Types.Count || status.Revision.Length > Revision.MaxLength)
        {
            throw ApiErrors.ProtocolViolation(
                $"`status` must have at most {MaxProblems} problems of at most {MaxProblemLength} characters, and each data type once");
        }
    }

    public static void Type(DataType type)
    {
        if (!RevisionVector.Types.Contains(type))
            throw ApiErrors.ProtocolViolation($"unknown data type {(int)type}");
    }
}
