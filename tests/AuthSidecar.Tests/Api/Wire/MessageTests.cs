using System.Buffers;
using AuthSidecar.Api.Wire;
using AuthSidecar.Tokens;
using AuthSidecar.V1;
using CsCheck;
using Google.Protobuf;
using Grpc.Core;

namespace AuthSidecar.Tests.Api.Wire;

/// <summary>Our own reading and writing of the wire against the generated messages.</summary>
public sealed class MessageTests
{
    private static readonly Gen<string> Text = Gen.OneOf(Gen.OneOfConst("", "a", "User", "tenant", "ä", "日本語", "🦊", "ids-may-be-long-enough-to-need-both-ends"), Gen.String[Gen.Char['a', 'z'], 0, 200]);

    private static readonly Gen<EntityUid> Uid = Gen.Select(Gen.OneOfConst("User", "Docs::Document", "Role", "A"), Text, (type, id) => new EntityUid { Type = type, Id = id });

    private static readonly Gen<Value> Values = Gen.Recursive<Value>((depth, inner) => depth > 4 ? Gen.Bool.Select(b => new Value { Bool = b }) : Gen.Frequency(
        (2, Gen.Bool.Select(b => new Value { Bool = b })),
        (2, Gen.Long.Select(n => new Value { Long = n })),
        (2, Text.Select(s => new Value { String = s })),
        (2, Uid.Select(u => new Value { Entity = u })),
        (1, inner.Array[0, 4].Select(items => new Value { Set = new SetValue { Items = { items } } })),
        (1, Gen.Select(Text, inner).Array[0, 4].Select(fields => new Value { Record = Record(fields) })),
        (1, Gen.OneOfConst("1.5", "-0.0001").Select(d => new Value { Decimal = d })),
        (1, Gen.OneOfConst("10.0.0.0/8", "::1").Select(ip => new Value { Ip = ip })),
        (1, Gen.OneOfConst("2026-01-31", "2026-01-31T23:59:59.999Z").Select(t => new Value { Datetime = t })),
        (1, Gen.OneOfConst("1d2h", "-1ms").Select(d => new Value { Duration = d }))));

    private static readonly Gen<Entity> Entities = Gen.Select(Uid, Gen.Select(Text, Values).Array[0, 6], Uid.Array[0, 4], (uid, attributes, parents) => new Entity { Uid = uid, Attributes = { Fields(attributes) }, Parents = { parents } });

    private static readonly Gen<Revision> Revisions = Gen.Select(Gen.OneOf(Gen.Const(0UL), Gen.ULong[1, (1UL << 60) - 1]), Gen.OneOf(Gen.Const(0L), Gen.Long[1, long.MaxValue]), (history, number) => new Revision(new History(history), (ulong)number));

    private static readonly Gen<CheckPermissionRequest> Checks = Gen.Select(
        Gen.OneOf(Uid.Select(u => (object)u), Text.Select(t => (object)t)), Uid, Entities, Gen.Select(Text, Values).Array[0, 6], Entities.Array[0, 3], Gen.Bool, Revisions, Text,
        (subject, action, resource, context, entities, explain, revision, proof) =>
        {
            var request = new CheckPermissionRequest { Action = action, Resource = resource, Context = { Fields(context) }, Entities = { entities }, Explain = explain, AtLeastRevision = TextOf(revision), MfaProof = proof };
            if (subject is EntityUid principal)
            {
                request.Principal = principal;
            }
            else
            {
                request.Token = (string)subject;
            }

            return request;
        });

    [Fact]
    public void ReadCheck_AnyRequest_SaysWhatTheGeneratedMessageSays() => Checks.Sample(
        request =>
        {
            var check = Read(request.ToByteArray());
            Assert.Equal(request.HasToken ? request.Token : null, check.Token?.Token.Reveal());
            Assert.Equal(request.Principal is { } p ? Cedar(p) : null, check.Principal);
            Assert.Equal(Cedar(request.Action), check.Action);
            Assert.Equal(Cedar(request.Resource.Uid), check.Resource);
            Assert.Equal(Cedar(request.Context), check.Context);
            var given = request.Entities.Prepend(request.Resource).ToArray();
            Assert.Equal(given.Select(e => Cedar(e.Uid)), check.Entities.Select(e => e.Uid));
            Assert.Equal(given.Select(e => Cedar(e.Attributes)), check.Entities.Select(e => e.Attributes));
            Assert.Equal(given.SelectMany(e => e.Parents.Select(Cedar)), check.Entities.SelectMany(e => e.Parents));
            Assert.Equal((request.Explain, request.AtLeastRevision, request.MfaProof), (check.Explain, TextOf(check.AtLeast), check.MfaProof.Reveal()));
        },
        iter: 20_000);

