using AuthSidecar.ControlPlane.Issuers;
using AuthSidecar.ControlPlane.Risk;
using AuthSidecar.ControlPlane.V1;
using CsCheck;
using Google.Protobuf.WellKnownTypes;
using EntityUid = AuthSidecar.Cedar.EntityUid;
using Fault = AuthSidecar.Cedar.Fault;

namespace AuthSidecar.ControlPlane.Tests.Bundles;

/// <summary>
/// Whatever the control plane accepts of issuers and of risk, and stores, and makes documents of again, a sidecar reads without a fault.
/// What is held against what there is already is written to a store: <see cref="StoredIsReadableTests"/>.
/// </summary>
public sealed class AcceptedIsReadableTests
{
    private static readonly Gen<string> Text = Gen.OneOf(
        Gen.OneOfConst("", "a", "User", "at+jwt", "https://issuer.test", "https://issuer.test/keys", "http://x", "10.0.0.0/8", "10.0.0.1", "1", "Europe/Zurich", "Nowhere", "Action::\"read\"", "claim", "\u0000", "é\"\\"),
        Gen.String[Gen.Char[' ', '~'], 0, 8]);

    private static readonly Gen<double> Number = Gen.OneOf(Gen.OneOfConst(0.0, -1, 1, 50, 900, 1e6, double.NaN, double.PositiveInfinity), Gen.Double[-200, 200]);

    private static readonly Gen<double> Degrees = Gen.Frequency((5, Gen.Double[-90, 90]), (1, Number));

    private static readonly Gen<int> Count = Gen.OneOf(Gen.Int[-2, 120], Gen.OneOfConst(int.MinValue, int.MaxValue));

    private static readonly Gen<Issuer> Issuers = Gen.Select(
        Or("https://issuer.test"), Or("app").Array[1, 2], Or("at+jwt").Array[0, 1], Count, Or("https://issuer.test/keys"), Or("User"), Gen.Select(Or("a"), Or("claim")).Array[0, 1], Gen.OneOf(Gen.Const(Array.Empty<string>()), Or("claim").Array[1])).Select((name, audiences, types, skew, url, type, mapped, required) =>
    {
        var issuer = new Issuer { Issuer_ = name, Audiences = { audiences }, Types_ = { types }, JwksUrl = url, Principal = new PrincipalMapping { Type = type, Required = { required } } };
        if (skew % 2 == 0)
        {
            issuer.ClockSkewSeconds = skew;
        }

        if (skew % 3 == 0)
        {
            issuer.Principal.ClearType();
        }

        foreach (var (a, b) in mapped)
        {
            issuer.Principal.Attributes[a] = b;
            issuer.Principal.Parents[b] = a;
        }

        return issuer;
    });

    /// <summary>The same with options, most of which do not go together.</summary>
    private static readonly Gen<Issuer> IssuersWithOptions = Gen.Select(
        Issuers, Gen.OneOf(Gen.Const(""), Gen.OneOfConst([.. IssuerPreset.All.Select(p => p.Name), "unknown"])), Gen.Int[0, 4095], Or("client_id"), Or("/realm_access/roles"), Or("Bearer"), Or("11111111-2222-4333-8444-555555555555")).Select((issuer, preset, set, claim, path, value, tenant) =>
    {
        bool Has(int bit) => (set & (1 << bit)) != 0;
        issuer.Preset = preset;
        if (Has(0))
        {
            issuer.ClearJwksUrl();
            issuer.Discovery = true;
        }

        if (Has(1) && Has(2))
        {
            issuer.Issuer_ = "https://login.example/{tenantid}";
            issuer.Tenants.Add(tenant);
        }

        if (Has(3) && Has(4))
        {
            issuer.Aliases.Add(value);
        }

        if (Has(5))
        {
            issuer.AudienceClaim = claim;
            issuer.ClientIdClaim = path;
        }

        if (Has(6))
        {
            issuer.RequiredClaims[claim] = Value.ForList(Value.ForString(value));
            issuer.RequiredClaims["azp"] = Value.ForBool(true);
            issuer.TypesOptional = Has(7);
        }

        if (Has(8))
        {
            issuer.ForbiddenClaims.Add(path);
        }

        if (Has(9))
        {
            issuer.Principal.Parents[path] = "Role";
            issuer.Principal.Id = claim;
        }

        if (Has(10) && Has(11))
        {
            issuer.TrustDomain = value.ToLowerInvariant();
            issuer.IssuedAtOptional = true;
        }

        return issuer;
    });

    private static readonly Gen<V1.RiskSettings> Settings = Gen.Select(Count, Count, Count, Number, Number, Text.Array[0, 2], Gen.Select(Text, Number).Array[0, 2]).Select((a, b, c, x, y, networks, actions) =>
    {
        var settings = new V1.RiskSettings { DeniedNetworks = { networks }, TrustedProxies = { networks } };
        if (a % 2 == 0)
        {
            settings.Thresholds = new V1.RiskThresholds { Medium = a, High = b, StepUpAt = c };
            settings.Weights = new V1.RiskWeights { Device = b, Travel = c };
        }

        if (b % 2 == 0)
        {
            (settings.MaxTravelKmPerHour, settings.TravelToleranceKm, settings.MaxFailures, settings.MaxRequestsPerMinute) = (x, y, a, c);
        }

        foreach (var (action, sensitivity) in actions)
        {
            settings.Actions[action] = sensitivity;
        }

        return settings;
    });

