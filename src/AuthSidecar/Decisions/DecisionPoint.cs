using AuthSidecar.Mfa;
using AuthSidecar.Policies;
using AuthSidecar.Risk;

namespace AuthSidecar.Decisions;

/// <summary>The policy decision point: one request, one snapshot, one moment, one answer.</summary>
/// <remarks>Synchronous from the first line to the last: no await, no I/O.</remarks>
internal sealed class DecisionPoint(TokenValidator tokens, MfaProofs proofs, ActivityTracker activity, MfaAttemptStore claims,
    RequestValidation validation = RequestValidation.Warn)
{
    public CheckAnswer Check(CheckRequest request, Snapshot snapshot, DateTimeOffset now)
    {
        var token = TokenResult.Reject(TokenRejection.Missing);
        if (request.Token is not null)
            token = tokens.Validate(request.Token, snapshot.Issuers.Value, snapshot.Revocations.Value, now);

        return Check(request, token, snapshot, now);
    }

    /// <summary>Decides when the token, if there is one, has been validated: once for all checks of a batch that share it.</summary>
    public CheckAnswer Check(CheckRequest request, TokenResult token, Snapshot snapshot, DateTimeOffset now)
    {
        if (request.Token is not null && !token.IsValid)
            return new CheckAnswer { Reason = DecisionReason.TokenRejected, TokenRejection = token.Error, Detail = token.Detail };

        var verified = request.Token is null ? null : token.Token;
        var principal = verified is null ? new RequestEntity(request.Principal!, ValueRecord.Empty, []) : TokenFacts.Of(verified).Principal;
        var rules = snapshot.Policies.Value;
        RequestAction? action = null;
        if (rules.Requests?.TryGetAction(request.Action, out action) is false)
            return new CheckAnswer { Reason = DecisionReason.ActionUnknown, Detail = $"unrecognized action `{request.Action}`" };

        if (!EntityOverlay.TryCreate(snapshot.Entities.Value.Store, principal, request.Entities, out var entities, out var conflict))
            return new CheckAnswer { Reason = DecisionReason.EntityConflict, Detail = conflict };

        var mismatch = validation == RequestValidation.Off || action is null ? null
            : FindMismatch(request, principal, action, entities, rules.Requests!);
        if (mismatch is not null && validation == RequestValidation.Reject)
            return new CheckAnswer { Reason = DecisionReason.RequestInvalid, Detail = mismatch, IsMismatch = true };

        var proof = ValidateProof(request.MfaProof, principal.Uid, verified?.SessionId, now);
        var risk = request.RiskSignals is { } signals ? EvaluateRisk(principal.Uid, signals, request.Action, snapshot, now) : null;
        var context = RequestContext.Create(request.Context, verified, proof.IsValid ? proof.Token : null, risk, request.Caller, now);
        var cedarRequest = new Request(principal.Uid, request.Action, request.Resource, context);
        var response = Authorizer.IsAuthorized(rules.Policies, entities, cedarRequest);
        var (outcome, reason) = ToDecision(response, rules);
        return new CheckAnswer
        {
            Decision = outcome,
            Reason = reason,
            Detail = mismatch
                ?? (outcome == Decision.Deny && validation != RequestValidation.Off ? FindHint(request, principal, entities) : null),
            IsMismatch = mismatch is not null,
            DeterminingPolicies = reason is DecisionReason.ForbidErred ? [] : response.Reasons,
            MfaProofError = request.MfaProof.IsEmpty ? TokenRejection.None : proof.Error,
            PolicyErrors = response.Errors,
            Rules = rules,
            Risk = risk,
            Explanation = request.Explain ? [.. rules.Policies.Policies.Select(p => Explainer.Explain(p, entities, cedarRequest))] : [],
        };
    }

    /// <summary>The first thing about a request that does not conform to the schema; null when everything does.</summary>
    private static string? FindMismatch(
        CheckRequest request, RequestEntity principal, RequestAction action, EntitySource entities, RequestValidator validator)
    {
        if (!action.Conforms(principal.Uid, request.Resource, request.Context))
            return action.Check(principal.Uid, request.Resource, request.Context);

        // As they are after all was laid together: what the snapshot knows need not be said again.
        foreach (var given in request.Entities)
        {
            if (!given.IsEmpty && entities.TryGetEntity(given.Uid, out var entity) && !validator.Conforms(entity))
                return validator.Check(entity);
        }

        return !principal.IsEmpty && entities.TryGetEntity(principal.Uid, out var settled) && !validator.Conforms(settled)
            ? validator.Check(settled) : null;
    }

    /// <summary>What is most likely wrong with a denial: a principal that nothing is known of.</summary>
    private static string? FindHint(CheckRequest request, RequestEntity principal, EntitySource entities) =>
        request.Token is null && principal.IsEmpty && !entities.TryGetEntity(principal.Uid, out _)
            ? $"principal `{principal.Uid}` not found" : null;

    public RiskAssessment EvaluateRisk(EntityUid subject, RiskSignals signals, EntityUid? action, Snapshot snapshot, DateTimeOffset now)
    {
        var settings = snapshot.Risk.Value;
        var recent = new RecentActivity(activity.Count(subject), claims.FailuresOf(subject));
        return RiskScorer.Score(RiskInput.Create(signals, settings.Profiles.GetValueOrDefault(subject), settings, recent, action, now));
    }

    private TokenResult ValidateProof(Secret proof, EntityUid principal, string? sessionId, DateTimeOffset now) =>
        proof.IsEmpty ? TokenResult.Reject(TokenRejection.Missing) : proofs.Validate(proof, principal, sessionId, now);

    /// <summary>What Cedar's answer means for the caller. Cedar knows allow and deny; we add what would turn a deny.</summary>
    internal static (Decision Decision, DecisionReason Reason) ToDecision(Response response, PolicyRules rules)
    {
        if (rules.IsStrict && HasErringForbid(response))
        {
            // It may well have forbidden: nobody knows, and so nobody is let in.
            return (Decision.Deny, DecisionReason.ForbidErred);
        }

        if (!response.HasSatisfiedForbid)
        {
            return response.Decision == Cedar.Decision.Allow
                ? (Decision.Allow, DecisionReason.Permitted)
                : (Decision.Deny, DecisionReason.NotPermitted);
        }

        var stepUpIsEnough = response.HasSatisfiedPermit;
        foreach (var forbid in response.SatisfiedForbids)
            stepUpIsEnough &= rules.AnnotationsOf(forbid).StepUpMethod is not null;

        return stepUpIsEnough ? (Decision.StepUp, DecisionReason.StepUpRequired) : (Decision.Deny, DecisionReason.Forbidden);
    }

    private static bool HasErringForbid(Response response)
    {
        foreach (var error in response.Errors)
        {
            if (error.Policy.Effect == Effect.Forbid)
                return true;
        }

        return false;
    }
}
