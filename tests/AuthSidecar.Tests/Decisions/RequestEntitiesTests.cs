using System.Security.Cryptography;
using System.Text.Json;
using AuthSidecar.Cedar;
using AuthSidecar.Decisions;
using AuthSidecar.Mfa;
using AuthSidecar.Policies;
using AuthSidecar.Risk;
using AuthSidecar.Tests.Testing;
using AuthSidecar.Tokens;
using CsCheck;
using Decision = AuthSidecar.Policies.Decision;

namespace AuthSidecar.Tests.Decisions;

/// <summary>What a request brings along about entities never makes its principal another one.</summary>
public sealed class RequestEntitiesTests : IDisposable
{
    private static readonly DateTimeOffset Now = DateTimeOffset.FromUnixTimeSeconds(1_800_000_000);
    private static readonly EntityUid[] Users = [new("User", "known"), new("User", "stranger")];
    private static readonly EntityUid[] Groups = [new("Group", "staff"), new("Group", "contractors"), new("Group", "all")];
    private static readonly EntityUid[] Resources = [new("Doc", "plan"), new("Doc", "note"), .. Users];
    private static readonly EntityUid[] Universe = [.. Resources, .. Groups, new("Action", "read")];

    // Every policy rests on the principal alone.
    private const string OfPrincipal = """
        permit (principal, action, resource) when { principal in Group::"staff" };
        permit (principal, action, resource) when { principal has tenant && principal.tenant == "acme" };
        forbid (principal, action, resource) when { principal has suspended && principal.suspended };
        forbid (principal in Group::"contractors", action, resource);
        forbid (principal, action, resource) when { principal has tier && principal.tier > 2 };
        """;

    private const string OfAnything = OfPrincipal + """
        permit (principal, action, resource) when { resource in principal };
        permit (principal, action, resource) when { resource has tenant && resource.tenant == "acme" };
        forbid (principal, action, resource) when { resource has suspended && resource.suspended };
        forbid (principal, action, resource in Group::"all");
        forbid (principal, action, resource) when { Group::"staff" has tier && Group::"staff".tier > 1 };
        """;

    private static readonly Gen<(string Name, Value Value)> Attributes = Gen.OneOf(
        Gen.Bool.Select(b => ("suspended", Value.Of(b))),
        Gen.OneOfConst("acme", "globex").Select(t => ("tenant", Value.Of(t))),
        Gen.Long[0, 4].Select(n => ("tier", Value.Of(n))));

    private static readonly Gen<RequestEntity> Entities = Gen.Select(
        Gen.OneOfConst(Universe), Attributes.Array[0, 2], Gen.OneOfConst(Universe).Array[0, 2],
        (uid, attributes, parents) => new RequestEntity(uid, ValueRecord.Create([.. attributes.DistinctBy(a => a.Name).Select(a => KeyValuePair.Create(a.Name, a.Value))]), parents));

    private static readonly Gen<TokenResult> Tokens = Gen.Select(
        Gen.OneOfConst(Users), Gen.Bool.Nullable(), Gen.OneOfConst("acme", "globex", null), Gen.Int[0, 4].Nullable(), Gen.OneOfConst("staff", "contractors", "all").Array[0, 2],
        (user, suspended, tenant, tier, groups) => TokenResult.Accept(TokenOf(user.Id, suspended, tenant, tier, groups)));

    private static readonly Issuer TestIssuer = new()
    {
        Name = "https://issuer.test",
        Audiences = System.Collections.Frozen.FrozenSet.Create(StringComparer.Ordinal, "documents"),
        Keys = KeySet.Empty,
        Principal = new PrincipalMapping
        {
            Attributes = new[] { "suspended", "tenant", "tier" }.ToDictionary(name => name, ClaimPath.Parse),
            Parents = new Dictionary<ClaimPath, string> { [ClaimPath.Parse("groups")] = "Group" },
        },
    };

    private readonly TemporaryFolder _folder = new();
    private readonly TokenValidator _tokens = new(new VerifiedTokenCache(100), new DpopVerifier());
    private readonly MfaProofs _proofs;
    private readonly MfaAttemptStore _claims;
    private readonly DecisionPoint _decisions;

    public RequestEntitiesTests()
    {
        _proofs = new MfaProofs(ECDsa.Create(ECCurve.NamedCurves.nistP256), _tokens, TimeSpan.FromMinutes(15));
        _claims = MfaAttemptStore.Open(_folder["claims"], new MfaAttemptLimits());
        _decisions = new DecisionPoint(_tokens, _proofs, new ActivityTracker(TimeProvider.System), _claims);
    }

