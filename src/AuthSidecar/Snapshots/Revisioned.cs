using AuthSidecar.Common;

namespace AuthSidecar.Snapshots;

/// <summary>A resource and the revision at which it last changed.</summary>
internal sealed record Revisioned<T>(T Value, Revision Revision);
