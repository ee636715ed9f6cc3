using System.Buffers;
using AuthSidecar.Api.Wire;
using AuthSidecar.Decisions;
using AuthSidecar.Tokens;
using AuthSidecar.V1;
using Google.Protobuf;
using Google.Rpc;
using Grpc.Core;
using Microsoft.AspNetCore.Http;

namespace AuthSidecar.Tests.Api.Wire;

/// <summary>What a batch's checks share is what each would have said itself; and it is read once.</summary>
public sealed class BatchDefaultsTests
{
    private static readonly Action<CheckPermissionRequest, string>[] Parts =
    [
        (r, who) => r.Token = $"token of {who}",
        (r, who) => r.Principal = new EntityUid { Type = "User", Id = who },
        (r, who) => r.TokenProof = new TokenProof { ClientCertificateSha256 = ByteString.CopyFrom([.. Enumerable.Repeat((byte)who.Length, 32)]) },
        (r, who) => r.Action = new EntityUid { Id = who },
        (r, who) => r.Resource = EntityOf(who),
        (r, who) => r.Context[who] = new Value { String = who },
        (r, who) => r.Entities.Add([EntityOf($"{who}1"), EntityOf($"{who}2")]),
        (r, who) => r.RiskSignals = new RiskSignals { Device = new DeviceSignal { DeviceId = who } },
        (r, who) => r.MfaProof = who,
        (r, _) => r.Explain = true,
    ];

    [Fact]
    public void ReadBatch_AnySplitOfFieldsBetweenDefaultsAndChecks_ReadsAsIfEachSaidItAll()
    {
        for (var split = 0; split < 1 << (2 * Parts.Length); split += 97)
        {
            var (defaults, own) = (Of("default", split), Of("own", split >> Parts.Length));
            // One that says nothing comes before and after it, so that what is shared is read both before and after.
            var batch = new CheckPermissionsRequest { Defaults = defaults, Checks = { Of("own", 0), own, Of("own", 0) } };
            var merged = new[] { Of("own", 0), own, Of("own", 0) }.Select(c => Merge(c, defaults)).ToList();
            var (read, single) = (TryRead(batch), merged.Select(TryRead).ToList());
            if (single.Contains(null))
            {
                Assert.Null(read);
                continue;
            }

            Assert.Equal(single.Select(Describe), read!.Select(Describe));
        }
    }

    [Fact]
    public void ReadBatch_LargeDefaults_ReadOnce()
    {
        var defaults = new CheckPermissionRequest { Principal = new EntityUid { Type = "User", Id = "alice" }, Action = new EntityUid { Id = "read" }, MfaProof = new string('p', 4096) };
        for (var i = 0; i < 60; i++)
        {
            defaults.Entities.Add(EntityOf($"e{i}"));
            defaults.Entities[i].Attributes.Add("text", new Value { String = new string('x', 4_000) });
            defaults.Entities[i].Parents.Add(Enumerable.Range(0, 60).Select(p => new EntityUid { Type = "Folder", Id = $"f{p}" }));
        }

        var one = new CheckPermissionsRequest { Defaults = defaults, Checks = { new CheckPermissionRequest { Resource = EntityOf("r0") } } };
        var many = new CheckPermissionsRequest { Defaults = defaults, Checks = { Enumerable.Range(0, 200).Select(i => new CheckPermissionRequest { Resource = EntityOf($"r{i}") }) } };
        TryRead(one);
        TryRead(many);
        var (ofOne, ofMany) = (AllocatedBy(one), AllocatedBy(many));
        // What each check has of its own: its resource, and the array of the entities.
        Assert.InRange(ofMany - ofOne, 0, 200 * 2_000);
    }

    [Fact]
    public void ReadBatch_ParentsWithoutEnd_AreValuesOfTheRequest()
    {
        var batch = new CheckPermissionsRequest { Defaults = new CheckPermissionRequest { Principal = new EntityUid { Type = "User", Id = "alice" }, Action = new EntityUid { Id = "read" } } };
        for (var i = 0; i < 200; i++)
        {
            var check = new CheckPermissionRequest { Resource = EntityOf("r") };
            check.Resource.Parents.Add(Enumerable.Range(0, 64).Select(p => new EntityUid { Type = "F", Id = $"{p}" }));
            check.Entities.Add(check.Resource.Clone());
            check.Entities[0].Uid.Id = "other";
            batch.Checks.Add(check);
        }

        var violation = Assert.Single(ViolationsOf(batch));
        Assert.Equal("too many values: limit 16384 per request", violation.Description);
    }

