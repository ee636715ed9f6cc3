namespace AuthSidecar.Sync.Stream;

/// <summary>Whom the sidecar serves: an application, and one of its tenants or, where that is empty, all.</summary>
internal readonly record struct Placement(string Application, string Tenant);
