namespace AuthSidecar.Bundles;

/// <summary>The routes of a snapshot. Immutable.</summary>
internal sealed record RouteTable
{
    public static readonly RouteTable Empty = new();
}