    [Fact]
    public void ReadBatch_TextsThatAreTooLong_AreViolations()
    {
        var batch = new CheckPermissionsRequest { Defaults = new CheckPermissionRequest { Principal = new EntityUid { Type = "User", Id = "alice" }, Action = new EntityUid { Id = "read" }, Resource = EntityOf("r") }, Checks = { new CheckPermissionRequest() } };
        batch.Defaults.MfaProof = new string('p', 4097);
        batch.Defaults.RiskSignals = new RiskSignals { Network = new NetworkSignal { PeerAddress = new string('1', 257), ForwardedFor = { "192.0.2.1", new string('1', 257) } } };
        Assert.Equal(
            ["defaults.risk_signals.network.peer_address", "defaults.risk_signals.network.forwarded_for[1]", "defaults.mfa_proof"],
            ViolationsOf(batch).Select(v => v.Field));
    }

    private static CheckPermissionRequest Of(string who, int parts)
    {
        var request = new CheckPermissionRequest();
        for (var i = 0; i < Parts.Length; i++)
        {
            if ((parts & (1 << i)) != 0)
            {
                Parts[i](request, who);
            }
        }

        return request;
    }

    /// <summary>As the contract says it: `defaults` counts for each field that a check leaves out; a subject is either of two fields.</summary>
    private static CheckPermissionRequest Merge(CheckPermissionRequest own, CheckPermissionRequest defaults)
    {
        var merged = defaults.Clone();
        if (own.SubjectCase != CheckPermissionRequest.SubjectOneofCase.None)
        {
            merged.ClearSubject();
        }

        if (own.Context.Count > 0)
        {
            merged.Context.Clear();
        }

        if (own.Entities.Count > 0)
        {
            merged.Entities.Clear();
        }

        if (own.Resource is not null)
        {
            merged.Resource = null;
        }

        if (own.TokenProof is not null)
        {
            merged.TokenProof = null;
        }

        if (own.Action is not null)
        {
            merged.Action = null;
        }

        if (own.RiskSignals is not null)
        {
            merged.RiskSignals = null;
        }

        merged.MergeFrom(own);
        return merged;
    }

    private static string Describe(CheckRequest? check) => string.Join(
        "; ",
        check!.Principal,
        check.Token?.Token.Reveal(),
        check.Token is null ? "" : Convert.ToHexString(check.Token.CertificateSha256),
        check.Action,
        check.Resource,
        string.Join(", ", check.Entities.Select(e => $"{e.Uid} {e.Attributes} {string.Join(' ', e.Parents)}")),
        check.Context,
        check.RiskSignals?.Device?.DeviceId,
        check.MfaProof.Reveal(),
        check.Explain);

    private static Entity EntityOf(string id) => new() { Uid = new EntityUid { Type = "Document", Id = id }, Attributes = { ["name"] = new Value { String = id } } };

    private static RequestReader Reader() => new(new VerifiedTokenCache(10));

    private static CallDeadline Limits() => new(new DefaultHttpContext(), timeout: null, TimeProvider.System);

    private static CheckRequest? TryRead(CheckPermissionRequest request)
    {
        try
        {
            return Reader().ReadCheck(new ReadOnlySequence<byte>(request.ToByteArray()), Limits());
        }
        catch (RpcException)
        {
            return null;
        }
    }

    private static IReadOnlyList<CheckRequest>? TryRead(CheckPermissionsRequest request)
    {
        try
        {
            return Reader().ReadBatch(new ReadOnlySequence<byte>(request.ToByteArray()), Limits()).Checks;
        }
        catch (RpcException)
        {
            return null;
        }
    }

    private static long AllocatedBy(CheckPermissionsRequest request)
    {
        var (reader, bytes, limits) = (Reader(), request.ToByteArray(), Limits());
        var before = GC.GetAllocatedBytesForCurrentThread();
        reader.ReadBatch(new ReadOnlySequence<byte>(bytes), limits);
        return GC.GetAllocatedBytesForCurrentThread() - before;
    }

    private static IEnumerable<BadRequest.Types.FieldViolation> ViolationsOf(CheckPermissionsRequest request) => Assert
        .Throws<RpcException>(() => Reader().ReadBatch(new ReadOnlySequence<byte>(request.ToByteArray()), Limits()))
        .GetRpcStatus()!.GetDetail<BadRequest>()!.FieldViolations;
}
