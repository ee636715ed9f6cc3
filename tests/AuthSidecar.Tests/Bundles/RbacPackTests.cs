using AuthSidecar.Cedar;
using AuthSidecar.Decisions;
using AuthSidecar.Policies;
using AuthSidecar.Tests.Testing;
using Decision = AuthSidecar.Policies.Decision;

namespace AuthSidecar.Tests.Bundles;

/// <summary>The whole matrix of the default policies: every role, every permission, own resources and others'.</summary>
public sealed class RbacPackTests : IClassFixture<RbacPackTests.Fixture>
{
    private static readonly string[] Actions = ["read", "write", "create", "update", "delete", "admin", "manage_users", "manage_roles", "view_audit_logs"];

    // Columns as above. o: on own resources only; m: with a fresh second factor only.
    private static readonly Dictionary<string, string> Matrix = new()
    {
        ["nobody"] = "- - - - - - - - -",
        ["anonymous"] = "x - - - - - - - -",
        ["user"] = "x x x o o - - - -",
        ["moderator"] = "x x x x x - - - x",
        ["admin"] = "x x x x x x x - x",
        ["super_admin"] = "m m m m m m m m m",
    };

    public static TheoryData<string, string, char> Cells()
    {
        var cells = new TheoryData<string, string, char>();
        foreach (var (role, row) in Matrix)
        {
            foreach (var (action, cell) in Actions.Zip(row.Split(' '), (a, c) => (a, c[0])))
            {
                cells.Add(role, action, cell);
            }
        }

        return cells;
    }

    private readonly Fixture _fixture;

    public RbacPackTests(Fixture fixture) => _fixture = fixture;

    [Theory]
    [MemberData(nameof(Cells))]
    public void Check_RoleAndPermission_AsTheMatrixSays(string role, string action, char cell)
    {
        Assert.Equal(cell is 'x' or 'o' ? Decision.Allow : cell == 'm' ? Decision.StepUp : Decision.Deny, Check(role, action, "own"));
        Assert.Equal(cell == 'x' ? Decision.Allow : cell == 'm' ? Decision.StepUp : Decision.Deny, Check(role, action, "others"));
        Assert.Equal(cell is '-' ? Decision.Deny : cell is 'o' ? Decision.Deny : Decision.Allow, Check(role, action, "others", withMfa: true));
    }

    [Theory]
    [MemberData(nameof(Cells))]
    public void Check_OtherTenantOrNoTenantOrSuspended_DeniedForEveryRole(string role, string action, char cell)
    {
        _ = cell;
        Assert.Equal(Decision.Deny, Check(role, action, "foreign", withMfa: true));
        Assert.Equal(Decision.Deny, Check(role, action, "tenantless", withMfa: true));
        Assert.Equal(Decision.Deny, Check($"suspended_{role}", action, "own", withMfa: true));
    }

    [Fact]
    public void Check_ActionThatNobodyGranted_DeniedEvenForSuperAdmin()
    {
        Assert.Equal(Decision.Deny, Check("super_admin", "launch_missiles", "own", withMfa: true));
    }

    [Fact]
    public void Check_SuperAdminAllowed_CallerIsObligedToAudit()
    {
        var policy = Assert.Single(Answer("super_admin", "read", "own", withMfa: true).DeterminingPolicies);
        Assert.Equal([KeyValuePair.Create("audit", "super_admin")], _fixture.Rules.AnnotationsOf(policy).Obligations);
    }

    private Decision Check(string role, string action, string document, bool withMfa = false) => Answer(role, action, document, withMfa).Decision;

    private (Decision Decision, IReadOnlyList<Policy> DeterminingPolicies) Answer(string role, string action, string document, bool withMfa)
    {
        var principal = new EntityUid("User", role);
        EntitySource entities = _fixture.Entities;
        if (document == "own")
        {
            var resource = new RequestEntity(
                new EntityUid("Document", "own"),
                ValueRecord.Create([new("tenant", Value.Of("acme")), new("owner", Value.Of(principal))]),
                []);
            Assert.True(EntityOverlay.TryCreate(_fixture.Entities, new RequestEntity(principal, ValueRecord.Empty, []), [resource], out var overlay, out _));
            entities = overlay;
        }

        var now = new Instant(1_800_000_000_000);
        List<KeyValuePair<string, Value>> context = [new("now", Value.Of(now))];
        if (withMfa)
        {
            context.Add(new("token", Value.Of(ValueRecord.Create(
            [
                new("amr", Value.Of(ValueSet.Create([Value.Of("otp"), Value.Of("mfa")]))),
                new("auth_time", Value.Of(new Instant(now.UnixMs - 60_000))),
            ]))));
        }

        var request = new Request(principal, new EntityUid("Action", action), new EntityUid("Document", document), ValueRecord.Create([.. context]));
        var response = Authorizer.IsAuthorized(_fixture.Rules.Policies, entities, request);
        return (DecisionPoint.ToDecision(response, _fixture.Rules).Decision, response.Reasons);
    }

    public sealed class Fixture : IDisposable
    {
        private readonly TestBundle _bundle = new();

        public Fixture()
        {
            _bundle.Delete("policies/extra.cedar");
            _bundle.Delete("schema.cedarschema");
            _bundle.WriteManifest(["entities.json"], issuer: null);
            var users = Matrix.Keys.SelectMany(role => new[] { User(role, "false"), User(role, "true", "suspended_") });
            _bundle.Write("entities.json", $"[{string.Join(",", users)}, {Document("others", "\"tenant\": \"acme\"")}, {Document("foreign", "\"tenant\": \"globex\"")}, {Document("tenantless", "")}]");
            var snapshot = _bundle.Build();
            Rules = snapshot.Policies.Value;
            Entities = snapshot.Entities.Value.Store;
        }

        internal PolicyRules Rules { get; }

        internal EntityStore Entities { get; }

        private static string User(string role, string suspended, string prefix = "") => $$"""
            {"uid": {"type": "User", "id": "{{prefix}}{{role}}"}, "attrs": {"tenant": "acme", "suspended": {{suspended}}}, "parents": [{{(role == "nobody" ? "" : $$"""{"type": "Role", "id": "{{role}}"}""")}}]}
            """;

        private static string Document(string id, string attributes) => $$"""
            {"uid": {"type": "Document", "id": "{{id}}"}, "attrs": { {{attributes}} }, "parents": []}
            """;

        public void Dispose() => _bundle.Dispose();
    }
}
