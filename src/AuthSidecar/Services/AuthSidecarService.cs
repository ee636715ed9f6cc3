using AuthSidecar.Common;
using AuthSidecar.Decisions;
using AuthSidecar.Mfa;
using AuthSidecar.Snapshots;
using AuthSidecar.Tokens;

namespace AuthSidecar.Services;

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

    private int _waiting;

    // The common case has its facts at hand, and then nothing of a call is asynchronous.

    public Task<Answer> ValidateToken(ValidationRequest request, CallLimits limits) => request.AtLeast == default && IsKnown(request.Token)
        ? Task.FromResult(Validate(request, Current, limits))
        : AwaitFacts(request, request.AtLeast, [request.Token], limits, Validate);

    public Task<Answer> CheckPermission(CheckRequest request, CallLimits limits) => request.AtLeast == default && IsKnown(request.Token)
        ? Task.FromResult(Check(request, Current, limits))
        : AwaitFacts(request, request.AtLeast, [request.Token], limits, Check);

    public Task<Answer> CheckPermissions(CheckBatch request, CallLimits limits) => request.AtLeast == default && AreKnown(request.Checks)
        ? Task.FromResult(Check(request, Current, limits))
        : AwaitFacts(request, request.AtLeast, request.Checks.Select(c => c.Token), limits, Check);

    public Task<Answer> EvaluateRisk(RiskRequest request, CallLimits limits)
    {
        var snapshot = Current;
        var now = time.GetUtcNow();
        var freshness = Demand(ResourceTypes.Risk, snapshot, now);
        var assessment = decisions.EvaluateRisk(request.Subject, request.Signals, request.Action, snapshot, now);
        return Task.FromResult(AnswerWriter.Write(assessment, freshness));
    }

    public async Task<Answer> VerifyMfa(MfaRequest request, CallLimits limits)
    {
        var snapshot = Current;
        var now = time.GetUtcNow();
        var freshness = Demand(ResourceTypes.Factors, snapshot, now);
        using var waiting = limits.BeginWait();
        try
        {
            return AnswerWriter.Write(await mfa.VerifyAsync(request, snapshot.Factors.Value, now, waiting.Token), freshness);
        }
        catch (OperationCanceledException)
        {
            limits.ThrowIfOver();
            throw Failures.DeadlineExceeded();
        }
        catch (ClaimStoreBusyException)
        {
            throw Failures.TooManyCalls();
        }
        catch (IOException e)
        {
            Log.ClaimFailed(logger, e);
            throw Failures.ClaimStoreUnavailable();
        }
    }

    private Snapshot Current => snapshots.Current ?? throw Failures.NoSnapshot(source.Problems);

    /// <summary>Whether nobody has to be asked about a token. It may still be a bad one.</summary>
    private bool IsKnown(TokenRequest? token) => token is null || opaqueTokens.IsKnown(token.Token, Current.Issuers.Value);

    private bool AreKnown(IReadOnlyList<CheckRequest> checks)
    {
        for (var i = 0; i < checks.Count; i++)
        {
            if (!IsKnown(checks[i].Token))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Answers once the revision is there that the caller has seen elsewhere, and issuers have said what opaque tokens are; or their time is over.</summary>
    private async Task<Answer> AwaitFacts<T>(T request, Revision atLeast, IEnumerable<TokenRequest?> asked, CallLimits limits, Func<T, Snapshot, CallLimits, Answer> answer)
    {
        using var waiting = limits.BeginWait();
        var snapshot = atLeast == default ? Current : await WaitForAsync(atLeast, waiting.Token);

        try
        {
            await Task.WhenAll(asked.OfType<TokenRequest>().Select(t => opaqueTokens.AskAsync(t.Token, snapshot.Issuers.Value))).WaitAsync(waiting.Token);
        }
        catch (OperationCanceledException)
        {
            limits.ThrowIfOver();
            // A timer may be a little early.
            throw Failures.DeadlineExceeded();
        }

        return answer(request, snapshot, limits);
    }

    private async Task<Snapshot> WaitForAsync(Revision atLeast, CancellationToken cancellation)
    {
        if (Interlocked.Increment(ref _waiting) > MaxWaiting)
        {
            Interlocked.Decrement(ref _waiting);
            throw Failures.TooManyWaiting();
        }

        try
        {
            return await snapshots.WaitForAsync(atLeast, cancellation) ?? throw Failures.RevisionOfAnotherHistory(atLeast, snapshots.Current?.Revision ?? default);
        }
        catch (OperationCanceledException)
        {
            throw Failures.RevisionNotReached(atLeast, snapshots.Current?.Revision ?? default);
        }
        finally
        {
            Interlocked.Decrement(ref _waiting);
        }
    }

    private Answer Validate(ValidationRequest request, Snapshot snapshot, CallLimits limits)
    {
        var now = time.GetUtcNow();
        var freshness = Demand(ResourceTypes.Keys | ResourceTypes.Revocations, snapshot, now);
        var result = tokens.Validate(request.Token, snapshot.Issuers.Value, snapshot.Revocations.Value, now);
        return AnswerWriter.Write(result, freshness);
    }

    private Answer Check(CheckRequest request, Snapshot snapshot, CallLimits limits)
    {
        var now = time.GetUtcNow();
        var freshness = Demand(TypesFor(request), snapshot, now);
        var answer = decisions.Check(request, snapshot, now);
        return AnswerWriter.Write(answer, Decided(request, answer, snapshot, now), freshness);
    }

    private Answer Check(CheckBatch request, Snapshot snapshot, CallLimits limits)
    {
        var now = time.GetUtcNow();
        var validated = new Dictionary<TokenRequest, TokenResult>(ReferenceEqualityComparer.Instance);
        var batch = new MessageWriter();
        foreach (var check in request.Checks)
        {
            // A batch can be long enough for its caller to lose patience.
            limits.ThrowIfOver();
            var freshness = Demand(TypesFor(check), snapshot, now);
            var answer = decisions.Check(check, ValidateOnce(check.Token), snapshot, now);
            AnswerWriter.WriteResult(ref batch, answer, Decided(check, answer, snapshot, now), freshness);
        }

        return new Answer(batch.ToArray());

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

    private Guid Decided(CheckRequest request, CheckAnswer answer, Snapshot snapshot, DateTimeOffset now)
    {
        if (answer.IsMismatch)
        {
            mismatches.Note(request.Action, answer.Detail!);
        }

        var id = DecisionId.Create(now);
        counter.Add();
        Log.Decided(logger, id, answer.Outcome, answer.Reason, snapshot.Revision);
        return id;
    }

    private static ResourceTypes TypesFor(CheckRequest request) =>
        ResourceTypes.Policies | ResourceTypes.Entities
        | (request.Token is null ? ResourceTypes.None : ResourceTypes.Keys | ResourceTypes.Revocations)
        | (request.RiskSignals is null ? ResourceTypes.None : ResourceTypes.Risk);

    /// <summary>How old that is which an answer is to rest on; there is none when it is too old.</summary>
    private AnswerFreshness Demand(ResourceTypes types, Snapshot snapshot, DateTimeOffset now)
    {
        var ages = snapshots.AgesAt(now);
        return maxStaleness.FindStale(types, ages) is var stale and not ResourceTypes.None
            ? throw Failures.Stale(stale, ages.Of(stale))
            : new AnswerFreshness(types, snapshot, ages);
    }

    private static partial class Log
    {
        [LoggerMessage(20, LogLevel.Debug, "decision {DecisionId}: {Decision}, {Reason}, at revision {Revision}", EventName = "Decided")]
        public static partial void Decided(ILogger logger, Guid decisionId, Outcome decision, Reason reason, Revision revision);

        [LoggerMessage(21, LogLevel.Error, "the claim store failed; no second factor is accepted until it works again", EventName = "ClaimFailed")]
        public static partial void ClaimFailed(ILogger logger, Exception exception);
    }
}
