using AuthSidecar.Api.Wire;
using AuthSidecar.Decisions;
using AuthSidecar.Issuers;
using AuthSidecar.Mfa;
using AuthSidecar.Snapshots;
using AuthSidecar.Telemetry;

namespace AuthSidecar.Api.Calls;

/// <summary>The public contract over gRPC: reads the wire, takes one snapshot and one moment, and lets the domain answer.</summary>
internal sealed partial class AuthSidecarService(
    SnapshotCache snapshots,
    SourceHealth source,
    DecisionPoint decisions,
    DecisionCounter counter,
    TokenValidator tokens,
    OpaqueTokens opaqueTokens,
    MfaVerifier mfa,
    MaxStaleness maxStaleness,
    MismatchLog mismatches,
    TimeProvider time,
    ILogger<AuthSidecarService> logger)
{
    /// <summary>How many may wait for a revision at once.</summary>
    private const int MaxWaiting = 1_024;

    private static readonly DataTypeSet ForToken = DataTypeSet.Of(IssuerData.Type, RevocationData.Type);
    private static readonly DataTypeSet ForCheck = DataTypeSet.Of(PolicyData.Type, EntityData.Type);
    private static readonly DataTypeSet ForRisk = DataTypeSet.Of(RiskData.Type);
    private static readonly DataTypeSet ForFactors = DataTypeSet.Of(FactorData.Type);

    private int _waiting;

    // The common case has its facts at hand, and then nothing of a call is asynchronous.

    public Task<EncodedResponse> ValidateToken(TokenValidationRequest request, CallDeadline limits) =>
        request.AtLeast == default && IsKnown(request.Token)
            ? Task.FromResult(Validate(request, Current, limits))
            : AwaitFacts(request, request.AtLeast, [request.Token], limits, Validate);

    public Task<EncodedResponse> CheckPermission(CheckRequest request, CallDeadline limits) =>
        request.AtLeast == default && IsKnown(request.Token)
            ? Task.FromResult(Check(request, Current, limits))
            : AwaitFacts(request, request.AtLeast, [request.Token], limits, Check);

    public Task<EncodedResponse> CheckPermissions(CheckBatch request, CallDeadline limits) =>
        request.AtLeast == default && AreKnown(request.Checks)
            ? Task.FromResult(Check(request, Current, limits))
            : AwaitFacts(request, request.AtLeast, request.Checks.Select(c => c.Token), limits, Check);

    public Task<EncodedResponse> EvaluateRisk(RiskRequest request, CallDeadline limits)
    {
        var snapshot = Current;
        var now = time.GetUtcNow();
        var freshness = RequireFresh(ForRisk, snapshot, now);
        var assessment = decisions.EvaluateRisk(request.Subject, request.Signals, request.Action, snapshot, now);
        return Task.FromResult(AnswerWriter.Write(assessment, freshness));
    }

    public async Task<EncodedResponse> VerifyMfa(MfaRequest request, CallDeadline limits)
    {
        var snapshot = Current;
        var now = time.GetUtcNow();
        var freshness = RequireFresh(ForFactors, snapshot, now);
        using var waiting = limits.BeginWait();
        try
        {
            return AnswerWriter.Write(await mfa.VerifyAsync(request, snapshot.Factors.Value, now, waiting.Token), freshness);
        }
        catch (OperationCanceledException)
        {
            limits.ThrowIfOver();
            throw ApiErrors.DeadlineExceeded();
        }
        catch (MfaAttemptStoreBusyException)
        {
            throw ApiErrors.TooManyCalls();
        }
        catch (IOException e)
        {
            Log.MfaStoreFailed(logger, e);
            throw ApiErrors.MfaStoreUnavailable();
        }
    }

    private Snapshot Current => snapshots.Current ?? throw ApiErrors.NoSnapshot(source.Problems);

    /// <summary>Whether nobody has to be asked about a token. It may still be a bad one.</summary>
    private bool IsKnown(PresentedToken? token) => token is null || opaqueTokens.IsKnown(token.Token, Current.Issuers.Value);

    private bool AreKnown(IReadOnlyList<CheckRequest> checks)
    {
        for (var i = 0; i < checks.Count; i++)
        {
            if (!IsKnown(checks[i].Token))
                return false;
        }

        return true;
    }

    /// <summary>Answers once the revision is there that the caller has seen elsewhere, and issuers have said what opaque tokens are; or
    /// their time is over.</summary>
    private async Task<EncodedResponse> AwaitFacts<T>(T request, Revision atLeast, IEnumerable<PresentedToken?> asked, CallDeadline limits,
        Func<T, Snapshot, CallDeadline, EncodedResponse> answer)
    {
        using var early = limits.BeginWait(isEarly: true);
        var snapshot = atLeast == default ? Current : await WaitForAsync(atLeast, early.Token);
        using var waiting = limits.BeginWait();
        try
        {
            await Task.WhenAll(asked.OfType<PresentedToken>().Select(t => opaqueTokens.AskAsync(t.Token, snapshot.Issuers.Value)))
                .WaitAsync(waiting.Token);
        }
        catch (OperationCanceledException)
        {
            limits.ThrowIfOver();
            // A timer may be a little early.
            throw ApiErrors.DeadlineExceeded();
        }

        return answer(request, snapshot, limits);
    }

    private async Task<Snapshot> WaitForAsync(Revision atLeast, CancellationToken cancellation)
    {
        if (Interlocked.Increment(ref _waiting) > MaxWaiting)
        {
            Interlocked.Decrement(ref _waiting);
            throw ApiErrors.TooManyWaiting();
        }

        try
        {
            return await snapshots.WaitForAsync(atLeast, cancellation)
                ?? throw ApiErrors.RevisionOfAnotherHistory(atLeast, snapshots.Current?.Revision ?? default);
        }
        catch (OperationCanceledException)
        {
            throw ApiErrors.RevisionNotReached(atLeast, snapshots.Current?.Revision ?? default);
        }
        finally
        {
            Interlocked.Decrement(ref _waiting);
        }
    }

    private EncodedResponse Validate(TokenValidationRequest request, Snapshot snapshot, CallDeadline limits)
    {
        var now = time.GetUtcNow();
        var freshness = RequireFresh(ForToken, snapshot, now);
        var result = tokens.Validate(request.Token, snapshot.Issuers.Value, snapshot.Revocations.Value, now);
        return AnswerWriter.Write(result, freshness);
    }

    private EncodedResponse Check(CheckRequest request, Snapshot snapshot, CallDeadline limits)
    {
        var now = time.GetUtcNow();
        var freshness = RequireFresh(TypesFor(request), snapshot, now);
        var answer = decisions.Check(request, snapshot, now);
        return AnswerWriter.Write(answer, Decided(request, answer, snapshot, now), freshness);
    }

    private EncodedResponse Check(CheckBatch request, Snapshot snapshot, CallDeadline limits)
    {
        var now = time.GetUtcNow();
        var validated = new Dictionary<PresentedToken, TokenResult>(ReferenceEqualityComparer.Instance);
        var batch = new MessageWriter();
        foreach (var check in request.Checks)
        {
            // A batch can be long enough for its caller to lose patience.
            limits.ThrowIfOver();
            var freshness = RequireFresh(TypesFor(check), snapshot, now);
            var answer = decisions.Check(check, ValidateOnce(check.Token), snapshot, now);
            AnswerWriter.WriteResult(ref batch, answer, Decided(check, answer, snapshot, now), freshness);
        }

        return new EncodedResponse(batch.ToArray());

        TokenResult ValidateOnce(PresentedToken? token)
        {
            if (token is null)
                return TokenResult.Reject(TokenRejection.Missing);

            if (!validated.TryGetValue(token, out var result))
            {
                result = tokens.Validate(token, snapshot.Issuers.Value, snapshot.Revocations.Value, now);
                validated.Add(token, result);
            }

            return result;
        }
    }

    private Guid Decided(CheckRequest request, CheckAnswer answer, Snapshot snapshot, DateTimeOffset now)
    {
        if (answer.IsMismatch)
            mismatches.Note(request.Action, answer.Detail!);

        var id = DecisionId.Create(now);
        counter.Add();
        Log.Decided(logger, id, answer.Decision, answer.Reason, snapshot.Revision);
        return id;
    }

    private static DataTypeSet TypesFor(CheckRequest request) =>
        ForCheck | (request.Token is null ? default : ForToken) | (request.RiskSignals is null ? default : ForRisk);

    /// <summary>How old that is which an answer is to rest on; there is none when it is too old.</summary>
    private AnswerFreshness RequireFresh(DataTypeSet types, Snapshot snapshot, DateTimeOffset now)
    {
        var ages = snapshots.AgesAt(now);
        return maxStaleness.FindStale(types, ages) is not { } stale ? new AnswerFreshness(types, snapshot, ages)
            : maxStaleness.IsSourceAway(ages) ? throw ApiErrors.SourceAway(stale, ages.SinceReached, maxStaleness.SourceAway)
            : throw ApiErrors.Stale(stale, ages.Of(stale), maxStaleness.Of(stale));
    }

    private static partial class Log
    {
        [LoggerMessage(20, LogLevel.Debug, "decision {DecisionId}: {Decision}, {Reason}, at revision {Revision}", EventName = "Decided")]
        public static partial void Decided(ILogger logger, Guid decisionId, Decision decision, DecisionReason reason, Revision revision);

        [LoggerMessage(21, LogLevel.Error, "failed to record a second-factor attempt, refusing all second factors until this succeeds",
            EventName = "MfaStoreFailed")]
        public static partial void MfaStoreFailed(ILogger logger, Exception exception);
    }
}
