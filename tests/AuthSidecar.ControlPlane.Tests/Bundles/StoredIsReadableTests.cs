using System.Text;
using System.Text.Json;
using AuthSidecar.Cedar;
using AuthSidecar.ControlPlane.Entities;
using AuthSidecar.ControlPlane.Secrets;
using AuthSidecar.ControlPlane.Sidecars.Fleet;
using AuthSidecar.ControlPlane.Store;
using AuthSidecar.ControlPlane.Tests.Testing;
using AuthSidecar.ControlPlane.V1;
using CsCheck;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using EntityService = AuthSidecar.ControlPlane.Entities.EntityService;
using FactorService = AuthSidecar.ControlPlane.Factors.FactorService;
using PolicyService = AuthSidecar.ControlPlane.Policies.PolicyService;
using RevocationService = AuthSidecar.ControlPlane.Revocations.RevocationService;

namespace AuthSidecar.ControlPlane.Tests.Bundles;

/// <summary>
/// Whatever the administration API accepts, one write after the other, sidecars read without a fault: one that follows each change, and one that begins with everything there is.
/// What is refused here is told to whoever writes; what is accepted here and refused there stops the updates of every sidecar.
/// </summary>
public abstract class StoredIsReadableTests(TestDatabase database) : StoreTest(database)
{
    private const string Application = "app";
    private const int Day = 86_400;

    /// <summary>What is left out.</summary>
    private const string Unset = "unset";
    private const long Never = long.MaxValue;

    private const string SchemaText = """
        entity Role;
        entity User in [Role] = { name?: String, age?: Long, manager?: User, groups?: Set<String>, home?: ipaddr, seen?: datetime } tags Long;
        entity Document = { owner: User, size?: decimal };
        action "read", "write" appliesTo { principal: [User], resource: [Document] };
        """;

    private const string TemplateText = """@id("share") permit (principal == ?principal, action == Action::"read", resource == ?resource);""";

    private static readonly long Now = TimeProvider.System.GetUtcNow().ToUnixTimeSeconds();

    private static readonly Gen<string> Text = Gen.OneOf(
        Gen.OneOfConst("", "a", "é\"\\", "\n", "\u202e", "\0", "\uFFFD", new string('x', 513)),
        Gen.String[Gen.Char[' ', '~'], 0, 8]);

    private static readonly Gen<string> Id = Gen.Frequency(
        (12, Gen.OneOfConst("alice", "bob", "reader", "plan")),
        (3, Gen.OneOfConst("", "é\"\\", "a b", "\U0001f600", "*")),
        (1, Gen.OneOfConst("\0", "\u0085", "\uFFFD", new string('x', 1_100))));

    private static readonly Gen<string> AnyApplication = Gen.Frequency((14, Gen.OneOfConst(Unset, "", Application, Application, "other")), (1, Gen.Const("no name")));

    private static readonly Gen<string> AnyTenant = Gen.Frequency((14, Gen.OneOfConst(Unset, "", "acme", "umbrella")), (1, Gen.Const("no name")));

    // ------------------------------------------------------------------ entities

    private static readonly Gen<string> GoodValue = Gen.OneOfConst(
        "true", "1", "-9223372036854775808", "\"x\"", "\"\\u0000\"", "\"\\ud83d\\ude00\"", "[]", "{}", "[1, 1, \"x\"]",
        """{"__entity": {"type": "User", "id": "nobody"}}""",
        """{"__extn": {"fn": "ip", "arg": "10.0.0.0/8"}}""",
        """{"__extn": {"fn": "decimal", "arg": "1.50"}}""",
        """{"__extn": {"fn": "datetime", "arg": "2024-01-01T00:00:00Z"}}""",
        """{"__extn": {"fn": "duration", "arg": "1d"}}""",
        // Records that look like what they are not.
        """{"__entity": 1}""", """{"__expr": 1}""", """{"__extn": {"fn": "ip", "arg": "::1"}, "a": 1}""", """{"a": 1, "__entity": {"type": "User", "id": "nobody"}}""");

