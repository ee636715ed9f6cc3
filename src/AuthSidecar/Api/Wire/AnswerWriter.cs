using AuthSidecar.Decisions;
using AuthSidecar.Mfa;
using AuthSidecar.Risk;
using AuthSidecar.Snapshots;
using Google.Protobuf.WellKnownTypes;

namespace AuthSidecar.Api.Wire;

/// <summary>What an answer rests on, and how old that is.</summary>
internal readonly record struct AnswerFreshness(DataTypeSet Types, Snapshot Snapshot, DataAges Ages);

/// <summary>The message of an answer, written.</summary>
internal sealed record EncodedResponse(byte[] Bytes);

/// <summary>Writes answers onto the wire. Every switch names what it knows; anything else becomes unspecified, which denies.</summary>
/// <remarks>What every answer has is written as bytes; what is rare, such as a risk assessment, as the same fields of a generated message:
/// to a reader it makes no difference where in a message a field stands, nor who wrote it.</remarks>
internal static class AnswerWriter
{
    // What looks the same in every answer is written once.
    private static readonly ConditionalWeakTable<Cedar.Policy, byte[]> DeterminingPolicies = [];
    private static readonly ConditionalWeakTable<VerifiedToken, byte[]> ValidTokens = [];

    public static EncodedResponse Write(TokenResult result, in AnswerFreshness freshness)
    {
        var writer = new MessageWriter();
        if (result.IsValid)
        {
            writer.Fields(ValidTokens.GetValue(result.Token, WriteValid));
        }
        else
        {
            writer.Varint(V1.ValidateTokenResponse.ReasonFieldNumber, (ulong)Write(result.Error));
            writer.Text(V1.ValidateTokenResponse.DetailFieldNumber, result.Detail ?? "");
        }

        WriteFreshness(ref writer, V1.ValidateTokenResponse.FreshnessFieldNumber, freshness);
        return new EncodedResponse(writer.ToArray());
    }

    private static byte[] WriteValid(VerifiedToken token)
    {
        var response = new V1.ValidateTokenResponse
        {
            Valid = true,
            Subject = token.Subject,
            Claims = Struct.Parser.ParseJson(System.Text.Encoding.UTF8.GetString(token.ClaimsUtf8)),
            Issuer = token.Issuer.Name,
            SessionId = token.SessionId ?? "",
            Kind = V1.TokenKind.Access,
            ExpiresAt = new Timestamp { Seconds = token.ExpiresAt },
            TokenId = token.TokenId ?? "",
        };
        response.Scopes.Add(token.Scopes);
        return response.ToByteArray();
    }

    public static EncodedResponse Write(CheckAnswer answer, Guid decisionId, in AnswerFreshness freshness)
    {
        var writer = new MessageWriter();
        WriteCheck(ref writer, answer, decisionId, freshness);
        return new EncodedResponse(writer.ToArray());
    }

    /// <summary>Adds an answer to those of a batch.</summary>
    public static void WriteResult(ref MessageWriter batch, CheckAnswer answer, Guid decisionId, in AnswerFreshness freshness)
    {
        var result = batch.Begin(V1.CheckPermissionsResponse.ResultsFieldNumber);
        WriteCheck(ref batch, answer, decisionId, freshness);
        batch.End(result);
    }

    private static void WriteCheck(ref MessageWriter writer, CheckAnswer answer, Guid decisionId, in AnswerFreshness freshness)
    {
        Span<byte> id = stackalloc byte[36];
        decisionId.TryFormat(id, out _);
        writer.Varint(V1.CheckPermissionResponse.DecisionFieldNumber, (ulong)Write(answer.Decision));
        writer.Bytes(V1.CheckPermissionResponse.DecisionIdFieldNumber, id);
        writer.Varint(V1.CheckPermissionResponse.ReasonFieldNumber, (ulong)Write(answer.Reason));
        writer.Text(V1.CheckPermissionResponse.DetailFieldNumber, answer.Detail ?? "");
        writer.Varint(V1.CheckPermissionResponse.TokenRejectionFieldNumber, (ulong)Write(answer.TokenRejection));
        writer.Varint(V1.CheckPermissionResponse.MfaProofRejectionFieldNumber, (ulong)Write(answer.MfaProofError));
        foreach (var policy in answer.DeterminingPolicies)
        {
            writer.Bytes(V1.CheckPermissionResponse.DeterminingPoliciesFieldNumber, DeterminingPolicies.GetValue(policy, WriteDetermining));
            foreach (var (name, value) in answer.Rules!.AnnotationsOf(policy).Obligations)
            {
                var obligation = writer.Begin(V1.CheckPermissionResponse.ObligationsFieldNumber);
                writer.Text(V1.Obligation.NameFieldNumber, name);
                writer.Text(V1.Obligation.ValueFieldNumber, value);
                writer.Text(V1.Obligation.PolicyIdFieldNumber, policy.Id);
                writer.End(obligation);
            }
        }

        WriteFreshness(ref writer, V1.CheckPermissionResponse.FreshnessFieldNumber, freshness);
        if (answer.Decision == Decision.StepUp || !answer.PolicyErrors.IsEmpty || answer.Risk is not null || !answer.Explanation.IsEmpty)
            writer.Fields(WriteRare(answer));
    }

