using System.Globalization;
using System.Runtime.CompilerServices;
using AuthSidecar.Decisions;
using AuthSidecar.Mfa;
using AuthSidecar.Risk;
using AuthSidecar.Snapshots;
using AuthSidecar.Tokens;
using Google.Protobuf.WellKnownTypes;
using Wire = AuthSidecar.V1;

namespace AuthSidecar.Services;

/// <summary>Writes answers onto the wire. Every switch names what it knows; anything else becomes unspecified, which denies.</summary>
internal static class AnswerWriter
{
    // A policy looks the same in every answer. What is in here is only ever serialized.
    private static readonly ConditionalWeakTable<Cedar.Policy, Wire.DeterminingPolicy> DeterminingPolicies = [];

    public static Wire.ValidateTokenResponse Write(TokenResult result, Wire.Freshness freshness)
    {
        if (!result.IsValid)
        {
            return new Wire.ValidateTokenResponse { Reason = Write(result.Error), Detail = result.Detail ?? "", Freshness = freshness };
        }

        var token = result.Token;
        var response = new Wire.ValidateTokenResponse
        {
            Valid = true,
            Subject = token.Subject,
            Claims = Struct.Parser.ParseJson(System.Text.Encoding.UTF8.GetString(token.ClaimsUtf8)),
            Issuer = token.Issuer.Name,
            SessionId = token.SessionId ?? "",
            Kind = Wire.TokenKind.Access,
            ExpiresAt = new Timestamp { Seconds = token.ExpiresAt },
            TokenId = token.TokenId ?? "",
            Freshness = freshness,
        };
        response.Scopes.Add(token.Scopes);
        return response;
    }

    public static Wire.CheckPermissionResponse Write(CheckAnswer answer, Wire.Freshness freshness, DateTimeOffset now)
    {
        var response = new Wire.CheckPermissionResponse
        {
            Decision = Write(answer.Outcome),
            DecisionId = DecisionId.Create(now),
            Reason = Write(answer.Reason),
            Detail = answer.Detail ?? "",
            TokenRejection = Write(answer.TokenError),
            MfaProofRejection = Write(answer.MfaProofError),
            Freshness = freshness,
        };
        foreach (var policy in answer.DeterminingPolicies)
        {
            response.DeterminingPolicies.Add(DeterminingPolicies.GetValue(policy, WriteDetermining));
            foreach (var (name, value) in answer.Rules!.AnnotationsOf(policy).Obligations)
            {
                response.Obligations.Add(new Wire.Obligation { Name = name, Value = value, PolicyId = policy.Id });
            }
        }

        foreach (var error in answer.PolicyErrors)
        {
            response.PolicyErrors.Add(Write(error));
        }

        if (answer.Outcome == Outcome.StepUp)
        {
            response.StepUp = WriteStepUp(answer);
        }

        if (answer.Risk is { } risk)
        {
            response.Risk = Write(risk);
        }

        foreach (var trace in answer.Explanation)
        {
            response.Explanation.Add(Write(trace));
        }

        return response;
    }

    public static Wire.EvaluateRiskResponse Write(RiskAssessment assessment, Wire.Freshness freshness) =>
        new() { Assessment = Write(assessment), Freshness = freshness };

    public static Wire.VerifyMfaResponse Write(in MfaResult result, Wire.Freshness freshness) => new()
    {
        Verified = result.IsVerified,
        Reason = result.Error switch
        {
            MfaError.FactorUnknown => Wire.MfaRejection.FactorUnknown,
            MfaError.CodeWrong => Wire.MfaRejection.CodeWrong,
            MfaError.CodeUsed => Wire.MfaRejection.CodeUsed,
            MfaError.Locked => Wire.MfaRejection.Locked,
            _ => Wire.MfaRejection.Unspecified,
        },
        AttemptsLeft = (uint)result.AttemptsLeft,
        LockedUntil = result.LockedUntil is { } until && !result.IsVerified ? Timestamp.FromDateTimeOffset(until) : null,
        Proof = result.Proof.Reveal(),
        ProofExpiresAt = result.IsVerified ? Timestamp.FromDateTimeOffset(result.ProofExpiresAt) : null,
        Freshness = freshness,
    };

    public static Wire.ResourceFreshness WriteFreshness(Revision revision, TimeSpan age) =>
        new() { Revision = revision.Number, AgeMs = (ulong)age.TotalMilliseconds };

    private static Wire.DeterminingPolicy WriteDetermining(Cedar.Policy policy)
    {
        var determining = new Wire.DeterminingPolicy { PolicyId = policy.Id, Effect = Write(policy.Effect) };
        foreach (var (key, text) in policy.Annotations)
        {
            determining.Annotations.Add(key, text ?? "");
        }

        return determining;
    }

    private static Wire.StepUp WriteStepUp(CheckAnswer answer)
    {
        var stepUp = new Wire.StepUp();
        foreach (var policy in answer.DeterminingPolicies)
        {
            var annotations = answer.Rules!.AnnotationsOf(policy);
            if (annotations.StepUpMethod is { } method && !stepUp.Methods.Contains(method))
            {
                stepUp.Methods.Add(method);
            }

            var maxAge = (uint)annotations.StepUpMaxAgeSeconds;
            stepUp.MaxAgeS = maxAge > 0 && (stepUp.MaxAgeS == 0 || maxAge < stepUp.MaxAgeS) ? maxAge : stepUp.MaxAgeS;
        }

        return stepUp;
    }