    private static readonly Gen<string> BadValue = Gen.OneOfConst(
        "null", "1.5", "9223372036854775808", "\"\\ud800\"", "[1", """{"a": 1, "a": 2}""", """{"__expr": "1"}""", """{"__extn": {"fn": "ip", "arg": "nowhere"}}""", """{"__entity": {"type": "1", "id": ""}}""");

    // As deep as is read in an entity that is one of many, and in one by itself.
    private static readonly Gen<string> DeepValue = Gen.OneOfConst(61, 62).Select(depth => $"{new string('[', depth)}{new string(']', depth)}");

    private static readonly Gen<string> AnyRecord = Gen.Select(
        Gen.OneOfConst("name", "age", "owner", "", "é\"\\", "__entity", "__extn", "\0"),
        Gen.Frequency((10, GoodValue), (3, DeepValue), (1, BadValue))).Array[0, 3].Select(members => $"{{{string.Join(", ", members.Select(m => $"{Quote(m.Item1)}: {m.Item2}"))}}}");

    private static readonly Gen<string> UserAttributes = Gen.OneOfConst(
        "{}",
        """{"name": "é\u0000"}""",
        """{"age": -1, "groups": ["a", "a"]}""",
        """{"manager": {"__entity": {"type": "User", "id": "nobody"}}}""",
        """{"home": {"__extn": {"fn": "ip", "arg": "10.0.0.0/8"}}, "seen": {"__extn": {"fn": "datetime", "arg": "2024-01-01"}}}""");

    private static readonly Gen<string> DocumentAttributes = Gen.OneOfConst(
        """{"owner": {"__entity": {"type": "User", "id": "alice"}}}""",
        """{"owner": {"__entity": {"type": "User", "id": "nobody"}}, "size": {"__extn": {"fn": "decimal", "arg": "-0.5"}}}""");

    private static readonly Gen<string> Nothing = Gen.Const("{}");

    private static readonly Gen<string> Groups = Gen.OneOfConst("reader", "écrivain").Select(id => UidOf("Role", id));

    private static readonly Gen<string> AnyUid = Gen.Select(Gen.OneOfConst("User", "Role", "Action", "N::T"), Id).Select((type, id) => UidOf(type, id));

    private static readonly Gen<StoredEntity> AnyEntity = Gen.Frequency(
        (8, EntityOf(Gen.Const("User"), Id, Mostly(UserAttributes, AnyRecord), Mostly(Gen.OneOfConst("{}", """{"a": 1}"""), AnyRecord), Mostly(Groups, AnyUid))),
        (3, EntityOf(Gen.Const("Role"), Id, Mostly(Nothing, AnyRecord), Nothing, AnyUid)),
        (3, EntityOf(Gen.Const("Document"), Id, Mostly(DocumentAttributes, AnyRecord), Nothing, AnyUid)),
        (2, EntityOf(Gen.OneOfConst("Unknown", "N::T"), Id, AnyRecord, AnyRecord, AnyUid)),
        (2, EntityOf(Gen.OneOfConst("Action", "N::Action"), Gen.OneOfConst("read", "write", "zap"), Mostly(Nothing, AnyRecord), Nothing, Gen.OneOfConst("read", "all").Select(id => UidOf("Action", id)))),
        (1, EntityOf(Gen.OneOfConst("AuthSidecar::Administrator", "1", "", "__cedar::T"), Id, Nothing, Nothing, AnyUid)),
        (1, Gen.OneOfConst("", "[]", "{", "null").Select(json => new StoredEntity { Json = json })));

    private static readonly Gen<WriteEntitiesRequest> Writes = Gen.Select(
        AnyEntity.Array[1, 2],
        Mostly(Gen.OneOfConst("User::\"alice\"", "Role::\"reader\"", "Document::\"plan\"", "Action::\"read\""), Gen.OneOfConst("alice", "", "User::\"\\0\"")).Array[0, 1])
        .Select((written, removed) => new WriteEntitiesRequest { Entities = { written }, Removed = { removed } });