    [Fact]
    public void Check_EntityOfWhichNothingIsSaid_ChangesNoDecision()
    {
        var snapshot = SnapshotOf(OfAnything);
        var (allowed, denied) = (0, 0);
        Gen.Select(Tokens, Gen.OneOfConst(Resources), Entities.Array[0, 4], Gen.OneOfConst(Universe), Gen.Int[0, 4]).Sample(
            (token, resource, given, uid, at) =>
            {
                var request = RequestOf(resource, given);
                var before = _decisions.Check(request, token, snapshot, Now);
                var after = _decisions.Check(request with { Entities = [.. given[..Math.Min(at, given.Length)], new RequestEntity(uid, ValueRecord.Empty, []), .. given[Math.Min(at, given.Length)..]] }, token, snapshot, Now);
                Assert.Equal((before.Decision, before.Reason), (after.Decision, after.Reason));
                Assert.Equal(before.DeterminingPolicies.Select(p => p.Id), after.DeterminingPolicies.Select(p => p.Id));
                Count(before, ref allowed, ref denied);
            },
            iter: Iterations.Of(20_000), threads: 1);
        Assert.True(allowed > 1_000 && denied > 1_000, $"{allowed} allowed, {denied} denied");
    }

    [Fact]
    public void Check_DenialThatRestsOnThePrincipal_NothingARequestSaysTurnsItIntoAllow()
    {
        var snapshot = SnapshotOf(OfPrincipal);
        var (allowed, denied) = (0, 0);
        Gen.Select(Tokens, Gen.OneOfConst(Resources), Entities.Array[0, 5]).Sample(
            (token, resource, given) =>
            {
                var before = _decisions.Check(RequestOf(resource, []), token, snapshot, Now);
                var after = _decisions.Check(RequestOf(resource, given), token, snapshot, Now);
                // The same, unless the request contradicts what is known.
                Assert.True(after.Reason is DecisionReason.EntityConflict || after.Decision == before.Decision, $"{before.Decision} became {after.Decision}");
                Assert.False(after.Reason is DecisionReason.EntityConflict && after.Decision != Decision.Deny);
                Count(after, ref allowed, ref denied);
            },
            iter: Iterations.Of(20_000), threads: 1);
        Assert.True(allowed > 1_000 && denied > 1_000, $"{allowed} allowed, {denied} denied");
    }

    private static void Count(CheckAnswer answer, ref int allowed, ref int denied)
    {
        if (answer.Decision == Decision.Allow)
        {
            allowed++;
        }
        else
        {
            denied++;
        }
    }

    private static CheckRequest RequestOf(EntityUid resource, RequestEntity[] given) => new()
    {
        Token = new PresentedToken { Token = new Secret("verified already") },
        Action = new EntityUid("Action", "read"),
        Resource = resource,
        Entities = given,
    };

    private static VerifiedToken TokenOf(string subject, bool? suspended, string? tenant, int? tier, string[] groups)
    {
        var claims = new Dictionary<string, object> { ["groups"] = groups };
        if (suspended is { } s)
        {
            claims["suspended"] = s;
        }

        if (tenant is not null)
        {
            claims["tenant"] = tenant;
        }

        if (tier is { } t)
        {
            claims["tier"] = t;
        }

        return new VerifiedToken { Issuer = TestIssuer, Subject = subject, Audiences = ["documents"], ExpiresAt = long.MaxValue, IssuedAt = 0, ClaimsUtf8 = JsonSerializer.SerializeToUtf8Bytes(claims) };
    }

    private static Snapshot SnapshotOf(string policies)
    {
        var builder = new PolicySetBuilder();
        builder.AddFile(SourceText.Of(policies), "test");
        Assert.True(builder.TryBuild(out var set, out var faults), string.Join('\n', faults));
        Assert.True(EntityStore.TryParse(
            SourceText.Of("""
                [{"uid": {"type": "User", "id": "known"}, "attrs": {"tier": 1}, "parents": [{"type": "Group", "id": "all"}]},
                 {"uid": {"type": "Doc", "id": "plan"}, "attrs": {"tenant": "acme"}, "parents": []},
                 {"uid": {"type": "Group", "id": "staff"}, "attrs": {}, "parents": [{"type": "Group", "id": "all"}]}]
                """),
            out var entities,
            out faults), string.Join('\n', faults));
        return Snapshot.Empty
            .At(new Revision(default, 1))
            .With(PolicyData.Type, new PolicyRules(set, new Dictionary<string, PolicyAnnotations>(), schema: null, isStrict: true), default)
            .With(EntityData.Type, EntitySet.Empty with { Store = entities }, default)
            .With(IssuerData.Type, new IssuerSet([TestIssuer]), default);
    }

    public void Dispose()
    {
        _claims.Dispose();
        _proofs.Dispose();
        _folder.Dispose();
    }
}