    private static Wire.RiskAssessment Write(RiskAssessment risk)
    {
        var assessment = new Wire.RiskAssessment
        {
            Score = (uint)risk.Score,
            Level = risk.Level switch
            {
                RiskLevel.Low => Wire.RiskLevel.Low,
                RiskLevel.Medium => Wire.RiskLevel.Medium,
                RiskLevel.High => Wire.RiskLevel.High,
                _ => Wire.RiskLevel.Critical,
            },
            RecommendedDecision = Write(risk.Recommended),
        };
        foreach (var factor in risk.Factors)
        {
            assessment.Factors.Add(new Wire.RiskFactor
            {
                Name = factor.Name,
                Value = factor.Value,
                Weight = factor.Weight,
                Contribution = factor.Contribution,
                Explanation = factor.Explanation,
                Trusted = factor.IsTrusted,
            });
        }

        return assessment;
    }

    private static Wire.PolicyError Write(Cedar.PolicyError error)
    {
        var described = error.ToError();
        return new Wire.PolicyError
        {
            PolicyId = error.Policy.Id,
            Effect = Write(error.Policy.Effect),
            Message = described.Message,
            Location = Location(error.Policy.Source, described.Span.Start),
        };
    }

    private static Wire.PolicyTrace Write(Cedar.PolicyTrace trace) => new()
    {
        PolicyId = trace.Policy.Id,
        Effect = Write(trace.Policy.Effect),
        Outcome = trace.Outcome switch
        {
            Cedar.PolicyOutcome.ScopeDoesNotMatch => Wire.PolicyOutcome.ScopeDoesNotMatch,
            Cedar.PolicyOutcome.ConditionDoesNotHold => Wire.PolicyOutcome.ConditionDoesNotHold,
            Cedar.PolicyOutcome.Error => Wire.PolicyOutcome.Error,
            Cedar.PolicyOutcome.Satisfied => Wire.PolicyOutcome.Satisfied,
            _ => Wire.PolicyOutcome.Unspecified,
        },
        Location = Location(trace.Policy.Source, trace.Policy.Span.Start),
        Condition = trace.Condition is { } span ? trace.Policy.Source[span] : "",
        Error = trace.Error?.Message ?? "",
    };

    private static string Location(Cedar.SourceText source, int offset)
    {
        var (line, column) = source.PositionOf(offset);
        return string.Create(CultureInfo.InvariantCulture, $"{source.Name}:{line}:{column}");
    }

    private static Wire.Decision Write(Outcome outcome) => outcome switch
    {
        Outcome.Allow => Wire.Decision.Allow,
        Outcome.StepUp => Wire.Decision.StepUp,
        _ => Wire.Decision.Deny,
    };

    private static Wire.Effect Write(Cedar.Effect effect) => effect == Cedar.Effect.Permit ? Wire.Effect.Permit : Wire.Effect.Forbid;

    private static Wire.DecisionReason Write(Reason reason) => reason switch
    {
        Reason.Permitted => Wire.DecisionReason.Permitted,
        Reason.Forbidden => Wire.DecisionReason.Forbidden,
        Reason.NotPermitted => Wire.DecisionReason.NotPermitted,
        Reason.ForbidErred => Wire.DecisionReason.ForbidErred,
        Reason.StepUpRequired => Wire.DecisionReason.StepUpRequired,
        Reason.TokenRejected => Wire.DecisionReason.TokenRejected,
        Reason.ActionUnknown => Wire.DecisionReason.ActionUnknown,
        Reason.EntityConflict => Wire.DecisionReason.EntityConflict,
        _ => Wire.DecisionReason.Unspecified,
    };

    private static Wire.TokenRejection Write(TokenError error) => error switch
    {
        TokenError.Missing => Wire.TokenRejection.Missing,
        TokenError.TooLarge => Wire.TokenRejection.TooLarge,
        TokenError.Malformed => Wire.TokenRejection.Malformed,
        TokenError.UnsupportedHeader => Wire.TokenRejection.UnsupportedHeader,
        TokenError.TypeNotAllowed => Wire.TokenRejection.TypeNotAllowed,
        TokenError.AlgorithmNotAllowed => Wire.TokenRejection.AlgorithmNotAllowed,
        TokenError.IssuerUnknown => Wire.TokenRejection.IssuerUnknown,
        TokenError.KeyUnknown => Wire.TokenRejection.KeyUnknown,
        TokenError.SignatureInvalid => Wire.TokenRejection.SignatureInvalid,
        TokenError.ClaimMissing => Wire.TokenRejection.ClaimMissing,
        TokenError.ClaimMalformed => Wire.TokenRejection.ClaimMalformed,
        TokenError.Expired => Wire.TokenRejection.Expired,
        TokenError.NotYetValid => Wire.TokenRejection.NotYetValid,
        TokenError.AudienceMismatch => Wire.TokenRejection.AudienceMismatch,
        TokenError.ScopeMissing => Wire.TokenRejection.ScopeMissing,
        TokenError.Revoked => Wire.TokenRejection.Revoked,
        TokenError.ProofMissing => Wire.TokenRejection.ProofMissing,
        TokenError.ProofInvalid => Wire.TokenRejection.ProofInvalid,
        TokenError.ProofReplayed => Wire.TokenRejection.ProofReplayed,
        TokenError.ProofLimit => Wire.TokenRejection.ProofLimit,
        TokenError.SubjectMismatch => Wire.TokenRejection.SubjectMismatch,
        _ => Wire.TokenRejection.Unspecified,
    };
}
