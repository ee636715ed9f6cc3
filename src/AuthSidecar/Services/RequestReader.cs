using System.Buffers;
using AuthSidecar.Cedar;
using AuthSidecar.Decisions;
using AuthSidecar.Mfa;
using AuthSidecar.Risk;
using AuthSidecar.Tokens;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Grpc.Core;
using Wire = AuthSidecar.V1;

namespace AuthSidecar.Services;

/// <summary>A request to score an access.</summary>
internal sealed record RiskRequest(EntityUid Subject, RiskSignals Signals, EntityUid? Action);

/// <summary>Reads requests off the wire: sizes against limits, names parsed, nothing missing.</summary>
internal sealed class RequestReader(VerifiedTokenCache tokens)
{
    private const int MaxFactorIdBytes = 256;
    private const int MaxSessionIdBytes = 256;
    private const int MaxCodeBytes = 64;

    private readonly Reading<ValidationRequest> _readValidation = (checks, message, in _) => new TokenReader(checks, tokens).Read(message);
    private readonly Reading<CheckRequest> _readCheck = (checks, message, in _) => new CheckReader(checks, tokens).Read(message);
    private readonly Reading<CheckBatch> _readBatch = (checks, message, in limits) => new CheckReader(checks, tokens).ReadBatch(message, limits);

    /// <exception cref="RpcException">The request is malformed; here and below.</exception>
    public ValidationRequest ReadValidation(ReadOnlySequence<byte> payload, in CallLimits limits) => Read(payload, _readValidation, limits);

    public CheckRequest ReadCheck(ReadOnlySequence<byte> payload, in CallLimits limits) => Read(payload, _readCheck, limits);

    public CheckBatch ReadBatch(ReadOnlySequence<byte> payload, in CallLimits limits) => Read(payload, _readBatch, limits);

    public static RiskRequest ReadRisk(ReadOnlySequence<byte> payload) =>
        Read(payload, static (checks, message, in _) => ReadRisk(checks, Parse(Wire.EvaluateRiskRequest.Parser, message)), default);

    public static MfaRequest ReadMfa(ReadOnlySequence<byte> payload) =>
        Read(payload, static (checks, message, in _) => ReadMfa(checks, Parse(Wire.VerifyMfaRequest.Parser, message)), default);

    /// <summary>Bytes that are no message are the caller's mistake, and are told as one.</summary>
    public static T Parse<T>(MessageParser<T> parser, ReadOnlySpan<byte> message)
        where T : IMessage<T>
    {
        try
        {
            var parsed = parser.ParseFrom(message);
            return HasAFieldTwice(parsed.Descriptor, message) ? throw Failures.FieldGivenTwice() : parsed;
        }
        catch (InvalidProtocolBufferException)
        {
            throw Failures.MalformedMessage();
        }
    }

    /// <summary>Whether a field that may stand there once stands there twice, in the message or in one within it: readers differ about which of the two counts.</summary>
    private static bool HasAFieldTwice(MessageDescriptor descriptor, ReadOnlySpan<byte> message)
    {
        var seen = 0ul;
        var reader = new MessageReader(message);
        while (reader.Next())
        {
            var number = (int)(reader.Tag >> 3);
            var field = number < 64 ? descriptor.FindFieldByNumber(number) : null;
            if (field is { IsRepeated: false } && (seen & (1ul << number)) != 0)
            {
                return true;
            }

            seen |= field is null ? 0 : 1ul << number;
            if (field is { FieldType: FieldType.Message } && (reader.Tag & 7) == MessageReader.Bytes)
            {
                if (HasAFieldTwice(field.MessageType, reader.ReadBytes()))
                {
                    return true;
                }
            }
            else
            {
                reader.Skip();
            }
        }

        return false;
    }

    private delegate T? Reading<out T>(FieldChecks checks, ReadOnlySpan<byte> message, in CallLimits limits)
        where T : class;

    private static T Read<T>(ReadOnlySequence<byte> payload, Reading<T> read, in CallLimits limits)
        where T : class
    {
        var message = payload.IsSingleSegment ? payload.FirstSpan : payload.ToArray();
        var checks = new FieldChecks(describes: false);
        var result = read(checks, message, limits);
        if (!checks.HasFailed)
        {
            return result!;
        }

        var describing = new FieldChecks(describes: true);
        read(describing, message, limits);
        throw Failures.InvalidFields(describing.Violations);
    }

    private static RiskRequest? ReadRisk(FieldChecks checks, Wire.EvaluateRiskRequest request)
    {
        var subject = ReadUid(checks, "subject", request.Subject);
        var signals = new SignalReader(checks).ReadSignals("signals", request.Signals) ?? RiskSignals.None;
        var action = request.Action is null ? null
            : new ValueReader(checks).ReadUid("action", request.Action.Type.Length == 0 ? "Action" : request.Action.Type, request.Action.Id);
        return subject is null ? null : new RiskRequest(subject, signals, action);
    }

    private static MfaRequest? ReadMfa(FieldChecks checks, Wire.VerifyMfaRequest request)
    {
        var subject = ReadUid(checks, "subject", request.Subject);
        if (subject?.Id.Length == 0)
        {
            checks.Add("subject.id", "required");
        }

        checks.Required("factor_id", request.FactorId, MaxFactorIdBytes);
        checks.Required("code", request.Code, MaxCodeBytes);
        var sessionId = request.Context?.SessionId ?? "";
        checks.Length("context.session_id", sessionId, MaxSessionIdBytes);
        return subject is null ? null : new MfaRequest(subject, request.FactorId, new Secret(request.Code), sessionId);
    }

    private static EntityUid? ReadUid(FieldChecks checks, string at, Wire.EntityUid? uid)
    {
        if (uid is null)
        {
            checks.Add(at, "required");
            return null;
        }

        return new ValueReader(checks).ReadUid(at, uid.Type, uid.Id);
    }
}
