using System.Collections.Frozen;
using AuthSidecar.Cedar;
using AuthSidecar.Risk;
using CsCheck;
using Decision = AuthSidecar.Policies.Decision;

namespace AuthSidecar.Tests.Risk;

public sealed class RiskScorerTests
{
    private static readonly DateTimeOffset Now = new(2026, 6, 15, 9, 0, 0, TimeSpan.Zero);
    private static readonly EntityUid Delete = new("Action", "delete");
    private static readonly Place Zurich = new(47.3769, 8.5417, 10);
    private static readonly Place Sydney = new(-33.8688, 151.2093, 10);

    private static readonly RiskSettings Settings = new()
    {
        TrustedNetworks = Networks("192.0.2.0/24"),
        DeniedNetworks = Networks("198.51.100.0/24"),
        TorNetworks = Networks("203.0.113.7"),
        HostingNetworks = Networks("203.0.113.0/24"),
        TrustedProxies = Networks("10.0.0.0/8"),
        ActionSensitivity = new Dictionary<EntityUid, double> { [Delete] = 1 }.ToFrozenDictionary(),
    };

    private static readonly RiskProfile Profile = new()
    {
        Devices = [new KnownDevice("laptop", "thumbprint"), new KnownDevice("phone", null)],
        Places = [Zurich with { AccuracyKm = 50 }],
        LastSeen = new LastSeen(Zurich, Now.AddHours(-2)),
        // Awake from 8 to 18 in Zurich.
        Hours = [.. Enumerable.Range(0, 24).Select(h => h is >= 8 and < 18 ? 30 : 0)],
        TimeZone = TimeZoneInfo.FindSystemTimeZoneById("Europe/Zurich"),
    };

    private static readonly RiskSignals Trusted = new()
    {
        Device = new DeviceSignal("laptop", "thumbprint"),
        Network = new NetworkSignal("192.0.2.9", []),
        Location = Zurich,
    };

    private static readonly RecentActivity Quiet = new(1, 0);

    [Fact]
    public void Score_EverythingTrusted_IsZeroAndAllowed()
    {
        var risk = Score(Trusted);
        Assert.Equal(0, risk.Score);
        Assert.Equal(RiskLevel.Low, risk.Level);
        Assert.Equal(Decision.Allow, risk.Recommended);
        Assert.All(risk.Factors, f => Assert.True(f.IsTrusted));
    }

    [Fact]
    public void Score_NoSignalsAtAll_IsARiskAndNeverAllowed()
    {
        var risk = Score(RiskSignals.None, profile: null);
        Assert.True(risk.Score >= 50);
        Assert.NotEqual(Decision.Allow, risk.Recommended);
    }

    [Theory]
    [InlineData("laptop", "thumbprint", "key proved", 0)]
    [InlineData("", "thumbprint", "key proved", 0)]
    [InlineData("laptop", "", "key not proved", 20)]
    [InlineData("laptop", "another", "key not proved", 20)]
    [InlineData("phone", "", "registered", 5)]
    [InlineData("stolen", "", "unknown", 25)]
    [InlineData("", "", "missing", 25)]
    public void Device_KeyOrRegistration_Counts(string id, string key, string value, int contribution) =>
        AssertFactor("device", Trusted with { Device = new DeviceSignal(id, key) }, value, contribution);

    [Theory]
    [InlineData("192.0.2.9", "trusted", 0)]
    [InlineData("::ffff:192.0.2.9", "trusted", 0)]
    [InlineData("203.0.113.7", "tor", 25)]
    [InlineData("203.0.113.8", "hosting", 18)]
    [InlineData("198.51.100.1", "denied", 100)]
    [InlineData("::ffff:c633:6401", "denied", 100)]
    [InlineData("64:ff9b::c633:6401", "denied", 100)]
    [InlineData("2002:c633:6401::1", "denied", 100)]
    [InlineData("2001:0:4136:e378:8000:63bf:39cc:9bfe", "denied", 100)]
    [InlineData("fe80::5efe:c633:6401", "denied", 100)]
    [InlineData("64:ff9b::cb00:7107", "tor", 25)]
    [InlineData("2002:cb00:7108::1", "hosting", 18)]
    [InlineData("64:ff9b::c000:209", "unlisted", 10)]
    [InlineData("2002:c000:209::1", "unlisted", 10)]
    [InlineData("2001:db8:0:1::c633:6401", "unlisted", 10)]
    [InlineData("172.16.0.1", "unlisted", 10)]
    [InlineData("10.1.2.3", "unlisted", 10)]
    [InlineData("1", "unreadable", 25)]
    [InlineData("0x7f.1", "unreadable", 25)]
    [InlineData("", "unreadable", 25)]
    public void Network_Address_IsReadStrictlyAndLookedUp(string peer, string value, int contribution) =>
        AssertFactor("network", Trusted with { Network = new NetworkSignal(peer, []) }, value, contribution);

