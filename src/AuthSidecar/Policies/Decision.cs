namespace AuthSidecar.Policies;

/// <summary>What the caller is to do. The default denies.</summary>
internal enum Decision
{
    Deny = 0,
    Allow,
    StepUp,
}
