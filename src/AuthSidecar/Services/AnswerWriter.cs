using System.Globalization;
using System.Runtime.CompilerServices;
using AuthSidecar.Decisions;
using AuthSidecar.Mfa;
using AuthSidecar.Risk;
using AuthSidecar.Snapshots;
using AuthSidecar.Tokens;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Wire = AuthSidecar.V1;

namespace AuthSidecar.Services;

/// <summary>What an answer rests on, and how old that is.</summary>
internal readonly record struct AnswerFreshness(ResourceTypes Types, Snapshot Snapshot, ResourceAges Ages);

/// <summary>The message of an answer, written.</summary>
internal sealed record Answer(byte[] Bytes);

/// <summary>Writes answers onto the wire. Every switch names what it knows; anything else becomes unspecified, which denies.</summary>
/// <remarks>
/// What every answer has is written as bytes; what is rare, such as a risk assessment, as the same fields of a generated message: to a
/// reader it makes no difference where in a message a field stands, nor who wrote it.
/// </remarks>
internal static class AnswerWriter
{
    // What looks the same in every answer is written once.
    private static readonly ConditionalWeakTable<Cedar.Policy, byte[]> DeterminingPolicies = [];
    private static readonly ConditionalWeakTable<VerifiedToken, byte[]> ValidTokens = [];

    public static Answer Write(TokenResult result, in AnswerFreshness freshness)
    {
        var writer = new MessageWriter();
        if (result.IsValid)
        {
            writer.Fields(ValidTokens.GetValue(result.Token, WriteValid));
        }
        else
        {
            writer.Varint(2, (ulong)Write(result.Error));
            writer.Text(3, result.Detail ?? "");
        }

        WriteFreshness(ref writer, 12, freshness);
        return new Answer(writer.ToArray());
    }

    private static byte[] WriteValid(VerifiedToken token)
    {
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
        };
        response.Scopes.Add(token.Scopes);
        return response.ToByteArray();
    }

    public static Answer Write(CheckAnswer answer, Guid decisionId, in AnswerFreshness freshness)
    {
        var writer = new MessageWriter();
        WriteCheck(ref writer, answer, decisionId, freshness);
        return new Answer(writer.ToArray());
    }

    /// <summary>Adds an answer to those of a batch.</summary>
    public static void WriteResult(ref MessageWriter batch, CheckAnswer answer, Guid decisionId, in AnswerFreshness freshness)
    {
        var result = batch.Begin(1);
        WriteCheck(ref batch, answer, decisionId, freshness);
        batch.End(result);
    }

    private static void WriteCheck(ref MessageWriter writer, CheckAnswer answer, Guid decisionId, in AnswerFreshness freshness)
    {
        Span<byte> id = stackalloc byte[36];
        decisionId.TryFormat(id, out _);
        writer.Varint(1, (ulong)Write(answer.Outcome));
        writer.Bytes(2, id);
        writer.Varint(3, (ulong)Write(answer.Reason));
        writer.Text(4, answer.Detail ?? "");
        writer.Varint(9, (ulong)Write(answer.TokenError));
        writer.Varint(10, (ulong)Write(answer.MfaProofError));
        foreach (var policy in answer.DeterminingPolicies)
        {
            writer.Bytes(5, DeterminingPolicies.GetValue(policy, WriteDetermining));
            foreach (var (name, value) in answer.Rules!.AnnotationsOf(policy).Obligations)
            {
                var obligation = writer.Begin(7);
                writer.Text(1, name);
                writer.Text(2, value);
                writer.Text(3, policy.Id);
                writer.End(obligation);
            }
        }

        WriteFreshness(ref writer, 12, freshness);
        if (answer.Outcome == Outcome.StepUp || !answer.PolicyErrors.IsEmpty || answer.Risk is not null || !answer.Explanation.IsEmpty)
        {
            writer.Fields(WriteRare(answer));
        }
    }

    private static Wire.CheckPermissionResponse WriteRare(CheckAnswer answer)
    {
        var response = new Wire.CheckPermissionResponse
        {
            StepUp = answer.Outcome == Outcome.StepUp ? WriteStepUp(answer) : null,
            Risk = answer.Risk is { } risk ? Write(risk) : null,
        };
        foreach (var error in answer.PolicyErrors)
        {
            response.PolicyErrors.Add(Write(error));
        }

        foreach (var trace in answer.Explanation)
        {
            response.Explanation.Add(Write(trace));
        }

        return response;
    }

    public static Answer Write(RiskAssessment assessment, in AnswerFreshness freshness)
    {
        var writer = new MessageWriter();
        writer.Fields(new Wire.EvaluateRiskResponse { Assessment = Write(assessment) });
        WriteFreshness(ref writer, 2, freshness);
        return new Answer(writer.ToArray());
    }

    public static Answer Write(in MfaResult result, in AnswerFreshness freshness)
    {
        var writer = new MessageWriter();
        writer.Fields(new Wire.VerifyMfaResponse
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
        });
        WriteFreshness(ref writer, 7, freshness);
        return new Answer(writer.ToArray());
    }

    private static void WriteFreshness(ref MessageWriter writer, int field, in AnswerFreshness freshness)
    {
        var start = writer.Begin(field);
        for (var i = 0; i < ResourceTypesExtensions.Count; i++)
        {
            var type = (ResourceTypes)(1 << i);
            if ((freshness.Types & type) != 0)
            {
                var resource = writer.Begin(i + 1);
                writer.Revision(1, freshness.Snapshot.RevisionOf(type));
                writer.Varint(2, (ulong)freshness.Ages.Of(type).TotalMilliseconds);
                writer.End(resource);
            }
        }

        writer.End(start);
    }

    private static byte[] WriteDetermining(Cedar.Policy policy)
    {
        var determining = new Wire.DeterminingPolicy { PolicyId = policy.Id, Effect = Write(policy.Effect) };
        foreach (var (key, text) in policy.Annotations)
        {
            determining.Annotations.Add(key, text ?? "");
        }

        return determining.ToByteArray();
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
        Reason.RequestInvalid => Wire.DecisionReason.RequestInvalid,
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
        TokenError.IntrospectionPending => Wire.TokenRejection.IntrospectionPending,
        TokenError.Inactive => Wire.TokenRejection.Inactive,
        _ => Wire.TokenRejection.Unspecified,
    };
}