    private static V1.CheckPermissionResponse WriteRare(CheckAnswer answer)
    {
        var response = new V1.CheckPermissionResponse
        {
            StepUp = answer.Decision == Decision.StepUp ? WriteStepUp(answer) : null,
            Risk = answer.Risk is { } risk ? Write(risk) : null,
        };
        foreach (var error in answer.PolicyErrors)
            response.PolicyErrors.Add(Write(error));

        foreach (var trace in answer.Explanation)
            response.Explanation.Add(Write(trace));

        return response;
    }

    public static EncodedResponse Write(RiskAssessment assessment, in AnswerFreshness freshness)
    {
        var writer = new MessageWriter();
        writer.Fields(new V1.EvaluateRiskResponse { Assessment = Write(assessment) });
        WriteFreshness(ref writer, V1.EvaluateRiskResponse.FreshnessFieldNumber, freshness);
        return new EncodedResponse(writer.ToArray());
    }

    public static EncodedResponse Write(in MfaResult result, in AnswerFreshness freshness)
    {
        var writer = new MessageWriter();
        writer.Fields(new V1.VerifyMfaResponse
        {
            Verified = result.IsVerified,
            Reason = result.Error switch
            {
                MfaRejection.FactorUnknown => V1.MfaRejection.FactorUnknown,
                MfaRejection.CodeWrong => V1.MfaRejection.CodeWrong,
                MfaRejection.CodeUsed => V1.MfaRejection.CodeUsed,
                MfaRejection.Locked => V1.MfaRejection.Locked,
                _ => V1.MfaRejection.Unspecified,
            },
            AttemptsLeft = (uint)result.AttemptsLeft,
            LockedUntil = result.LockedUntil is { } until && !result.IsVerified ? Timestamp.FromDateTimeOffset(until) : null,
            Proof = result.Proof.Reveal(),
            ProofExpiresAt = result.IsVerified ? Timestamp.FromDateTimeOffset(result.ProofExpiresAt) : null,
        });
        WriteFreshness(ref writer, V1.VerifyMfaResponse.FreshnessFieldNumber, freshness);
        return new EncodedResponse(writer.ToArray());
    }

    private static void WriteFreshness(ref MessageWriter writer, int field, in AnswerFreshness freshness)
    {
        var start = writer.Begin(field);
        foreach (var type in freshness.Types)
        {
            var each = writer.Begin(type.Number);
            writer.Revision(V1.DataFreshness.RevisionFieldNumber, type.RevisionIn(freshness.Snapshot));
            writer.Varint(V1.DataFreshness.AgeMsFieldNumber, (ulong)freshness.Ages.Of(type).TotalMilliseconds);
            writer.End(each);
        }

        writer.End(start);
    }

    private static byte[] WriteDetermining(Cedar.Policy policy)
    {
        var determining = new V1.DeterminingPolicy { PolicyId = policy.Id, Effect = Write(policy.Effect) };
        foreach (var (key, text) in policy.Annotations)
            determining.Annotations.Add(key, text ?? "");

        return determining.ToByteArray();
    }

    private static V1.StepUp WriteStepUp(CheckAnswer answer)
    {
        var stepUp = new V1.StepUp();
        foreach (var policy in answer.DeterminingPolicies)
        {
            var annotations = answer.Rules!.AnnotationsOf(policy);
            if (annotations.StepUpMethod is { } method && !stepUp.Methods.Contains(method))
                stepUp.Methods.Add(method);

            var maxAge = (uint)annotations.StepUpMaxAgeSeconds;
            stepUp.MaxAgeS = maxAge > 0 && (stepUp.MaxAgeS == 0 || maxAge < stepUp.MaxAgeS) ? maxAge : stepUp.MaxAgeS;
        }

        return stepUp;
    }

