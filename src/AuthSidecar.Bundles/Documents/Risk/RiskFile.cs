namespace AuthSidecar.Bundles;

/// <summary><c>risk.json</c>: how risk is scored.</summary>
internal sealed record RiskFile
{
    public const string FileName = "risk.json";

    private static readonly StrictJsonFiles Json = new(RiskJson.Default);

    public RiskThresholds Thresholds { get; set; } = new();
    public RiskWeights Weights { get; set; } = new();
    public IReadOnlyList<string> TrustedProxies { get; set; } = [];
    public IReadOnlyList<string> TrustedNetworks { get; set; } = [];
    public IReadOnlyList<string> DeniedNetworks { get; set; } = [];
    public IReadOnlyList<string> HostingNetworks { get; set; } = [];
    public IReadOnlyList<string> TorNetworks { get; set; } = [];

    /// <summary>How sensitive actions are, 0 to 1, by their uid in Cedar syntax.</summary>
    public IReadOnlyDictionary<string, double> Actions { get; set; } = new Dictionary<string, double>();

    /// <summary>A GeoIP database (MaxMind format) in the bundle.</summary>
    public string? GeoDatabase { get; set; }

    public double MaxTravelKmPerHour { get; set; } = RiskSettings.Default.MaxTravelKmPerHour;
    public double TravelToleranceKm { get; set; } = RiskSettings.Default.TravelToleranceKm;
    public int MaxRequestsPerMinute { get; set; } = RiskSettings.Default.MaxRequestsPerMinute;
    public int MaxFailures { get; set; } = RiskSettings.Default.MaxFailures;
    public static bool IsGeoDatabase(string path) => path.EndsWith(".mmdb", StringComparison.Ordinal);

    /// <summary>Builds the settings, without profiles; the defaults when there are none.</summary>
    public static RiskSettings Read(BundleFiles files, List<Fault> faults) =>
        files.TryRead(FileName, out var utf8) && Json.Read<RiskFile>(FileName, utf8, faults) is { } file ? file.Build(files, faults)
            : RiskSettings.Default;

    private RiskSettings Build(BundleFiles files, List<Fault> faults)
    {
        CheckNumbers();
        return new RiskSettings
        {
            Thresholds = Thresholds,
            Weights = Weights,
            TrustedProxies = Networks("trustedProxies", TrustedProxies),
            TrustedNetworks = Networks("trustedNetworks", TrustedNetworks),
            DeniedNetworks = Networks("deniedNetworks", DeniedNetworks),
            HostingNetworks = Networks("hostingNetworks", HostingNetworks),
            TorNetworks = Networks("torNetworks", TorNetworks),
            ActionSensitivity = Sensitivities(),
            Geo = OpenGeoDatabase(files, what => Fail("geoDatabase", what)),
            MaxTravelKmPerHour = MaxTravelKmPerHour,
            TravelToleranceKm = TravelToleranceKm,
            MaxRequestsPerMinute = MaxRequestsPerMinute,
            MaxFailures = MaxFailures,
        };

        void Fail(string field, string message) => faults.Add(new Fault(FileName, 0, 0, message) { Field = field });

        double InRange(string field, double value, double least, double most, string? what = null)
        {
            if (!(value >= least && value <= most))
                Fail(field, $"{what ?? $"`{field}`"} must be {least} to {most}");

            return value;
        }

        void CheckNumbers()
        {
            int[] weights = [Weights.Device, Weights.Network, Weights.DeniedNetwork, Weights.Location, Weights.Travel, Weights.Velocity,
                Weights.Failures, Weights.Time, Weights.Action];
            foreach (var weight in weights)
                InRange("weights", weight, 0, 100, "a weight");

            if (!(0 < Thresholds.Medium && Thresholds.Medium <= Thresholds.High && Thresholds.High <= Thresholds.Critical
                && Thresholds.Critical <= 100))
            {
                Fail("thresholds", "invalid thresholds: expected 0 < `medium` <= `high` <= `critical` <= 100");
            }

            if (!(0 < Thresholds.StepUpAt && Thresholds.StepUpAt <= Thresholds.DenyAt && Thresholds.DenyAt <= 100))
                Fail("thresholds", "invalid thresholds: expected 0 < `stepUpAt` <= `denyAt` <= 100");

            InRange("maxTravelKmPerHour", MaxTravelKmPerHour, 1, 100_000);
            InRange("travelToleranceKm", TravelToleranceKm, 0, 20_000);
            InRange("maxRequestsPerMinute", MaxRequestsPerMinute, 1, 1_000_000);
            InRange("maxFailures", MaxFailures, 1, 1_000);
        }

        NetworkList Networks(string field, IReadOnlyList<string> texts)
        {
            var ranges = new List<IpRange>();
            foreach (var text in texts)
            {
                if (IpRange.TryParse(text, out var range))
                    ranges.Add(range);
                else
                    Fail(field, $"`{text}` is not an IP address or CIDR range");
            }

            return new NetworkList(ranges);
        }

        FrozenDictionary<EntityUid, double> Sensitivities()
        {
            var sensitivities = new Dictionary<EntityUid, double>();
            foreach (var (text, sensitivity) in Actions)
            {
                if (EntityUid.TryParse(text, out var uid, out var fault))
                    sensitivities[uid] = InRange("actions", sensitivity, 0, 1, $"the sensitivity of {uid}");
                else
                    Fail("actions", $"`{text}`: {fault.Message}");
            }

            return sensitivities.ToFrozenDictionary();
        }
    }

    private GeoDatabase? OpenGeoDatabase(BundleFiles files, Action<string> fail)
    {
        if (GeoDatabase is null)
            return null;

        if (!files.TryRead(GeoDatabase, out var bytes))
        {
            fail($"the GeoIP database `{GeoDatabase}` is not in the bundle");
            return null;
        }

        try
        {
            return Bundles.GeoDatabase.Open(bytes);
        }
        catch (InvalidDataException)
        {
            fail($"`{GeoDatabase}` is not a GeoIP database");
            return null;
        }
    }
}

[JsonSerializable(typeof(RiskFile))]
internal sealed partial class RiskJson : JsonSerializerContext;