    private static readonly Gen<V1.RiskProfile> Profiles = Gen.Select(
        Or("a").Array[0, 2], Degrees, Degrees, Degrees.Select(Math.Abs), Gen.OneOf(Gen.Int[0, 3].Array[0], Gen.Int[0, 3].Array[24], Gen.Int[-1, 3].Array[0, 25]), Or("Europe/Zurich")).Select((texts, x, y, z, hours, zone) =>
    {
        var place = new V1.Place { Latitude = x, Longitude = y, AccuracyKm = z };
        var profile = new V1.RiskProfile { Countries = { texts }, Hours = { hours }, Places = { place } };
        profile.Devices.AddRange(texts.Select(t => new V1.KnownDevice { Id = t }));
        if (hours.Length % 2 == 0)
        {
            (profile.TimeZone, profile.LastSeen) = (zone, new V1.LastSeen { Place = place, At = Timestamp.FromDateTimeOffset(DateTimeOffset.UnixEpoch) });
        }

        return profile;
    });

    [Fact]
    public void Issuers_ThatAreAccepted_AreRead() => Try(
        Issuers,
        issuer => IssuerRecords.FaultsOf(issuer, "", out _),
        issuer => Documents(DataType.Keys, issuer.Issuer_, IssuerRecords.Write(issuer, "")),
        (files, faults) => IssuersFile.Read(files, faults));

    [Fact]
    public void IssuersWithOptions_ThatAreAccepted_AreRead() => Try(
        IssuersWithOptions,
        issuer => IssuerRecords.FaultsOf(issuer, "", out _),
        issuer => Documents(DataType.Keys, issuer.Issuer_, IssuerRecords.Write(issuer, "")),
        (files, faults) => IssuersFile.Read(files, faults));

    /// <summary>An entry of the document and the message of the API are one thing, field by field.</summary>
    [Fact]
    public void IssuersFile_WithEveryOption_IsTheMessageOfTheApi()
    {
        using var yes = System.Text.Json.JsonDocument.Parse("true");
        var entry = new IssuerEntry
        {
            Preset = "okta",
            Issuer = "i",
            Aliases = ["a"],
            Tenants = ["t"],
            TenantClaim = "tid",
            TrustDomain = "d",
            JwksUrl = "u",
            Discovery = true,
            KeyAlgorithm = "PS256",
            IntrospectionUrl = "v",
            OpaquePrefix = "p",
            Audiences = ["w"],
            AudienceClaim = "c",
            Types = ["JWT"],
            TypesOptional = true,
            RequiredClaims = new Dictionary<string, System.Text.Json.JsonElement> { ["r"] = yes.RootElement },
            ForbiddenClaims = ["f"],
            ClientIdClaim = "azp",
            IssuedAtOptional = true,
            ClockSkewSeconds = 1,
            Principal = new PrincipalEntry { Type = "T", Id = "oid", Attributes = new Dictionary<string, string> { ["x"] = "y" }, Parents = new Dictionary<string, string> { ["g"] = "G" }, Required = ["y"] },
        };
        var json = System.Text.Json.Nodes.JsonNode.Parse(new IssuersFile { Issuers = [entry] }.Write())!["issuers"]![0]!.AsObject();
        var issuer = Issuer.Parser.ParseJson(json.ToJsonString());
        // None of them is left out on the way there, nor on the way back.
        Assert.Equal(Issuer.Descriptor.Fields.InDeclarationOrder().Select(f => f.JsonName).Order(StringComparer.Ordinal), json.Select(m => m.Key).Order(StringComparer.Ordinal));
        var back = System.Text.Json.Nodes.JsonNode.Parse(Google.Protobuf.JsonFormatter.Default.Format(issuer))!;
        Assert.True(System.Text.Json.Nodes.JsonNode.DeepEquals(json, back), $"{json}\n{back}");
    }

    [Fact]
    public void RiskSettings_ThatAreAccepted_AreRead() => Try(
        Settings,
        settings => RiskRecords.FaultsOfSettings(RiskRecords.Write(settings)),
        settings => Documents(DataType.Risk, RiskData.SettingsKey, RiskRecords.Write(settings)),
        (files, faults) => RiskFile.Read(files, faults));

    [Fact]
    public void RiskProfiles_ThatAreAccepted_AreRead() => Try(
        Profiles,
        profile => RiskRecords.FaultsOfProfile(new EntityUid("User", "é\"\\"), RiskRecords.Write(profile)),
        profile => Documents(DataType.Risk, new EntityUid("User", "é\"\\").ToString(), RiskRecords.Write(profile)),
        (files, faults) => ProfilesFile.Read(files, faults));

    /// <summary>Mostly something that will do.</summary>
    private static Gen<string> Or(string good) => Gen.Frequency((4, Gen.Const(good)), (1, Text));

    private static void Try<T>(Gen<T> gen, Func<T, IReadOnlyList<Fault>> check, Func<T, Dictionary<string, byte[]>> write, Action<BundleFiles, List<Fault>> read)
    {
        var (accepted, refused) = (0, 0);
        gen.Sample(
            given =>
            {
                if (check(given).Count > 0)
                {
                    refused++;
                    return;
                }

                accepted++;
                var faults = new List<Fault>();
                read(new BundleFiles(new SortedDictionary<string, byte[]>(write(given), StringComparer.Ordinal)), faults);
                Assert.Empty(faults);
            },
            iter: Iterations.Of(20_000), threads: 1);
        Assert.True(accepted > 100 && refused > 1_000, $"{accepted} accepted, {refused} refused");
    }

    private static Dictionary<string, byte[]> Documents(DataType type, string key, string json) =>
        ((IEntryData)DataTypes.Find((int)type)!).Write([new DataEntry(key, json)], "app", factorKey: []);
}
