using AuthSidecar.Cedar;
using MaxMind.Db;

namespace AuthSidecar.Risk;

/// <summary>An operator's GeoIP database in MaxMind's format (City; Country gives countries only).</summary>
internal sealed class GeoDatabase(Reader reader)
{
    public GeoRecord? Find(IpRange address)
    {
        if (reader.Find<Dictionary<string, object>>(address.ToIPAddress()) is not { } record)
        {
            return null;
        }

        var country = record.GetValueOrDefault("country") is Dictionary<string, object> c ? c.GetValueOrDefault("iso_code") as string : null;
        Place? place = record.GetValueOrDefault("location") is Dictionary<string, object> l
            && l.GetValueOrDefault("latitude") is double latitude
            && l.GetValueOrDefault("longitude") is double longitude
            ? new Place(latitude, longitude, Convert.ToDouble(l.GetValueOrDefault("accuracy_radius") ?? DefaultAccuracyKm, System.Globalization.CultureInfo.InvariantCulture))
            : null;
        return new GeoRecord(country, place);
    }

    // Where the database does not say how sure it is, it is not: the radius of a middling country.
    private const double DefaultAccuracyKm = 500;
}

internal sealed record GeoRecord(string? Country, Place? Place);
