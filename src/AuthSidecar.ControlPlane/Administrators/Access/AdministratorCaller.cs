namespace AuthSidecar.ControlPlane.Administrators.Access;

/// <summary>An administrator with an access token. What they may do is the policies' to say.</summary>
internal sealed class AdministratorCaller(EntityUid principal, AccessSnapshot access, Func<Task<Caller>> again) : Caller
{
    /// <summary>Such as <c>administrator:alice</c>.</summary>
    public override string Name { get; } = $"administrator:{principal.Id}";

    public override bool IsAllowed(string action, Placement placement) => access.Allows(principal, action, placement);
    public override Task<Caller> AgainAsync() => again();
}
