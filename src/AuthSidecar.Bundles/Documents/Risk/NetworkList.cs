namespace AuthSidecar.Bundles;

/// <summary>Networks in CIDR notation.</summary>
internal sealed class NetworkList(IReadOnlyList<IpRange> ranges)
{
    public static readonly NetworkList Empty = new([]);

    public bool Contains(IpRange address)
    {
        foreach (var range in ranges)
        {
            if (address.IsInRange(range))
                return true;
        }

        return false;
    }
}
