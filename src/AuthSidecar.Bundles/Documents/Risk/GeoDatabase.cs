using MaxMind.Db;

namespace AuthSidecar.Bundles;

/// <summary>An operator's GeoIP database in MaxMind's format (City; Country gives countries only).</summary>
internal sealed class GeoDatabase(Reader reader)
{
    // Where the database does not say how sure it is, it is not: the radius of a middling country.
    private const double DefaultAccuracyKm = 500;

    /// <exception cref="InvalidDataException">The bytes are no such database.</exception>
    public static GeoDatabase Open(byte[] bytes)
    {
        try
        {
            return new GeoDatabase(new Reader(new MemoryStream(bytes)));
        }
        catch (Exception e) when (IsFaultOfTheFile(e))
        {
            throw new InvalidDataException("not a GeoIP database", e);
        }
    }

    /// <summary>What the database says of an address; null when it says nothing, and when it is broken there: not known is a risk of its
    /// own.</summary>
    public GeoRecord? Find(IpRange address)
    {
        try
        {
            return reader.Find<Dictionary<string, object>>(address.ToIPAddress()) is { } record ? Read(record) : null;
        }
        catch (Exception e) when (IsFaultOfTheFile(e))
        {
            return null;
        }
    }

    private static GeoRecord Read(Dictionary<string, object> record)
    {
        var country = record.GetValueOrDefault("country") is Dictionary<string, object> c ? c.GetValueOrDefault("iso_code") as string
            : null;
        Place? place = record.GetValueOrDefault("location") is Dictionary<string, object> l
            && l.GetValueOrDefault("latitude") is double latitude
            && l.GetValueOrDefault("longitude") is double longitude
            ? new Place(latitude, longitude, l.GetValueOrDefault("accuracy_radius") switch
            {
                int km => km,
                long km => km,
                double km => km,
                _ => DefaultAccuracyKm,
            })
            : null;
        return new GeoRecord(country, place);
    }

    private static bool IsFaultOfTheFile(Exception e) =>
        e is InvalidDatabaseException or DeserializationException or IndexOutOfRangeException or ArgumentException or InvalidCastException
            or OverflowException;
}

internal sealed record GeoRecord(string? Country, Place? Place);
