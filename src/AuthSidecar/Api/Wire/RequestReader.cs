using AuthSidecar.Decisions;
using AuthSidecar.Mfa;
using AuthSidecar.Risk;
using Google.Protobuf.Reflection;

namespace AuthSidecar.Api.Wire;

/// <summary>A request to score an access.</summary>
internal sealed record RiskRequest(EntityUid Subject, RiskSignals Signals, EntityUid? Action);

/// <summary>Reads requests off the wire: sizes against limits, names parsed, nothing missing.</summary>
internal sealed class RequestReader(VerifiedTokenCache tokens)
{
    private const int MaxFactorIdBytes = 256;
    private const int MaxSessionIdBytes = 256;
    private const int MaxCodeBytes = 64;

    private readonly Reading<TokenValidationRequest> _readValidation = (violations, message, in _, _) =>
        new TokenFieldReader(violations, tokens).Read(message);
    private readonly Reading<CheckRequest> _readCheck = (violations, message, in _, caller) =>
        new CheckReader(violations, tokens, caller).Read(message);
    private readonly Reading<CheckBatch> _readBatch = (violations, message, in limits, caller) =>
        new CheckReader(violations, tokens, caller).ReadBatch(message, limits);

    /// <exception cref="RpcException">The request is malformed; here and below.</exception>
    public TokenValidationRequest ReadValidation(ReadOnlySequence<byte> payload, in CallDeadline limits) =>
        Read(payload, _readValidation, limits);

    public CheckRequest ReadCheck(ReadOnlySequence<byte> payload, in CallDeadline limits, Caller? caller = null) =>
        Read(payload, _readCheck, limits, caller);

    public CheckBatch ReadBatch(ReadOnlySequence<byte> payload, in CallDeadline limits, Caller? caller = null) =>
        Read(payload, _readBatch, limits, caller);

    public static RiskRequest ReadRisk(ReadOnlySequence<byte> payload) =>
        Read(payload, static (violations, message, in _, _) => ReadRisk(violations, Parse(V1.EvaluateRiskRequest.Parser, message)),
            default);

    public static MfaRequest ReadMfa(ReadOnlySequence<byte> payload) =>
        Read(payload, static (violations, message, in _, _) => ReadMfa(violations, Parse(V1.VerifyMfaRequest.Parser, message)),
            default);

    /// <summary>Bytes that are no message are the caller's mistake, and are told as one.</summary>
    public static T Parse<T>(MessageParser<T> parser, ReadOnlySpan<byte> message)
        where T : IMessage<T>
    {
        try
        {
            var parsed = parser.ParseFrom(message);
            return HasAFieldTwice(parsed.Descriptor, message) ? throw ApiErrors.FieldGivenTwice() : parsed;
        }
        catch (InvalidProtocolBufferException)
        {
            throw ApiErrors.MalformedMessage();
        }
    }

    /// <summary>Whether a field that may stand there once stands there twice, in the message or in one within it: readers differ about
    /// which of the two counts.</summary>
    private static bool HasAFieldTwice(MessageDescriptor descriptor, ReadOnlySpan<byte> message)
    {
        var seen = 0ul;
        var reader = new MessageReader(message);
        while (reader.Next())
        {
            var number = (int)(reader.Tag >> 3);
            var field = number < 64 ? descriptor.FindFieldByNumber(number) : null;
            if (field is { IsRepeated: false } && (seen & (1ul << number)) != 0)
                return true;

            seen |= field is null ? 0 : 1ul << number;
            if (field is { FieldType: FieldType.Message } && (reader.Tag & 7) == MessageReader.Bytes)
            {
                if (HasAFieldTwice(field.MessageType, reader.ReadBytes()))
                    return true;
            }
            else
            {
                reader.Skip();
            }
        }

        return false;
    }

    private delegate T? Reading<out T>(FieldViolations violations, ReadOnlySpan<byte> message, in CallDeadline limits, Caller? caller)
        where T : class;

    private static T Read<T>(ReadOnlySequence<byte> payload, Reading<T> read, in CallDeadline limits, Caller? caller = null)
        where T : class
    {
        var message = payload.IsSingleSegment ? payload.FirstSpan : payload.ToArray();
        var violations = new FieldViolations(describes: false);
        var result = read(violations, message, limits, caller);
        if (!violations.HasFailed)
            return result!;

        var describing = new FieldViolations(describes: true);
        read(describing, message, limits, caller);
        throw ApiErrors.InvalidFields(describing.Violations);
    }

    private static RiskRequest? ReadRisk(FieldViolations violations, V1.EvaluateRiskRequest request)
    {
        var subject = ReadUid(violations, "subject", request.Subject);
        var signals = new SignalReader(violations).ReadSignals("signals", request.Signals) ?? RiskSignals.None;
        var action = request.Action is null
            ? null
            : new ValueReader(violations)
                .ReadUid("action", request.Action.Type.Length == 0 ? "Action" : request.Action.Type, request.Action.Id);
        return subject is null ? null : new RiskRequest(subject, signals, action);
    }

    private static MfaRequest? ReadMfa(FieldViolations violations, V1.VerifyMfaRequest request)
    {
        var subject = ReadUid(violations, "subject", request.Subject);
        if (subject?.Id.Length == 0)
            violations.Add("subject.id", "required");

        violations.Required("factor_id", request.FactorId, MaxFactorIdBytes);
        violations.Required("code", request.Code, MaxCodeBytes);
        var sessionId = request.Context?.SessionId ?? "";
        violations.Length("context.session_id", sessionId, MaxSessionIdBytes);
        return subject is null ? null : new MfaRequest(subject, request.FactorId, new Secret(request.Code), sessionId);
    }

    private static EntityUid? ReadUid(FieldViolations violations, string at, V1.EntityUid? uid)
    {
        if (uid is null)
        {
            violations.Add(at, "required");
            return null;
        }

        return new ValueReader(violations).ReadUid(at, uid.Type, uid.Id);
    }
}
