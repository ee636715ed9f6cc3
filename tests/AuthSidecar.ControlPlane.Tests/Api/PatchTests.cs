using AuthSidecar.ControlPlane.Api;
using AuthSidecar.ControlPlane.V1;
using CsCheck;
using Google.Protobuf.Reflection;
using Google.Protobuf.WellKnownTypes;
using Place = AuthSidecar.ControlPlane.V1.Place;
using RiskProfile = AuthSidecar.ControlPlane.V1.RiskProfile;
using RiskSettings = AuthSidecar.ControlPlane.V1.RiskSettings;
using RiskThresholds = AuthSidecar.ControlPlane.V1.RiskThresholds;

namespace AuthSidecar.ControlPlane.Tests.Api;

public sealed class PatchTests
{
    /// <summary>By which an object is found, and so given with every write; or set in answers only.</summary>
    private static readonly string[] Always =
    [
        "Account.id", "Account.revision", "Client.id", "Client.application", "Client.revision", "IdentityProvider.id", "IdentityProvider.redirect_uri", "IdentityProvider.revision",
        "Administrator.name", "Administrator.revision", "Issuer.issuer",
    ];

    /// <summary>Objects in lists are written whole.</summary>
    private static readonly MessageDescriptor[] Written =
        [Account.Descriptor, Client.Descriptor, IdentityProvider.Descriptor, Administrator.Descriptor, Issuer.Descriptor, RiskSettings.Descriptor, RiskProfile.Descriptor];

    private static readonly Gen<RiskSettings> Settings =
        from networks in Gen.OneOfConst("a", "b", "c").List[0, 2]
        from actions in Gen.Dictionary(Gen.OneOfConst("x", "y"), Gen.Double[0, 1])[0, 2]
        from failures in Gen.OneOfConst<int?>(null, 0, 1, 2)
        from medium in Gen.OneOfConst<int?>(null, 0, 1, 2)
        from high in Gen.OneOfConst<int?>(null, 0, 1, 2)
        from hasThresholds in Gen.Bool
        select Make(networks, actions, failures, medium, high, hasThresholds);

    [Fact]
    public void Fields_ThatAWriteMayLeaveOut_KnowWhetherTheyAreGiven()
    {
        var silent = Written.SelectMany(Scalars).Where(f => !f.HasPresence).Select(f => $"{f.ContainingType.Name}.{f.Name}");
        Assert.Equal(Always.Order(StringComparer.Ordinal), silent.Distinct().Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Apply_WithoutAMask_ChangesWhatIsGivenAndNothingElse() => Gen.Select(Settings, Settings).Sample((before, given) =>
    {
        var copy = (before.Clone(), given.Clone());
        var after = Patch.Apply(before, given, mask: null);
        Assert.Equal(copy, (before, given));
        Assert.Equal(given.DeniedNetworks.Count > 0 ? given.DeniedNetworks : before.DeniedNetworks, after.DeniedNetworks);
        Assert.Equal(given.Actions.Count > 0 ? given.Actions : before.Actions, after.Actions);
        Assert.Equal(given.HasMaxFailures ? given.MaxFailures : before.MaxFailures, after.MaxFailures);
        Assert.Equal(given.HasMaxFailures || before.HasMaxFailures, after.HasMaxFailures);
        var medium = given.Thresholds?.HasMedium is true ? given.Thresholds : before.Thresholds;
        Assert.Equal((medium?.HasMedium is true, medium?.Medium ?? 0), (after.Thresholds?.HasMedium is true, after.Thresholds?.Medium ?? 0));
        // Written twice, it is as written once; and what was before does not matter to a new one.
        Assert.Equal(after, Patch.Apply(after, given, mask: null));
        Assert.Equal(given, Patch.Apply(null, given, mask: null));
    });

    [Fact]
    public void Apply_WithAMask_WritesWhatItNamesAlsoWhereItIsEmpty() => Gen.Select(Settings, Settings).Sample((before, given) =>
    {
        Assert.Equal(given, Patch.Apply(before, given, new FieldMask { Paths = { "*" } }));
        var after = Patch.Apply(before, given, new FieldMask { Paths = { "denied_networks", "actions", "thresholds.medium" } });
        Assert.Equal((given.DeniedNetworks, given.Actions), (after.DeniedNetworks, after.Actions));
        Assert.Equal((given.Thresholds?.HasMedium is true, given.Thresholds?.Medium ?? 0), (after.Thresholds.HasMedium, after.Thresholds.Medium));
        Assert.Equal((before.Thresholds?.HasHigh is true, before.Thresholds?.High ?? 0, before.MaxFailures), (after.Thresholds.HasHigh, after.Thresholds.High, after.MaxFailures));
    });

    [Fact]
    public void Apply_AnEmptyText_IsAsNeverGiven()
    {
        var before = new Account { Id = "a", UserName = "n", Email = "e" };
        Assert.Equal(new Account { Id = "a", UserName = "n" }, Patch.Apply(before, new Account { Id = "a", Email = "" }, mask: null));
        Assert.Equal(new Account { Id = "a", UserName = "n" }, Patch.Apply(before, new Account { Id = "a" }, new FieldMask { Paths = { "email" } }));
    }

    private static RiskSettings Make(List<string> networks, IDictionary<string, double> actions, int? failures, int? medium, int? high, bool hasThresholds)
    {
        var settings = new RiskSettings { DeniedNetworks = { networks }, Actions = { actions }, Thresholds = hasThresholds ? new RiskThresholds() : null };
        if (failures is { } count)
        {
            settings.MaxFailures = count;
        }

        if (settings.Thresholds is { } thresholds)
        {
            if (medium is { } m)
            {
                thresholds.Medium = m;
            }

            if (high is { } h)
            {
                thresholds.High = h;
            }
        }

        return settings;
    }

    private static IEnumerable<FieldDescriptor> Scalars(MessageDescriptor message) => message.FullName.StartsWith("google.", StringComparison.Ordinal)
        ? []
        : message.Fields.InDeclarationOrder().Where(f => !f.IsRepeated).SelectMany(f => f.FieldType == FieldType.Message && f.MessageType != Place.Descriptor ? Scalars(f.MessageType) : [f]);
}
