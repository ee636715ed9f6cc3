namespace AuthSidecar.Bundles;

/// <summary>A value and the revision at which it last changed.</summary>
internal sealed record Revisioned<T>(T Value, Revision Revision);