    [Theory]
    // The peer is no proxy of ours: nobody asks what it forwards for.
    [InlineData("203.0.113.7", new[] { "192.0.2.9" }, "tor")]
    [InlineData("10.0.0.1", new[] { "192.0.2.9" }, "trusted")]
    // The client wrote the left part itself.
    [InlineData("10.0.0.1", new[] { "192.0.2.9", "203.0.113.7" }, "tor")]
    [InlineData("10.0.0.1", new[] { "203.0.113.7", "192.0.2.9", "10.0.0.2" }, "trusted")]
    [InlineData("10.0.0.1", new[] { "192.0.2.9", "garbage" }, "unreadable")]
    public void Network_ForwardedFor_BelievedOnlyAsFarAsTheProxiesReach(string peer, string[] forwardedFor, string value) =>
        Assert.Equal(value, Score(Trusted with { Network = new NetworkSignal(peer, forwardedFor) }).Factors.Single(f => f.Name == "network").Value);

    [Fact]
    public void Travel_ToTheOtherEndOfTheWorldInTwoHours_IsImpossible()
    {
        var travel = Score(Trusted with { Location = Sydney }).Factors.Single(f => f.Name == "travel");
        Assert.Equal(40, travel.Contribution);
        Assert.False(travel.IsTrusted);
        // 16,550 km in two hours, give or take the two radii.
        Assert.InRange(double.Parse(travel.Value.Split(' ')[0], System.Globalization.CultureInfo.InvariantCulture), 8200, 8350);
    }

    [Fact]
    public void Travel_PlacesWhoseRadiiTouch_IsNoTravel() =>
        // 200 km apart.
        AssertFactor("travel", Trusted with { Location = Zurich with { Latitude = Zurich.Latitude + 1.8, AccuracyKm = 100 } }, "near", 0);

    [Theory]
    [InlineData(101)]
    [InlineData(20_000)]
    public void Location_OfADeviceThatCouldBeAnywhere_IsNotKnown(double accuracyKm)
    {
        var anywhere = Trusted with { Location = Sydney with { AccuracyKm = accuracyKm } };
        Assert.Equal(Score(Trusted with { Location = null }).Factors, Score(anywhere).Factors);
    }

    [Fact]
    public void Travel_ClockThatStepsBack_StillCounts() =>
        AssertContribution("travel", Trusted with { Location = Sydney, Time = Now.AddDays(-30) }, 0, Trusted with { Location = Sydney, Time = Now.AddHours(-3) }, 40);

    [Theory]
    [InlineData("2026-06-15T09:00:00Z", 0)] // 11:00 in Zurich
    [InlineData("2026-06-15T02:00:00Z", 10)] // 04:00
    [InlineData("2026-03-29T06:30:00Z", 0)] // 08:30, on the day the clocks go forward
    [InlineData("2026-12-15T16:30:00Z", 0)] // 17:30, in winter time
    [InlineData("2026-12-15T18:30:00Z", 10)] // 19:30: two hours after the last usual one
    public void Time_IsTheSubjectsOwn(string time, int contribution) =>
        Assert.Equal(contribution, Score(Trusted with { Time = DateTimeOffset.Parse(time, System.Globalization.CultureInfo.InvariantCulture) }).Factors.Single(f => f.Name == "time").Contribution);