    [Fact]
    public void ReadCheck_SpoiltBytes_NothingButARefusal()
    {
        var (read, refused) = (0, 0);
        Gen.Select(Checks, Gen.Int[0, int.MaxValue], Gen.Byte, Gen.Int[0, 2]).Sample(
            (request, at, value, how) =>
            {
                var bytes = request.ToByteArray();
                at %= bytes.Length;
                bytes = how switch
                {
                    0 => [.. bytes[..at], value, .. bytes[(at + 1)..]],
                    1 => bytes[..at],
                    _ => [.. bytes[..at], value, .. bytes[at..]],
                };
                try
                {
                    Read(bytes);
                    // What we take, the generated reader takes.
                    CheckPermissionRequest.Parser.ParseFrom(bytes);
                    Interlocked.Increment(ref read);
                }
                catch (RpcException e)
                {
                    Assert.Equal(StatusCode.InvalidArgument, e.StatusCode);
                    Interlocked.Increment(ref refused);
                }
            },
            iter: 100_000);
        Assert.True(read > 1_000 && refused > 1_000, $"{read} read, {refused} refused");
    }

    [Theory]
    [InlineData("action")]
    [InlineData("principal")]
    [InlineData("token")]
    [InlineData("resource.uid")]
    [InlineData("resource.attributes.a")]
    public void ReadCheck_FieldGivenTwice_Refused(string field)
    {
        var request = new CheckPermissionRequest
        {
            Action = new EntityUid { Id = "read" },
            Principal = new EntityUid { Type = "User", Id = "alice" },
            Resource = new Entity { Uid = new EntityUid { Type = "Document", Id = "plan" }, Attributes = { ["a"] = new Value { Long = 1 } } },
        };
        if (field == "token")
        {
            request.Token = "x";
        }

        var good = request.ToByteArray();
        Read(good);
        byte[] twice = field switch
        {
            "action" => [.. good, .. new CheckPermissionRequest { Action = new EntityUid { Id = "delete" } }.ToByteArray()],
            "principal" => [.. good, .. new CheckPermissionRequest { Principal = new EntityUid { Type = "User", Id = "root" } }.ToByteArray()],
            "token" => [.. good, .. new CheckPermissionRequest { Token = "y" }.ToByteArray()],
            "resource.uid" => WithResource([.. request.Resource.ToByteArray(), .. new Entity { Uid = new EntityUid { Type = "Document", Id = "other" } }.ToByteArray()]),
            _ => WithResource([.. request.Resource.ToByteArray(), .. new Entity { Attributes = { ["a"] = new Value { Long = 2 } } }.ToByteArray()]),
        };
        var e = Assert.Throws<RpcException>(() => Read(twice));
        Assert.Equal($"{field}: given twice", e.Status.Detail);

        byte[] WithResource(byte[] resource)
        {
            request.Resource = null;
            // Field 5 of wire type 2.
            return [.. request.ToByteArray(), 5 << 3 | 2, (byte)resource.Length, .. resource];
        }
    }