    // ------------------------------------------------------------------ policies

    private static readonly Gen<string> Operand = Gen.OneOfConst(
        "true", "1", "\"x\"", "principal", "resource", "context", "principal.name", "resource.owner", "(principal has name)", "[1, 2]", "{a: 1}", "ip(\"10.0.0.1\")", "ip(\"x\")", "User::\"alice\"",
        "context.risk.score", "principal.hasTag(\"a\")", "-9223372036854775808", "9223372036854775808");

    private static readonly Gen<string> Expression = Gen.Recursive<string>((depth, inner) => depth > 2 ? Operand : Gen.OneOf(
        Operand,
        Gen.Select(inner, Gen.OneOfConst("==", "<", "&&", "||", "+", "in"), inner).Select((a, symbol, b) => $"({a} {symbol} {b})"),
        Gen.Select(inner, inner, inner).Select((a, b, c) => $"(if {a} then {b} else {c})")));

    private static readonly Gen<string> AnyPolicy = Gen.Select(
        Gen.Frequency((16, Gen.Const("")), (1, Gen.OneOfConst("@id(\"p\") ", "@id(\"share\") ", "@step_up(\"mfa\") ", "@step_up_max_age_s(\"0\") ", "@obligation_log(\"x\") "))),
        Gen.OneOfConst("permit", "forbid"),
        Gen.Frequency(
            (16, Gen.OneOfConst(
                "principal, action, resource",
                "principal == User::\"alice\", action == Action::\"read\", resource",
                "principal in Role::\"reader\", action in [Action::\"read\", Action::\"write\"], resource is Document",
                "principal in ?principal, action, resource == ?resource")),
            (1, Gen.OneOfConst("principal, action == Action::\"zap\", resource", "principal is Nobody, action, resource", "principal"))),
        Gen.Frequency(
            (8, Gen.OneOfConst("", "when { principal has name && principal.name == \"x\" }", "when { principal in Role::\"reader\" } unless { context has risk }")),
            (1, Expression.Select(e => $"when {{ {e} }}"))))
        .Select((annotation, effect, scope, condition) => $"{annotation}{effect} ({scope}) {condition};");

    private static readonly Gen<string> AnySchema = Gen.Frequency(
        (2, Gen.Const(Unset)),
        (6, Gen.Const(SchemaText)),
        (2, Gen.OneOfConst(
            "entity Role; entity User in [Role]; entity Document; action \"read\", \"write\" appliesTo { principal: [User], resource: [Document] };",
            "entity Role; entity User, Document; action \"read\" appliesTo { principal: User, resource: Document, context: { now: String } };",
            "entity User in [Role];",
            "entity")));

    private static readonly Gen<string> AnyLinks = Gen.Frequency(
        (6, Gen.Const(Unset)),
        (6, Gen.OneOfConst(
            "[]",
            """[{"template": "share", "id": "one", "principal": "User::\"alice\"", "resource": "Document::\"plan\""}]""",
            """[{"template_id": "share", "link_id": "one", "args": {"?principal": "User::\"é\\\"\"", "?resource": "Document::\"plan\""}}]""")),
        (1, Gen.OneOfConst(
            "",
            "{}",
            """[{"template": "none", "id": "one", "principal": "User::\"alice\"", "resource": "Document::\"plan\""}]""",
            """[{"template": "share", "id": "share", "principal": "User::\"alice\"", "resource": "Document::\"plan\""}]""",
            """[{"template": "share", "id": "one"}]""")));

    private static readonly Gen<string> AnyPath = Mostly(
        Gen.OneOfConst("policies/a.cedar", "policies/b.cedar", "policies/c.cedar", "policies/team/d.cedar", "policies/é.cedar"),
        Gen.OneOfConst("policies/../x.cedar", "entities.json", "policies/.b.cedar", "policies/a.txt"));

