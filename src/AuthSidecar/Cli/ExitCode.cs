namespace AuthSidecar.Cli;

/// <summary>What the process says when it ends.</summary>
internal static class ExitCode
{
    public const int Success = 0;

    /// <summary>Allowed, valid, verified, serving.</summary>
    public const int Allow = 0;

    /// <summary>Denied, not valid, not verified, not serving: an answer all the same.</summary>
    public const int Deny = 1;

    /// <summary>There was no answer.</summary>
    public const int Error = 2;

    /// <summary>Denied for now: stronger authentication would do.</summary>
    public const int StepUp = 3;
}
