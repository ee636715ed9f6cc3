namespace AuthSidecar.ControlPlane.Identity.Passwords;

/// <summary>How passwords are hashed, and which are accepted.</summary>
internal sealed record PasswordOptions
{
    /// <summary>How passwords are hashed that are set from now on.</summary>
    public PasswordScheme Scheme { get; init; }

    /// <summary>What passwords have to be like.</summary>
    public PasswordPolicy Policy { get; init; }

    /// <summary>What nobody's password may be made of, beside what is built in.</summary>
    public IReadOnlyList<string> CommonPasswords { get; init; } = [];

    /// <summary>What nobody's password may be since others have it already; null: no list.</summary>
    public BreachedPasswords? Breached { get; init; }
}
