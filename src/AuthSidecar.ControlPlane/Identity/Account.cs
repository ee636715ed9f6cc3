namespace AuthSidecar.ControlPlane.Identity;

/// <summary>Somebody who signs in here. Their <see cref="IdentityUser{TKey}.Id"/> is the subject of their tokens, and never changes; the
/// name they sign in with may.</summary>
internal sealed class Account : IdentityUser
{
    /// <summary>What they are called on pages; empty: by the name they sign in with.</summary>
    public required string DisplayName { get; set; }

    /// <summary>Who is disabled signs in nowhere and refreshes nothing.</summary>
    public required bool IsDisabled { get; set; }

    /// <summary>Whether the password is good beside a second factor alone: without one, it is to be changed before anything else.</summary>
    public bool IsPasswordShort { get; set; }

    /// <summary>What an administrator may say of them.</summary>
    public AccountProfile Profile => new(Id, UserName ?? "", Email ?? "", DisplayName, IsDisabled);

    /// <summary>Of the newest change an administrator, or they themselves, made.</summary>
    public required long Revision { get; set; }
}
