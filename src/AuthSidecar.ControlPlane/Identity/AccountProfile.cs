namespace AuthSidecar.ControlPlane.Identity;

/// <summary>What an administrator may say of an account.</summary>
internal sealed record AccountProfile(string Id, string UserName, string Email, string DisplayName, bool IsDisabled);
