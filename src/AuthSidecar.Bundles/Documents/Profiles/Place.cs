namespace AuthSidecar.Bundles;

/// <summary>A place on earth, and the radius (km) around it that is certain.</summary>
internal readonly record struct Place(double Latitude, double Longitude, double AccuracyKm)
{
    /// <summary>A place that a device reports less exactly than this is not known.</summary>
    public const double MaxDeviceAccuracyKm = 100;

    /// <summary>The place of an address that is known less exactly than this is not known: the largest radius of GeoIP databases.</summary>
    public const double MaxAddressAccuracyKm = 1000;

    private const double EarthRadiusKm = 6371.0088;

    /// <summary>Great-circle distance (haversine), which is good to half a per cent.</summary>
    public double DistanceKmTo(Place other)
    {
        var (a, b) = (Radians(Latitude), Radians(other.Latitude));
        var h = Square(Math.Sin((b - a) / 2)) + (Math.Cos(a) * Math.Cos(b) * Square(Math.Sin(Radians(other.Longitude - Longitude) / 2)));
        return 2 * EarthRadiusKm * Math.Asin(Math.Min(1, Math.Sqrt(h)));
    }

    /// <summary>The distance that is certain, whatever the accuracies of both leave open; not above zero where they may be one
    /// place.</summary>
    public double GapKmTo(Place other) => DistanceKmTo(other) - AccuracyKm - other.AccuracyKm;

    private static double Radians(double degrees) => degrees * Math.PI / 180;
    private static double Square(double x) => x * x;
}
