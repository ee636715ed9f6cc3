namespace AuthSidecar.ControlPlane.Store;

/// <summary>Whose sidecars get something. Empty: those of all applications, or tenants.</summary>
internal readonly record struct Placement(string Application, string Tenant)
{
    /// <summary>The control plane as an application of its own: its policies say who administers, and its entities who there is.</summary>
    public const string ControlPlaneApplication = "authsidecar";

    /// <summary>The control plane itself, which is an application like any other.</summary>
    public static readonly Placement ControlPlane = new(ControlPlaneApplication, "");

    /// <summary>Whether sidecars of this placement get what has another.</summary>
    public bool Covers(Placement other) =>
        (other.Application.Length == 0 || other.Application == Application)
            && (Tenant.Length == 0 || other.Tenant.Length == 0 || other.Tenant == Tenant);

    public bool IsFor(string application) => Application.Length == 0 || Application == application;
}