    private static readonly Gen<Document[]> Publications = Gen.Select(Gen.Select(AnyPath, AnyPolicy.Array[0, 2]).Array[1, 2], AnySchema, AnyLinks, Gen.Int[0, 30]).Select((files, schema, links, flawed) =>
    {
        var texts = files.Select(f => (Path: f.Item1, Text: string.Join('\n', f.Item2))).ToList();
        if (schema != Unset)
        {
            texts.Add((SchemaFile.Name, schema));
        }

        if (links != Unset)
        {
            texts.Add(("policies/share.cedar", TemplateText));
            texts.Add((PolicyFiles.Links, links));
        }

        // Now and then one that is no UTF-8.
        return texts.Select((t, i) => new Document { Path = t.Path, Content = ByteString.CopyFrom([.. Encoding.UTF8.GetBytes(t.Text), i == flawed ? (byte)0xFF : (byte)'\n']) }).ToArray();
    });

    // ------------------------------------------------------------------ revocations and factors

    private static readonly Gen<long> NotBefore = Gen.Frequency(
        (3, Gen.Const(Never)),
        (5, Gen.Int[-400 * Day, 60].Select(s => Now + s)),
        (2, Gen.OneOfConst(0L, -1L, -Day, Now + Day, 253_402_300_799, 253_402_300_800, long.MinValue)));

    private static readonly Gen<long> Expires = Gen.Frequency(
        (3, Gen.Const(Never)),
        (6, Gen.Int[600, 29 * Day].Select(s => Now + s)),
        (1, Gen.OneOfConst(0L, -1L, Now - 1, Now + (31L * Day), 253_402_300_800)));

    private static readonly Gen<Revocation> AnyRevocation = Gen.Select(
        Mostly(Gen.OneOfConst("https://issuer.test", "https://é.test"), Text), Gen.Int[0, 9], Mostly(Gen.String[Gen.Char['a', 'z'], 1, 2], Text), NotBefore, Expires).Select((issuer, target, id, notBefore, expires) =>
    {
        var revocation = new Revocation { Issuer = issuer, NotBefore = TimeOf(notBefore), ExpiresAt = TimeOf(expires) };
        switch (target)
        {
            case < 3: revocation.TokenId = id; break;
            case < 6: revocation.SessionId = id; break;
            case < 9: revocation.Subject = id; break;
            default: break;
        }

        return revocation;
    });

    private static readonly Gen<string> AnySubject = Mostly(Id.Select(id => new EntityUid("User", id).ToString()), Gen.OneOfConst("alice", "User::alice", "", "1::\"a\"", "N :: User::\"a\""));

    private Snapshot _followed = Snapshot.Empty;
    private RevisionVector _held;

    private static int Times => Iterations.Of(100);

    private EntityService Entities => new(Node.Entities, new EntityImport(Node.Entities), Node.Store);

    [Fact]
    public async Task Entities_ThatAreAcceptedWithoutASchema_AreRead()
    {
        var outcomes = new List<bool>();
        foreach (var request in Writes.Array[Times].Single())
        {
            outcomes.Add(await IsAcceptedAsync(request, call => Entities.WriteEntities(request, call)));
        }

        AssertBoth(outcomes);
    }

    [Fact]
    public async Task Entities_ThatAreAcceptedUnderASchema_AreRead()
    {
        Assert.True((await Node.Policies.PublishAsync("test", Application, [new Document { Path = SchemaFile.Name, Content = ByteString.CopyFromUtf8(SchemaText) }], default, "", Cancellation)).Result.IsCommitted);
        var outcomes = new List<bool>();
        foreach (var request in Writes.Array[Times].Single())
        {
            outcomes.Add(await IsAcceptedAsync(request, call => Entities.WriteEntities(request, call)));
        }

        AssertBoth(outcomes);
    }

