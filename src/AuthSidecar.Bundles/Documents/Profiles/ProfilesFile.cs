namespace AuthSidecar.Bundles;

/// <summary><c>profiles.json</c>: what is known of the subjects' habits.</summary>
internal sealed record ProfilesFile
{
    public const string FileName = "profiles.json";
    private const int HoursInDay = 24;

    private static readonly StrictJsonFiles Json = new(ProfilesJson.Default);

    /// <summary>By the subject's uid in Cedar syntax.</summary>
    public required IReadOnlyDictionary<string, ProfileEntry> Profiles { get; set; }

    public static IReadOnlyDictionary<EntityUid, RiskProfile> Read(BundleFiles files, List<Fault> faults)
    {
        var profiles = new Dictionary<EntityUid, RiskProfile>();
        if (!files.TryRead(FileName, out var utf8))
            return profiles;

        foreach (var (text, entry) in Json.Read<ProfilesFile>(FileName, utf8, faults)?.Profiles ?? new Dictionary<string, ProfileEntry>())
        {
            if (!EntityUid.TryParse(text, out var subject, out var fault))
                faults.Add(new Fault(FileName, 0, 0, $"`{text}`: {fault.Message}"));
            else if (!profiles.TryAdd(subject, entry.Build(what => faults.Add(new Fault(FileName, 0, 0, $"profile of {subject}: {what}")))))
                faults.Add(new Fault(FileName, 0, 0, $"duplicate profile of {subject}", "the same entity in another spelling"));
        }

        return profiles;
    }

    internal sealed record ProfileEntry
    {
        public IReadOnlyList<DeviceEntry> Devices { get; set; } = [];
        public IReadOnlyList<Place> Places { get; set; } = [];
        public IReadOnlyList<string> Countries { get; set; } = [];
        public LastSeen? LastSeen { get; set; }
        public IReadOnlyList<int>? Hours { get; set; }

        /// <summary>An IANA name, such as <c>Europe/Zurich</c>.</summary>
        public string? TimeZone { get; set; }

        public RiskProfile Build(Action<string> fail)
        {
            var zone = TimeZoneInfo.Utc;
            if (TimeZone is { } name && !TimeZoneInfo.TryFindSystemTimeZoneById(name, out zone))
                fail($"unknown time zone `{name}`");

            if (Hours is { Count: > 0 } hours && (hours.Count != HoursInDay || hours.Any(h => h < 0)))
                fail("`hours` must have 24 counts of 0 or more");

            if (Devices.Any(d => d.Id.Length == 0))
                fail("missing `id` of a device");

            foreach (var place in LastSeen is { } seen ? Places.Append(seen.Place) : Places)
            {
                InRange(place.Latitude, -90, 90, "a latitude");
                InRange(place.Longitude, -180, 180, "a longitude");
                InRange(place.AccuracyKm, 0, 20_000, "`accuracyKm`");
            }

            return new RiskProfile
            {
                Devices = [.. Devices.Select(d => new KnownDevice(d.Id, d.KeyThumbprint))],
                Places = Places,
                Countries = Countries,
                LastSeen = LastSeen,
                Hours = Hours is { Count: > 0 } ? Hours : null,
                TimeZone = zone ?? TimeZoneInfo.Utc,
            };

            void InRange(double value, double least, double most, string what)
            {
                if (!(value >= least && value <= most))
                    fail($"{what} must be {least} to {most}");
            }
        }
    }

    internal sealed record DeviceEntry
    {
        public required string Id { get; set; }
        public string? KeyThumbprint { get; set; }
    }
}

[JsonSerializable(typeof(ProfilesFile))]
internal sealed partial class ProfilesJson : JsonSerializerContext;