    [Theory]
    [InlineData(300, 0)]
    [InlineData(450, 8)]
    [InlineData(600, 15)]
    [InlineData(100_000, 15)]
    [InlineData(null, 15)]
    public void Velocity_ManyRequests_Count(int? perMinute, int contribution) =>
        Assert.Equal(contribution, Score(Trusted, activity: new RecentActivity(perMinute, 0)).Factors.Single(f => f.Name == "velocity").Contribution);

    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, 4)]
    [InlineData(5, 20)]
    [InlineData(50, 20)]
    [InlineData(null, 20)]
    public void Failures_OfSecondFactors_Count(int? failures, int contribution) =>
        Assert.Equal(contribution, Score(Trusted, activity: new RecentActivity(1, failures)).Factors.Single(f => f.Name == "failures").Contribution);

    [Fact]
    public void Score_DeniedNetwork_IsCriticalByItself()
    {
        var risk = Score(Trusted with { Network = new NetworkSignal("198.51.100.1", []) });
        Assert.Equal(100, risk.Score);
        Assert.Equal(RiskLevel.Critical, risk.Level);
        Assert.Equal(Decision.Deny, risk.Recommended);
    }

    [Fact]
    public void Score_AnyInput_SumOfContributionsWithinBoundsAndTheSameTwice()
    {
        var weights = Gen.Int[0, 100];
        var place = Gen.Select(Gen.Double[-90, 90], Gen.Double[-180, 180], Gen.Double[0, 500], (a, b, c) => new Place(a, b, c));
        var device = Gen.OneOf(Gen.Const(() => (DeviceSignal?)null), Gen.Select(Gen.OneOfConst("", "laptop", "phone", "x"), Gen.OneOfConst("", "thumbprint", "y"), (a, b) => (DeviceSignal?)new DeviceSignal(a, b)));
        var network = Gen.OneOf(Gen.Const(() => (NetworkSignal?)null), Gen.OneOfConst("", "1", "192.0.2.1", "198.51.100.1", "203.0.113.7", "10.0.0.1").Select(a => (NetworkSignal?)new NetworkSignal(a, ["x"])));
        var signals = Gen.Select(device, network, place, Gen.Bool, Gen.Long[-1_000_000, 1_000_000], (d, n, p, hasPlace, s) =>
            new RiskSignals { Device = d, Network = n, Location = hasPlace ? p : null, Time = Now.AddSeconds(s) });
        var activity = Gen.Select(Gen.Int[-1, 2000], Gen.Int[-1, 20], (a, b) => new RecentActivity(a < 0 ? null : a, b < 0 ? null : b));
        Gen.Select(signals, activity, weights.Array[9], Gen.Bool).Sample((s, a, w, hasProfile) =>
        {
            var settings = Settings with { Weights = new RiskWeights(w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7], w[8]) };
            var input = RiskInput.Create(s, hasProfile ? Profile : null, settings, a, Delete, Now);
            var risk = RiskScorer.Score(input);
            Assert.InRange(risk.Score, 0, 100);
            Assert.Equal(risk.Score, risk.Factors.Sum(f => f.Contribution));
            Assert.All(risk.Factors, f => Assert.InRange(f.Contribution, 0, f.Weight));
            Assert.Equal(risk.Factors, RiskScorer.Score(input).Factors);
        });
    }

    [Fact]
    public void Default_OfALevel_IsTheWorst() => Assert.Equal(RiskLevel.Critical, default);

    private static void AssertContribution(string factor, RiskSignals signals, int contribution, RiskSignals others, int othersContribution)
    {
        Assert.Equal(contribution, Score(signals).Factors.Single(f => f.Name == factor).Contribution);
        Assert.Equal(othersContribution, Score(others).Factors.Single(f => f.Name == factor).Contribution);
    }

    private static void AssertFactor(string name, RiskSignals signals, string value, int contribution)
    {
        var factor = Score(signals).Factors.Single(f => f.Name == name);
        Assert.Equal((value, contribution), (factor.Value, factor.Contribution));
    }

    private static RiskAssessment Score(RiskSignals signals) => Score(signals, Profile);

    private static RiskAssessment Score(RiskSignals signals, RiskProfile? profile) => Score(signals, profile, Quiet);

    private static RiskAssessment Score(RiskSignals signals, RecentActivity activity) => Score(signals, Profile, activity);

    private static RiskAssessment Score(RiskSignals signals, RiskProfile? profile, RecentActivity activity) =>
        RiskScorer.Score(RiskInput.Create(signals, profile, Settings, activity, null, Now));

    private static NetworkList Networks(params string[] texts) => new([.. texts.Select(t => IpRange.TryParse(t, out var range) ? range : throw new ArgumentException(t))]);
}
