using AuthSidecar.Cedar;
using AuthSidecar.Risk;
using AuthSidecar.Tests.Testing;

namespace AuthSidecar.Tests.Bundles;

public sealed class GeoDatabaseTests
{
    private static readonly DateTimeOffset Now = new(2026, 6, 15, 9, 0, 0, TimeSpan.Zero);

    private static readonly byte[] Database = TestGeoDatabase.Create(
        ("192.0.2.0/24", TestGeoDatabase.City("CH", 47.3769, 8.5417, 20)),
        ("198.51.100.0/25", TestGeoDatabase.City("AU", -33.8688, 151.2093, 50)),
        ("203.0.113.0/24", new Dictionary<string, object> { ["country"] = new Dictionary<string, object> { ["iso_code"] = "DE" } }));

    [Theory]
    [InlineData("192.0.2.9", "CH", 47.3769)]
    [InlineData("198.51.100.127", "AU", -33.8688)]
    [InlineData("203.0.113.1", "DE", null)]
    [InlineData("198.51.100.128", null, null)]
    [InlineData("::1", null, null)]
    [InlineData("2001:db8::1", null, null)]
    public void Find_Address_WhatTheDatabaseSaysOfItsNetwork(string address, string? country, double? latitude)
    {
        var found = GeoDatabase.Open(Database).Find(Address(address));
        Assert.Equal((country, latitude), (found?.Country, found?.Place?.Latitude));
    }

    [Fact]
    public void Open_SpoiltDatabase_RefusedOrReadable()
    {
        for (var i = 0; i < Database.Length; i++)
        {
            foreach (var spoilt in new[] { Database[..i], [.. Database[..i], (byte)~Database[i], .. Database[(i + 1)..]] })
            {
                try
                {
                    GeoDatabase.Open(spoilt).Find(Address("192.0.2.9"));
                }
                catch (InvalidDataException)
                {
                    // As it should be.
                }
            }
        }
    }

    [Fact]
    public void Score_AddressThatTheDatabaseKnows_PlaceAndTravelAreJudgedByIt()
    {
        using var bundle = new TestBundle();
        File.WriteAllBytes(Path.Combine(bundle.Path, "geo.mmdb"), Database);
        bundle.Add(null, ("risk.json", """{"geoDatabase": "geo.mmdb"}"""), ("profiles.json", """
            {"profiles": {"User::\"alice\"": {"places": [{"latitude": 47.3769, "longitude": 8.5417, "accuracyKm": 20}], "countries": ["CH"],
                          "lastSeen": {"place": {"latitude": 47.3769, "longitude": 8.5417, "accuracyKm": 20}, "at": "2026-06-15T08:00:00Z"}}}}
            """));
        var settings = bundle.Build().Risk.Value;

        Assert.Equal(("usual place", "near"), Judge("192.0.2.9"));
        var (place, speed) = Judge("198.51.100.1");
        Assert.Equal("new", place);
        Assert.True(int.Parse(speed.Split(' ')[0], System.Globalization.CultureInfo.InvariantCulture) > 10_000, speed);

        // What a device says counts only as far as it says where it is, and alone only where its address does not say otherwise.
        Assert.Equal(("usual place", "near"), Judge("192.0.2.9", new Place(47.3, 8.5, 1)));
        Assert.Equal((place, speed), Judge("198.51.100.1", new Place(47.3769, 8.5417, 20_000)));
        Assert.Equal(("contradictory", "uncertain"), Judge("198.51.100.1", new Place(47.3769, 8.5417, 1)));

        (string Location, string Travel) Judge(string address, Place? said = null)
        {
            var signals = new RiskSignals { Network = new NetworkSignal(address, []), Location = said };
            var input = RiskInput.Create(signals, settings.Profiles[new EntityUid("User", "alice")], settings, new RecentActivity(1, 0), null, Now);
            var factors = RiskScorer.Score(input).Factors.ToDictionary(f => f.Name, f => f.Value);
            return (factors["location"], factors["travel"]);
        }
    }

    private static IpRange Address(string text) => IpRange.TryParse(text, out var address) ? address : throw new InvalidOperationException(text);
}
