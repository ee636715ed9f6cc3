using CsCheck;

namespace AuthSidecar.Cedar.Tests.Policies;

/// <summary>The scopes turned around against the scopes as they are written.</summary>
public sealed class ScopeIndexTests
{
    private static readonly string[] Uids = ["A::\"1\"", "A::\"2\"", "A::\"3\"", "B::\"1\"", "B::\"2\"", "N::A::\"1\"", "Action::\"x\"", "Action::\"y\"", "Action::\"all\""];

    private static readonly Gen<string> Entity = Gen.OneOfConst(Uids);

    private static readonly Gen<string> Principal = Gen.OneOf(
        Gen.Const("principal"),
        Entity.Select(e => $"principal == {e}"),
        Entity.Select(e => $"principal in {e}"),
        Gen.OneOfConst("A", "B", "C", "N::A").Select(t => $"principal is {t}"),
        Gen.Select(Gen.OneOfConst("A", "B", "C", "N::A"), Entity, (t, e) => $"principal is {t} in {e}"));

    private static readonly Gen<string> Action = Gen.OneOfConst(
        "action", "action == Action::\"x\"", "action in Action::\"all\"", "action in [Action::\"x\", Action::\"all\"]", "action in []");

    private static readonly Gen<string> Policy = Gen.Select(
        Gen.OneOfConst("permit", "forbid"), Principal, Action, Principal.Select(p => p.Replace("principal", "resource")), (effect, p, a, r) => $"{effect}({p}, {a}, {r});");

    /// <summary>For each uid, the ids of its parents further down the list, which keeps the hierarchy free of cycles; or no entity at all.</summary>
    private static readonly Gen<int[]?[]> Hierarchy =
        Gen.Frequency((1, Gen.Const((int[]?)null)), (3, Gen.Int[0, Uids.Length - 1].Array[0, 3].Select(p => (int[]?)p))).Array[Uids.Length];

    [Fact]
    public void IsAuthorized_AnyScopesAndHierarchy_DeterminingPoliciesAreThoseWhoseScopeMatches()
    {
        Gen.Select(Policy.Array[1, 150], Hierarchy).Sample(
            (texts, hierarchy) =>
            {
                Assert.True(PolicySet.TryParse(SourceText.Of(string.Concat(texts)), out var policies, out _));
                var entities = Store(hierarchy);
                var requests = new List<Request>();
                foreach (var principal in Uids.Append("C::\"unknown\"").Select(Uid))
                {
                    foreach (var action in new[] { "Action::\"x\"", "Action::\"y\"", "Action::\"unknown\"" })
                    {
                        requests.Add(new Request(principal, Uid(action), Uid("A::\"2\""), ValueRecord.Empty));
                        requests.Add(new Request(Uid("B::\"1\""), Uid(action), principal, ValueRecord.Empty));
                        requests.Add(requests[^2] with { Resource = principal });
                    }
                }

                var responses = new Response[requests.Count];
                Authorizer.AreAuthorized(policies, entities, requests.ToArray(), responses);
                for (var i = 0; i < responses.Length; i++)
                {
                    Check(policies, entities, requests[i]);
                    Check(policies, entities, requests[i], responses[i]);
                }
            },
            iter: 2_000);
    }

    /// <summary>More policies than a block of the masks has, most of them of others.</summary>
    [Fact]
    public void IsAuthorized_ThousandsOfPolicies_FindsTheFewThatApply()
    {
        var texts = Enumerable.Range(0, 9_000).Select(i => $"permit(principal == A::\"{i}\", action, resource in B::\"{i % 7}\");");
        Assert.True(PolicySet.TryParse(SourceText.Of(string.Join('\n', texts)), out var policies, out _));
        Assert.True(EntityStore.TryParse(SourceText.Of("""[{"uid": {"type": "R", "id": "r"}, "attrs": {}, "parents": [{"type": "B", "id": "3"}]}]"""), out var entities, out _));
        for (var i = 0; i < 9_000; i += 13)
        {
            var response = Authorizer.IsAuthorized(policies, entities, new Request(new EntityUid("A", $"{i}"), Uid("Action::\"x\""), Uid("R::\"r\""), ValueRecord.Empty));
            Assert.Equal(i % 7 == 3 ? [$"policy{i}"] : [], response.Reasons.Select(p => p.Id));
        }
    }

    [Fact]
    public void IsAuthorized_OneStoreUnderTwoPolicySets_EachAnswersForItself()
    {
        var entities = Store([[1], [2], [], [], [], [], [], [], []]);
        Assert.True(PolicySet.TryParse(SourceText.Of("permit(principal in A::\"3\", action, resource);"), out var permits, out _));
        Assert.True(PolicySet.TryParse(SourceText.Of("forbid(principal in A::\"3\", action, resource); permit(principal, action, resource);"), out var forbids, out _));
        var request = new Request(Uid("A::\"1\""), Uid("Action::\"x\""), Uid("B::\"1\""), ValueRecord.Empty);
        for (var i = 0; i < 3; i++)
        {
            Assert.Equal(Decision.Allow, Authorizer.IsAuthorized(permits, entities, request).Decision);
            Assert.Equal(Decision.Deny, Authorizer.IsAuthorized(forbids, entities, request).Decision);
        }
    }

    private static void Check(PolicySet policies, EntityStore entities, Request request) =>
        Check(policies, entities, request, Authorizer.IsAuthorized(policies, entities, request));

    private static void Check(PolicySet policies, EntityStore entities, Request request, Response response)
    {
        Frame.Create(request, entities, out var frame);
        var expected = new List<string>();
        foreach (var policy in policies.Policies)
        {
            if (policy.Scope.Matches(frame))
            {
                expected.Add(policy.Id);
            }
        }

        var satisfied = response.SatisfiedPermits.Concat(response.SatisfiedForbids).Select(p => p.Id);
        Assert.Equal(expected.Order(StringComparer.Ordinal), satisfied.Order(StringComparer.Ordinal));
    }

    private static EntityStore Store(int[]?[] hierarchy)
    {
        var entities = hierarchy.Select((parents, i) => parents is null ? null : $$"""
            {"uid": {{Json(Uids[i])}}, "attrs": {}, "parents": [{{string.Join(", ", parents.Where(p => p > i).Select(p => Json(Uids[p])))}}]}
            """);
        Assert.True(EntityStore.TryParse(SourceText.Of($"[{string.Join(",\n", entities.Where(e => e is not null))}]"), out var store, out var faults), faults.FirstOrDefault()?.ToString());
        return store;
    }

    private static EntityUid Uid(string text) => EntityUid.TryParse(text, out var uid, out var fault) ? uid : throw new InvalidOperationException(fault.ToString());

    private static string Json(string uid) => $$"""{"type": "{{Uid(uid).Type}}", "id": "{{Uid(uid).Id}}"}""";
}