    /// <summary>What was written conforms to the schema of the moment, and need not conform to the next.</summary>
    [Fact]
    public async Task Policies_ThatAreAcceptedBetweenWritesOfEntities_AreRead()
    {
        var service = new PolicyService(Node.Policies, Node.Store);
        var (outcomes, current) = (new List<bool>(), "");
        foreach (var (entities, documents, chance) in Gen.Select(Writes, Publications, Gen.Int[0, 2]).Array[Times].Single())
        {
            if (chance == 0)
            {
                // What conforms to no schema would keep every schema out.
                await IsAcceptedAsync("nothing", call => Entities.WriteEntities(new WriteEntitiesRequest { Removed = { UidsIn(_followed) } }, call));
            }

            await IsAcceptedAsync(entities, call => Entities.WriteEntities(entities, call));
            var request = new PublishPoliciesRequest { Application = Application, Documents = { documents }, ExpectedRevision = current };
            outcomes.Add(await IsAcceptedAsync(
                string.Join('\n', documents.Select(d => $"{d.Path}: {d.Content.ToStringUtf8()}")),
                async call => current = (await service.PublishPolicies(request, call)).Revision));
        }

        AssertBoth(outcomes);
    }

    [Fact]
    public async Task Revocations_ThatAreAccepted_AreRead()
    {
        var service = new RevocationService(Node.Entries, Node.Store, TimeProvider.System);
        var outcomes = new List<bool>();
        foreach (var (revocation, application, chance) in Gen.Select(AnyRevocation, AnyApplication, Gen.Int[0, 9]).Array[Times].Single())
        {
            outcomes.Add(await IsAcceptedAsync(revocation, async call =>
            {
                await service.Revoke(new RevokeRequest { Revocation = revocation, Application = OrEmpty(application) }, call);
                if (chance == 0)
                {
                    await service.RemoveRevocation(new RemoveRevocationRequest { Revocation = revocation, Application = OrEmpty(application) }, call);
                }
            }));
        }

        AssertBoth(outcomes);
    }

    [Fact]
    public async Task Factors_ThatAreAccepted_AreRead()
    {
        var secrets = new SecretStore(Node.Store, new LocalKeyVault("test", () => Convert.ToBase64String(new byte[32])));
        await secrets.OpenAsync(Cancellation);
        var service = new FactorService(Node.Entries, secrets);
        var outcomes = new List<bool>();
        foreach (var (kind, subject, id, application, tenant, account) in Gen.Select(
            Gen.Int[0, 4], AnySubject, Mostly(Gen.OneOfConst("phone", "tablet", "codes", "paper"), Text), AnyApplication, AnyTenant, Mostly(Gen.OneOfConst("", "alice@acme.test"), Text)).Array[Times].Single())
        {
            outcomes.Add(await IsAcceptedAsync($"{kind}: {id} of {subject} for {application}/{tenant}", async call =>
            {
                switch (kind)
                {
                    case 0 or 1:
                        await service.EnrolTotp(new EnrolTotpRequest { Subject = subject, FactorId = id, Application = OrEmpty(application), Tenant = OrEmpty(tenant), Account = account }, call);
                        break;
                    case 2 or 3:
                        await service.EnrolBackupCodes(new EnrolBackupCodesRequest { Subject = subject, FactorId = id, Application = OrEmpty(application), Tenant = OrEmpty(tenant) }, call);
                        break;
                    default:
                        await service.RemoveFactor(new RemoveFactorRequest { Subject = subject, FactorId = id, Application = OrEmpty(application), Tenant = OrEmpty(tenant) }, call);
                        break;
                }
            }));
        }

        AssertBoth(outcomes);
    }

    private static void AssertBoth(List<bool> outcomes)
    {
        var accepted = outcomes.Count(o => o);
        Assert.True(accepted > 5 && outcomes.Count - accepted > 5, $"{accepted} of {outcomes.Count} accepted");
    }

