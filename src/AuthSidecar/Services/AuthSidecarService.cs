using AuthSidecar.Decisions;
using AuthSidecar.Mfa;
using AuthSidecar.Snapshots;
using AuthSidecar.Tokens;
using Grpc.Core;
using Wire = AuthSidecar.V1;

namespace AuthSidecar.Services;

/// <summary>The public contract over gRPC: reads the wire, takes one snapshot and one moment, and lets the domain answer.</summary>
internal sealed partial class AuthSidecarService(
    SnapshotCache snapshots,
    DecisionPoint decisions,
    TokenValidator tokens,
    MfaVerifier mfa,
    TimeProvider time,
    ILogger<AuthSidecarService> logger)
{
    public async Task<Wire.ValidateTokenResponse> ValidateToken(Wire.ValidateTokenRequest request, ServerCallContext context)
    {
        var read = RequestReader.Read(request);
        var snapshot = await SnapshotFor(request.AtLeastRevision, context);
        var now = time.GetUtcNow();
        var result = tokens.Validate(read, snapshot.Issuers.Value, snapshot.Revocations.Value, now);
        return AnswerWriter.Write(result, Freshness(snapshot, now, ofToken: true));
    }

    public Task<Wire.CheckPermissionResponse> CheckPermission(Wire.CheckPermissionRequest request, ServerCallContext context)
    {
        var read = RequestReader.Read(request);
        // The common case has its snapshot at hand, and then nothing of the call is asynchronous.
        return request.AtLeastRevision == 0
            ? Task.FromResult(Check(read, Current))
            : AwaitSnapshot(read, request.AtLeastRevision, context);

        async Task<Wire.CheckPermissionResponse> AwaitSnapshot(CheckRequest check, ulong revision, ServerCallContext call) =>
            Check(check, await SnapshotFor(revision, call));
    }

    public async Task<Wire.CheckPermissionsResponse> CheckPermissions(Wire.CheckPermissionsRequest request, ServerCallContext context)
    {
        var checks = RequestReader.Read(request);
        var snapshot = await SnapshotFor(request.AtLeastRevision, context);
        var now = time.GetUtcNow();
        var validated = new Dictionary<TokenRequest, TokenResult>(ReferenceEqualityComparer.Instance);
        var response = new Wire.CheckPermissionsResponse();
        foreach (var check in checks)
        {
            // A batch can be long enough for its caller to lose patience.
            context.CancellationToken.ThrowIfCancellationRequested();
            response.Results.Add(Write(decisions.Check(check, ValidateOnce(check.Token), snapshot, now), check, snapshot, now));
        }

        return response;

        TokenResult ValidateOnce(TokenRequest? token)
        {
            if (token is null)
            {
                return TokenResult.Reject(TokenError.Missing);
            }

            if (!validated.TryGetValue(token, out var result))
            {
                result = tokens.Validate(token, snapshot.Issuers.Value, snapshot.Revocations.Value, now);
                validated.Add(token, result);
            }

            return result;
        }
    }

    public Task<Wire.EvaluateRiskResponse> EvaluateRisk(Wire.EvaluateRiskRequest request, ServerCallContext context)
    {
        var (subject, signals, action) = RequestReader.Read(request);
        var snapshot = Current;
        var now = time.GetUtcNow();
        var assessment = decisions.EvaluateRisk(subject, signals, action, snapshot, now);
        var freshness = new Wire.Freshness { Risk = AnswerWriter.WriteFreshness(snapshot.Risk.Revision, snapshots.Age(now)) };
        return Task.FromResult(AnswerWriter.Write(assessment, freshness));
    }

    public Task<Wire.VerifyMfaResponse> VerifyMfa(Wire.VerifyMfaRequest request, ServerCallContext context)
    {
        var read = RequestReader.Read(request);
        var snapshot = Current;
        var now = time.GetUtcNow();
        try
        {
            var result = mfa.Verify(read, snapshot.Factors.Value, now);
            var freshness = new Wire.Freshness { Factors = AnswerWriter.WriteFreshness(snapshot.Factors.Revision, snapshots.Age(now)) };
            return Task.FromResult(AnswerWriter.Write(result, freshness));
        }
        catch (IOException e)
        {
            Log.ClaimFailed(logger, e);
            throw Failures.ClaimStoreUnavailable();
        }
    }

    private Snapshot Current => snapshots.Current ?? throw Failures.NoSnapshot();

    private async ValueTask<Snapshot> SnapshotFor(ulong atLeast, ServerCallContext context)
    {
        if (atLeast == 0 || snapshots.Current is { } current && current.Revision.Number >= atLeast)
        {
            return Current;
        }

        try
        {
            return await snapshots.WaitForAsync(new Revision(atLeast), context.CancellationToken);
        }
        catch (OperationCanceledException)
        {
            throw Failures.RevisionNotReached(atLeast, snapshots.Current?.Revision.Number ?? 0);
        }
    }

    private Wire.CheckPermissionResponse Check(CheckRequest request, Snapshot snapshot)
    {
        var now = time.GetUtcNow();
        return Write(decisions.Check(request, snapshot, now), request, snapshot, now);
    }

    private Wire.CheckPermissionResponse Write(CheckAnswer answer, CheckRequest request, Snapshot snapshot, DateTimeOffset now)
    {
        var freshness = Freshness(snapshot, now, request.Token is not null);
        var age = snapshots.Age(now);
        freshness.Policies = AnswerWriter.WriteFreshness(snapshot.Policies.Revision, age);
        freshness.Entities = AnswerWriter.WriteFreshness(snapshot.Entities.Revision, age);
        freshness.Risk = request.RiskSignals is null ? null : AnswerWriter.WriteFreshness(snapshot.Risk.Revision, age);
        var response = AnswerWriter.Write(answer, freshness, now);
        Log.Decided(logger, response.DecisionId, response.Decision, response.Reason, snapshot.Revision);
        return response;
    }

    private Wire.Freshness Freshness(Snapshot snapshot, DateTimeOffset now, bool ofToken)
    {
        var age = snapshots.Age(now);
        return ofToken
            ? new Wire.Freshness
            {
                Keys = AnswerWriter.WriteFreshness(snapshot.Issuers.Revision, age),
                Revocations = AnswerWriter.WriteFreshness(snapshot.Revocations.Revision, age),
            }
            : new Wire.Freshness();
    }

    private static partial class Log
    {
        [LoggerMessage(20, LogLevel.Debug, "decision {DecisionId}: {Decision}, {Reason}, at revision {Revision}", EventName = "Decided")]
        public static partial void Decided(ILogger logger, string decisionId, Wire.Decision decision, Wire.DecisionReason reason, Revision revision);

        [LoggerMessage(21, LogLevel.Error, "the claim store failed; no second factor is accepted until it works again", EventName = "ClaimFailed")]
        public static partial void ClaimFailed(ILogger logger, Exception exception);
    }
}