    private static V1.RiskAssessment Write(RiskAssessment risk)
    {
        var assessment = new V1.RiskAssessment
        {
            Score = (uint)risk.Score,
            Level = risk.Level switch
            {
                RiskLevel.Low => V1.RiskLevel.Low,
                RiskLevel.Medium => V1.RiskLevel.Medium,
                RiskLevel.High => V1.RiskLevel.High,
                _ => V1.RiskLevel.Critical,
            },
            RecommendedDecision = Write(risk.Recommended),
        };
        foreach (var factor in risk.Factors)
        {
            assessment.Factors.Add(new V1.RiskFactor
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

    private static V1.PolicyError Write(Cedar.PolicyError error)
    {
        var described = error.ToError();
        return new V1.PolicyError
        {
            PolicyId = error.Policy.Id,
            Effect = Write(error.Policy.Effect),
            Message = described.Message,
            Location = Location(error.Policy.Source, described.Span.Start),
        };
    }

    private static V1.PolicyTrace Write(Cedar.PolicyTrace trace) => new()
    {
        PolicyId = trace.Policy.Id,
        Effect = Write(trace.Policy.Effect),
        Outcome = trace.Outcome switch
        {
            Cedar.PolicyOutcome.ScopeDoesNotMatch => V1.PolicyOutcome.ScopeDoesNotMatch,
            Cedar.PolicyOutcome.ConditionDoesNotHold => V1.PolicyOutcome.ConditionDoesNotHold,
            Cedar.PolicyOutcome.Error => V1.PolicyOutcome.Error,
            Cedar.PolicyOutcome.Satisfied => V1.PolicyOutcome.Satisfied,
            _ => V1.PolicyOutcome.Unspecified,
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

    private static V1.Decision Write(Decision outcome) => outcome switch
    {
        Decision.Allow => V1.Decision.Allow,
        Decision.StepUp => V1.Decision.StepUp,
        _ => V1.Decision.Deny,
    };

    private static V1.Effect Write(Cedar.Effect effect) => effect == Cedar.Effect.Permit ? V1.Effect.Permit : V1.Effect.Forbid;

    private static V1.DecisionReason Write(DecisionReason reason) => reason switch
    {
        DecisionReason.Permitted => V1.DecisionReason.Permitted,
        DecisionReason.Forbidden => V1.DecisionReason.Forbidden,
        DecisionReason.NotPermitted => V1.DecisionReason.NotPermitted,
        DecisionReason.ForbidErred => V1.DecisionReason.ForbidErred,
        DecisionReason.StepUpRequired => V1.DecisionReason.StepUpRequired,
        DecisionReason.TokenRejected => V1.DecisionReason.TokenRejected,
        DecisionReason.ActionUnknown => V1.DecisionReason.ActionUnknown,
        DecisionReason.EntityConflict => V1.DecisionReason.EntityConflict,
        DecisionReason.RequestInvalid => V1.DecisionReason.RequestInvalid,
        _ => V1.DecisionReason.Unspecified,
    };

    private static V1.TokenRejection Write(TokenRejection error) => error switch
    {
        TokenRejection.Missing => V1.TokenRejection.Missing,
        TokenRejection.TooLarge => V1.TokenRejection.TooLarge,
        TokenRejection.Malformed => V1.TokenRejection.Malformed,
        TokenRejection.UnsupportedHeader => V1.TokenRejection.UnsupportedHeader,
        TokenRejection.TypeNotAllowed => V1.TokenRejection.TypeNotAllowed,
        TokenRejection.AlgorithmNotAllowed => V1.TokenRejection.AlgorithmNotAllowed,
        TokenRejection.IssuerUnknown => V1.TokenRejection.IssuerUnknown,
        TokenRejection.KeyUnknown => V1.TokenRejection.KeyUnknown,
        TokenRejection.SignatureInvalid => V1.TokenRejection.SignatureInvalid,
        TokenRejection.ClaimMissing => V1.TokenRejection.ClaimMissing,
        TokenRejection.ClaimMalformed => V1.TokenRejection.ClaimMalformed,
        TokenRejection.Expired => V1.TokenRejection.Expired,
        TokenRejection.NotYetValid => V1.TokenRejection.NotYetValid,
        TokenRejection.AudienceMismatch => V1.TokenRejection.AudienceMismatch,
        TokenRejection.ScopeMissing => V1.TokenRejection.ScopeMissing,
        TokenRejection.Revoked => V1.TokenRejection.Revoked,
        TokenRejection.ProofMissing => V1.TokenRejection.ProofMissing,
        TokenRejection.ProofInvalid => V1.TokenRejection.ProofInvalid,
        TokenRejection.ProofReplayed => V1.TokenRejection.ProofReplayed,
        TokenRejection.ProofLimit => V1.TokenRejection.ProofLimit,
        TokenRejection.SubjectMismatch => V1.TokenRejection.SubjectMismatch,
        TokenRejection.IntrospectionPending => V1.TokenRejection.IntrospectionPending,
        TokenRejection.Inactive => V1.TokenRejection.Inactive,
        TokenRejection.ClaimNotAllowed => V1.TokenRejection.ClaimNotAllowed,
        _ => V1.TokenRejection.Unspecified,
    };
}
