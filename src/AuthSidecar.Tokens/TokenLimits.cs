namespace AuthSidecar.Tokens;

/// <summary>How large tokens may be.</summary>
/// <param name="MaxBytes">The most bytes of a token as it is sent.</param>
/// <param name="MaxHeaderBytes">The most bytes of its header, decoded.</param>
internal sealed record TokenLimits(int MaxBytes = TokenLimits.DefaultMaxBytes, int MaxHeaderBytes = TokenLimits.DefaultMaxHeaderBytes)
{
    public const int DefaultMaxBytes = 16 * 1024;
    public const int DefaultMaxHeaderBytes = 8 * 1024;

    /// <summary>What options may ask for: a token has to fit into a request.</summary>
    public const int SmallestMaxBytes = 1024;

    public const int SmallestMaxHeaderBytes = 256;

    public const int LargestMaxBytes = 128 * 1024;

    public static readonly TokenLimits Default = new();
}