    [Fact]
    public void ReadCheck_TokenAndPrincipal_Refused()
    {
        byte[] both = [.. new CheckPermissionRequest { Token = "x" }.ToByteArray(), .. new CheckPermissionRequest { Principal = new EntityUid { Type = "User", Id = "root" } }.ToByteArray()];
        Assert.Contains("mutually exclusive", Assert.Throws<RpcException>(() => Read(both)).Status.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public void Write_MessagesOfEverySize_ReadAsTheyWereWritten()
    {
        foreach (var size in new[] { 0, 1, 100, 126, 127, 128, 129, 400, 16_383, 16_384, 20_000, 3_000_000 })
        {
            var writer = new MessageWriter();
            for (var i = 0; i < 2; i++)
            {
                var result = writer.Begin(1);
                writer.Varint(1, (ulong)Decision.Allow);
                writer.Text(4, new string('ä', size / 2));
                var freshness = writer.Begin(12);
                writer.End(freshness);
                writer.End(result);
            }

            var expected = new CheckPermissionResponse { Decision = Decision.Allow, Detail = new string('ä', size / 2), Freshness = new Freshness() };
            Assert.Equal(new CheckPermissionsResponse { Results = { expected, expected } }, CheckPermissionsResponse.Parser.ParseFrom(writer.ToArray()));
        }
    }

    [Fact]
    public void ReadValidation_AnyRequest_SaysWhatTheGeneratedMessageSays() => Gen.Select(Text, Text, Text.Array[0, 5], Gen.Bool, Revisions).Sample(
        (token, audience, scopes, isBound, revision) =>
        {
            var proof = isBound ? new TokenProof { Dpop = new DpopProof { Proof = "proof", HttpMethod = "GET", HttpUri = "https://x.test/" } } : null;
            var request = new ValidateTokenRequest { Token = token, Audience = audience, RequiredScopes = { scopes }, Proof = proof, AtLeastRevision = TextOf(revision) };
            var read = new RequestReader(new VerifiedTokenCache(1)).ReadValidation(new ReadOnlySequence<byte>(request.ToByteArray()), default);
            Assert.Equal((token, audience, revision), (read.Token.Token.Reveal(), read.Token.Audience ?? "", read.AtLeast));
            Assert.Equal(scopes, read.Token.RequiredScopes);
            Assert.Equal((isBound, isBound ? "proof" : null), (read.Token.Dpop is not null, read.Token.Dpop?.Proof.Reveal()));
        },
        iter: 2_000);

    [Fact]
    public void ReadValidation_SpoiltBytes_NothingButARefusal()
    {
        var good = new ValidateTokenRequest { Token = "a.b.c", RequiredScopes = { "x", "y" }, Audience = "mail" }.ToByteArray();
        var reader = new RequestReader(new VerifiedTokenCache(1));
        for (var i = 0; i < good.Length * 256; i++)
        {
            var spoilt = good.ToArray();
            spoilt[i / 256] = (byte)i;
            try
            {
                reader.ReadValidation(new ReadOnlySequence<byte>(spoilt), default);
            }
            catch (RpcException e)
            {
                Assert.Equal(StatusCode.InvalidArgument, e.StatusCode);
            }
        }

        Assert.Throws<RpcException>(() => reader.ReadValidation(new ReadOnlySequence<byte>([.. good, .. good]), default));
        var many = new ValidateTokenRequest { RequiredScopes = { Enumerable.Range(0, 33).Select(i => $"s{i}") } };
        Assert.Throws<RpcException>(() => reader.ReadValidation(new ReadOnlySequence<byte>(many.ToByteArray()), default));
    }

    private static AuthSidecar.Decisions.CheckRequest Read(byte[] bytes) => new RequestReader(new VerifiedTokenCache(1)).ReadCheck(new ReadOnlySequence<byte>(bytes), default);

    private static RecordValue Record((string, Value)[] fields) => new() { Fields = { Fields(fields) } };

    private static Dictionary<string, Value> Fields((string Name, Value Value)[] fields) =>
        fields.Where(f => !ContextContract.IsReserved(f.Name)).DistinctBy(f => f.Name).ToDictionary(f => f.Name, f => f.Value);

    private static Cedar.EntityUid Cedar(EntityUid uid) => new(uid.Type, uid.Id);

    private static Cedar.ValueRecord Cedar(IEnumerable<KeyValuePair<string, Value>> fields) =>
        AuthSidecar.Cedar.ValueRecord.Create([.. fields.Select(f => KeyValuePair.Create(f.Key, Cedar(f.Value)))]);

    private static Cedar.Value Cedar(Value value) => value.KindCase switch
    {
        Value.KindOneofCase.Bool => AuthSidecar.Cedar.Value.Of(value.Bool),
        Value.KindOneofCase.Long => AuthSidecar.Cedar.Value.Of(value.Long),
        Value.KindOneofCase.String => AuthSidecar.Cedar.Value.Of(value.String),
        Value.KindOneofCase.Entity => AuthSidecar.Cedar.Value.Of(Cedar(value.Entity)),
        Value.KindOneofCase.Set => AuthSidecar.Cedar.Value.Of(AuthSidecar.Cedar.ValueSet.Create([.. value.Set.Items.Select(Cedar)])),
        Value.KindOneofCase.Record => AuthSidecar.Cedar.Value.Of(Cedar(value.Record.Fields)),
        Value.KindOneofCase.Decimal => Constant($"decimal(\"{value.Decimal}\")"),
        Value.KindOneofCase.Ip => Constant($"ip(\"{value.Ip}\")"),
        Value.KindOneofCase.Datetime => Constant($"datetime(\"{value.Datetime}\")"),
        _ => Constant($"duration(\"{value.Duration}\")"),
    };

    private static Cedar.Value Constant(string text) =>
        AuthSidecar.Cedar.ValueExtensions.TryParse(text, out var value, out var fault) ? value : throw new InvalidOperationException(fault.ToString());

    private static string TextOf(Revision revision) => revision == default ? "" : revision.ToString();
}
