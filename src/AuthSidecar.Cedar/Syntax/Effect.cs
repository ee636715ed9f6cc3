namespace AuthSidecar.Cedar;

/// <summary>What a policy does when it is satisfied. The default forbids.</summary>
public enum Effect
{
    /// <summary>The request is denied, whatever is permitted elsewhere.</summary>
    Forbid = 0,

    /// <summary>The request is allowed, unless something forbids it.</summary>
    Permit = 1,
}
