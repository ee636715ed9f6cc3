using AuthSidecar.ControlPlane.Publications;

namespace AuthSidecar.ControlPlane.Store;

/// <summary>Whose sidecars get something. Empty: those of all applications, or tenants.</summary>
internal readonly record struct Placement(string Application, string Tenant)
{
    /// <summary>The control plane itself, which is an application like any other.</summary>
    public static readonly Placement ControlPlane = new(BuiltInPolicies.Application, "");

    public bool IsFor(string application) => Application.Length == 0 || Application == application;
}