    /// <summary>Writes, and where that is accepted has it read.</summary>
    /// <returns>Whether it was accepted.</returns>
    private async Task<bool> IsAcceptedAsync(object given, Func<ServerCallContext, Task> write)
    {
        try
        {
            await write(new TestCall());
        }
        catch (RpcException e) when (e.StatusCode is StatusCode.InvalidArgument or StatusCode.AlreadyExists or StatusCode.NotFound)
        {
            return false;
        }
        catch (Exception e) when (NullCharacterException.IsIn(e))
        {
            return false;
        }

        (_followed, _held) = await ReadAsync(given, _followed, _held);
        var (anew, _) = await ReadAsync(given, Snapshot.Empty, default);
        Assert.Equal(UidsIn(anew), UidsIn(_followed));
        return true;
    }

    /// <summary>What a sidecar does with what it lacks.</summary>
    private async Task<(Snapshot Snapshot, RevisionVector Held)> ReadAsync(object given, Snapshot snapshot, RevisionVector held)
    {
        foreach (var bundle in await Node.ReadUnsignedAsync("", held))
        {
            var faults = new List<Fault>();
            var change = new BundleChange
            {
                Documents = new BundleFiles(new SortedDictionary<string, byte[]>(bundle.Documents.ToDictionary(), StringComparer.Ordinal)),
                Revision = Node.Store.At(bundle.Revision),
                Now = TimeProvider.System.GetUtcNow(),
                IsDelta = bundle.BaseRevision > 0,
                Removed = [.. bundle.Removed.Select(text => EntityUid.TryParse(text, out var uid, out var fault) ? uid : throw new InvalidDataException(fault.ToString()))],
            };
            snapshot = DataTypes.Find((int)bundle.Type)!.Apply(snapshot, change, faults) ?? snapshot;
            Assert.True(faults.Count == 0, $"accepted, and not read ({bundle.Type}, {(change.IsDelta ? "a change" : "in full")}):\n{string.Join('\n', faults)}\n{given}");
            held = held.With(bundle.Type, bundle.Revision);
        }

        return (snapshot, held);
    }

    // Without actions, which come with the schema.
    private static IEnumerable<string> UidsIn(Snapshot snapshot) => snapshot.Entities.Value.Store.Entities.Concat(snapshot.Entities.Value.Unseen.Values)
        .Where(e => !EntityType.IsAction(e.Uid.Type))
        .Select(e => e.Uid.ToString())
        .Order(StringComparer.Ordinal);

    private static Gen<StoredEntity> EntityOf(Gen<string> type, Gen<string> id, Gen<string> attributes, Gen<string> tags, Gen<string> parent) =>
        Gen.Select(type, id, attributes, tags, parent.Array[0, 1], AnyApplication, AnyTenant).Select((itsType, itsId, itsAttributes, itsTags, parents, application, tenant) =>
        {
            var entity = new StoredEntity { Json = $$"""{"uid": {{UidOf(itsType, itsId)}}, "attrs": {{itsAttributes}}, "tags": {{itsTags}}, "parents": [{{string.Join(", ", parents)}}]}""" };
            if (application != Unset)
            {
                entity.Application = application;
            }

            if (tenant != Unset)
            {
                entity.Tenant = tenant;
            }

            return entity;
        });

    private static string UidOf(string type, string id) => $$"""{"type": {{Quote(type)}}, "id": {{Quote(id)}} }""";

    private static string Quote(string text) => JsonSerializer.Serialize(text);

    private static string OrEmpty(string name) => name == Unset ? "" : name;

    private static Timestamp? TimeOf(long seconds) => seconds == Never ? null : new Timestamp { Seconds = seconds, Nanos = 1 };

    private static Gen<string> Mostly(Gen<string> usual, Gen<string> other) => Gen.Frequency((9, usual), (1, other));
}

public sealed class SqliteStoredIsReadableTests() : StoredIsReadableTests(new SqliteTestDatabase());

public sealed class PostgresStoredIsReadableTests(PostgresServer server) : StoredIsReadableTests(new PostgresTestDatabase(server));
