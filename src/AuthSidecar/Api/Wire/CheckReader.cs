using AuthSidecar.Decisions;
using AuthSidecar.Policies;
using AuthSidecar.Risk;

namespace AuthSidecar.Api.Wire;

/// <summary>Several checks, to be answered from this revision or a later one.</summary>
internal sealed record CheckBatch(IReadOnlyList<CheckRequest> Checks, Revision AtLeast);

/// <summary>Reads CheckPermission and CheckPermissions: straight from the wire into the domain, since objects of the generated message
/// would cost more than the decision. What is rare in a check, risk signals and proofs of possession, is left to the generated
/// readers.</summary>
/// <param name="known">Tokens that were verified before.</param>
/// <param name="caller">The workload that calls; null: the connection does not tell.</param>
internal readonly struct CheckReader(FieldViolations violations, VerifiedTokenCache known, Caller? caller)
{
    public const int MaxChecks = 200;

    // Of ours, which are tokens with a handful of claims.
    private const int MaxMfaProofBytes = 4096;

    // The resource is one more.
    private const int MaxEntities = EntityOverlay.MaxGiven - 1;

    private readonly ValueReader _values = new(violations);
    private readonly TokenFieldReader _tokens = new(violations, known);

    public CheckRequest? Read(ReadOnlySpan<byte> message)
    {
        ReadParts("", message, out var parts);
        SharedDefaults none = default;
        return ReadCheck("", parts, default, ref none);
    }

    public CheckBatch? ReadBatch(ReadOnlySpan<byte> message, in CallDeadline limits)
    {
        var count = 0;
        FieldSlice defaultsPart = default, revision = default;
        var reader = new MessageReader(message);
        while (reader.Next())
        {
            switch (reader.Tag)
            {
                case V1.CheckPermissionsRequest.ChecksFieldNumber << 3 | MessageReader.Bytes: count++; goto default;
                case V1.CheckPermissionsRequest.DefaultsFieldNumber << 3 | MessageReader.Bytes:
                    _values.Take(ref defaultsPart, "defaults", reader.ReadBytes());
                    break;
                case V1.CheckPermissionsRequest.AtLeastRevisionFieldNumber << 3 | MessageReader.Bytes:
                    _values.Take(ref revision, "at_least_revision", reader.ReadBytes());
                    break;
                default: reader.Skip(); break;
            }
        }

        if (count is 0 or > MaxChecks)
        {
            violations.Add("checks", $"must have 1 to {MaxChecks} elements, not {count.ToString(CultureInfo.InvariantCulture)}");
            return null;
        }

        ReadParts("defaults.", defaultsPart.Bytes, out var defaults);
        return new CheckBatch(ReadChecks(message, count, defaults, limits), _values.ReadRevision("at_least_revision", revision));
    }

    private List<CheckRequest> ReadChecks(ReadOnlySpan<byte> message, int count, scoped in CheckParts defaults, in CallDeadline limits)
    {
        var shared = new SharedDefaults { Tokens = new BatchTokens() };
        var read = new List<CheckRequest>(count);
        var index = 0;
        var reader = new MessageReader(message);
        while (reader.Next())
        {
            if (reader.Tag != (V1.CheckPermissionsRequest.ChecksFieldNumber << 3 | MessageReader.Bytes))
            {
                reader.Skip();
                continue;
            }

            // Whoever has gone away has nothing read for them.
            limits.ThrowIfOver();
            var at = violations.At(violations.AtIndex("checks", index++), ".");
            ReadParts(at, reader.ReadBytes(), out var parts);
            if (ReadCheck(at, parts, defaults, ref shared) is { } check)
                read.Add(check);
        }

        return read;
    }

    /// <summary>Where the fields of a check lie in its message.</summary>
    private ref struct CheckParts
    {
        public ReadOnlySpan<byte> Message;
        public FieldSlice Token;
        public FieldSlice Principal;
        public FieldSlice TokenProof;
        public FieldSlice Action;
        public FieldSlice Resource;
        public FieldSlice RiskSignals;
        public FieldSlice MfaProof;
        public int ContextCount;
        public int EntityCount;
        public ulong? Explain;
        public FieldSlice AtLeastRevision;
    }

    private void ReadParts(string at, ReadOnlySpan<byte> message, out CheckParts parts)
    {
        parts = new CheckParts { Message = message };
        var reader = new MessageReader(message);
        while (reader.Next())
        {
            switch (reader.Tag)
            {
                case V1.CheckPermissionRequest.TokenFieldNumber << 3 | MessageReader.Bytes:
                    _values.Take(ref parts.Token, violations.At(at, "token"), reader.ReadBytes());
                    break;
                case V1.CheckPermissionRequest.PrincipalFieldNumber << 3 | MessageReader.Bytes:
                    _values.Take(ref parts.Principal, violations.At(at, "principal"), reader.ReadBytes());
                    break;
                case V1.CheckPermissionRequest.TokenProofFieldNumber << 3 | MessageReader.Bytes:
                    _values.Take(ref parts.TokenProof, violations.At(at, "token_proof"), reader.ReadBytes());
                    break;
                case V1.CheckPermissionRequest.ActionFieldNumber << 3 | MessageReader.Bytes:
                    _values.Take(ref parts.Action, violations.At(at, "action"), reader.ReadBytes());
                    break;
                case V1.CheckPermissionRequest.ResourceFieldNumber << 3 | MessageReader.Bytes:
                    _values.Take(ref parts.Resource, violations.At(at, "resource"), reader.ReadBytes());
                    break;
                case V1.CheckPermissionRequest.ContextFieldNumber << 3 | MessageReader.Bytes: parts.ContextCount++; goto default;
                case V1.CheckPermissionRequest.EntitiesFieldNumber << 3 | MessageReader.Bytes: parts.EntityCount++; goto default;
                case V1.CheckPermissionRequest.RiskSignalsFieldNumber << 3 | MessageReader.Bytes:
                    _values.Take(ref parts.RiskSignals, violations.At(at, "risk_signals"), reader.ReadBytes());
                    break;
                case V1.CheckPermissionRequest.MfaProofFieldNumber << 3 | MessageReader.Bytes:
                    _values.Take(ref parts.MfaProof, violations.At(at, "mfa_proof"), reader.ReadBytes());
                    break;
                case V1.CheckPermissionRequest.ExplainFieldNumber << 3 | MessageReader.Varint:
                    _values.TakeNumber(ref parts.Explain, violations.At(at, "explain"), reader.ReadVarint());
                    break;
                case V1.CheckPermissionRequest.AtLeastRevisionFieldNumber << 3 | MessageReader.Bytes:
                    _values.Take(ref parts.AtLeastRevision, violations.At(at, "at_least_revision"), reader.ReadBytes());
                    break;
                default: reader.Skip(); break;
            }
        }
    }

    /// <param name="at">Where the check stands in its batch.</param>
    /// <param name="own">What the check says itself.</param>
    /// <param name="defaults">What counts where it says nothing.</param>
    /// <param name="shared">What was read already for other checks of the batch.</param>
    private CheckRequest? ReadCheck(string at, scoped in CheckParts own, scoped in CheckParts defaults, ref SharedDefaults shared)
    {
        ref readonly var subject = ref own.Token.IsPresent || own.Principal.IsPresent ? ref own : ref defaults;
        var (token, principal) = ReadSubject(at, subject.Token, subject.Principal, own.TokenProof, defaults.TokenProof, ref shared);
        var action = _values.ReadAction(violations.At(at, "action"), own.Action.Or(defaults.Action));
        // What several checks share is read once: it is the same, and may be large.
        var resource = own.Resource.IsPresent || !defaults.Resource.IsPresent ? ReadResource(at, own.Resource)
            : shared.Resource ??= ReadResource("defaults.", defaults.Resource);
        var entities = own.EntityCount > 0 ? ReadEntities(at, own) : shared.Entities ??= ReadEntities("defaults.", defaults);
        var context = own.ContextCount > 0 ? ReadContext(violations.At(at, "context"), own)
            : shared.Context ??= ReadContext(violations.At("defaults.", "context"), defaults);
        var signals = own.RiskSignals.IsPresent ? ReadSignals(at, own.RiskSignals)
            : shared.RiskSignals ??= ReadSignals("defaults.", defaults.RiskSignals);
        var atLeast = _values.ReadRevision(violations.At(at, "at_least_revision"), own.AtLeastRevision);
        var proof = own.MfaProof.Bytes.IsEmpty ? shared.MfaProof ??= ReadMfaProof("defaults.", defaults.MfaProof)
            : ReadMfaProof(at, own.MfaProof);
        return (token is null && principal is null) || action is null || resource is null ? null : new CheckRequest
        {
            Token = token,
            Principal = principal,
            Caller = caller,
            Action = action,
            Resource = resource.Uid,
            Entities = entities.Length == 0 ? [resource] : [resource, .. entities],
            Context = context,
            RiskSignals = signals,
            MfaProof = proof,
            Explain = (own.Explain ?? 0) != 0 || (defaults.Explain ?? 0) != 0,
            AtLeast = atLeast,
        };
    }

    private (PresentedToken? Token, EntityUid? Principal) ReadSubject(
        string at, FieldSlice token, FieldSlice principal, FieldSlice ownProof, FieldSlice sharedProof, ref SharedDefaults shared)
    {
        switch (token.IsPresent, principal.IsPresent)
        {
            case (true, true):
                violations.Add(violations.At(at, "subject"), "`token` and `principal` are mutually exclusive");
                return default;
            case (true, false):
                var known = shared.Tokens?.Find(token.Bytes, ownProof.Or(sharedProof).Bytes);
                return (known ?? ReadToken(at, token, ownProof, sharedProof, ref shared), null);
            case (false, true):
                // A proof without a token proves nothing; that is no reason not to look whether it is well-formed.
                ReadProof(at, ownProof, sharedProof, ref shared);
                return (null, _values.ReadUid(violations.At(at, "principal"), principal));
            case (false, false) when caller?.Principal is { } principalOfCaller:
                ReadProof(at, ownProof, sharedProof, ref shared);
                return (null, principalOfCaller);
            default:
                violations.Add(violations.At(at, "subject"), "either `token` or `principal` is required");
                return default;
        }
    }

    private PresentedToken ReadToken(string at, FieldSlice token, FieldSlice ownProof, FieldSlice sharedProof, ref SharedDefaults shared)
    {
        var request = _tokens.ReadToken(token, ReadProof(at, ownProof, sharedProof, ref shared));
        shared.Tokens?.Add(request, ownProof.Or(sharedProof).Bytes);
        return request;
    }

    private (DpopRequest? Dpop, byte[] CertificateSha256) ReadProof(
        string at, FieldSlice own, FieldSlice defaults, ref SharedDefaults shared) =>
        own.IsPresent ? _tokens.ReadProof(violations.At(at, "token_proof"), own)
            : shared.TokenProof ??= _tokens.ReadProof("defaults.token_proof", defaults);

    private RequestEntity? ReadResource(string at, FieldSlice resource)
    {
        if (!resource.IsPresent)
        {
            violations.Add(violations.At(at, "resource"), "required");
            return null;
        }

        return _values.ReadEntity(violations.At(at, "resource"), resource.Bytes);
    }

    private RequestEntity[] ReadEntities(string at, scoped in CheckParts parts)
    {
        if (parts.EntityCount == 0 || !violations.Count(violations.At(at, "entities"), parts.EntityCount, MaxEntities))
            return [];

        var entities = new RequestEntity[parts.EntityCount];
        var index = 0;
        var reader = new MessageReader(parts.Message);
        while (reader.Next())
        {
            if (reader.Tag != (V1.CheckPermissionRequest.EntitiesFieldNumber << 3 | MessageReader.Bytes))
            {
                reader.Skip();
            }
            else
            {
                // One that cannot be read is a violation, and then none is looked at.
                entities[index] = _values.ReadEntity(violations.AtIndex(violations.At(at, "entities"), index), reader.ReadBytes())!;
                index++;
            }
        }

        return entities;
    }

    private RiskSignals? ReadSignals(string at, FieldSlice signals) =>
        signals.IsPresent
            ? new SignalReader(violations)
                .ReadSignals(violations.At(at, "risk_signals"), RequestReader.Parse(V1.RiskSignals.Parser, signals.Bytes))
            : null;

    private Secret ReadMfaProof(string at, FieldSlice proof) =>
        violations.Length(violations.At(at, "mfa_proof"), proof.Bytes.Length, MaxMfaProofBytes)
            ? new Secret(MessageReader.Decode(proof.Bytes))
            : default;

    private ValueRecord ReadContext(string at, scoped in CheckParts parts)
    {
        var context = _values.ReadFields(at, parts.Message, V1.CheckPermissionRequest.ContextFieldNumber, parts.ContextCount, depth: 1);
        foreach (ref readonly var field in context.Fields)
        {
            if (ContextContract.IsReserved(field.Key))
                violations.Add(violations.At(at, ".", field.Key), "reserved: the attribute is supplied by the sidecar");
        }

        return context;
    }

    /// <summary>What the checks of a batch take from its defaults, read when the first takes it; and their tokens. A single check has
    /// none of it.</summary>
    private struct SharedDefaults
    {
        public BatchTokens? Tokens;
        public (DpopRequest? Dpop, byte[] CertificateSha256)? TokenProof;
        public RequestEntity? Resource;
        public RequestEntity[]? Entities;
        public ValueRecord? Context;
        public RiskSignals? RiskSignals;
        public Secret? MfaProof;
    }

    /// <summary>Checks of a batch that share a token share its request, so that it is validated, and its proof of possession spent,
    /// once.</summary>
    private sealed class BatchTokens
    {
        private readonly Dictionary<string, List<(byte[] Proof, PresentedToken Request)>> _tokens = new(StringComparer.Ordinal);
        private PresentedToken? _last;
        private byte[] _lastProof = [];

        /// <summary>Mostly it is the token of the check before.</summary>
        public PresentedToken? Find(ReadOnlySpan<byte> token, ReadOnlySpan<byte> proof)
        {
            if (_last is not null && proof.SequenceEqual(_lastProof) && Ascii.Equals(token, _last.Token.Reveal()))
                return _last;

            foreach (var (other, request) in _tokens.GetValueOrDefault(MessageReader.Decode(token)) ?? [])
            {
                if (proof.SequenceEqual(other))
                    return request;
            }

            return null;
        }

        public void Add(PresentedToken request, ReadOnlySpan<byte> proof)
        {
            (_last, _lastProof) = (request, proof.ToArray());
            if (!_tokens.TryGetValue(request.Token.Reveal(), out var requests))
                _tokens.Add(request.Token.Reveal(), requests = []);

            requests.Add((_lastProof, request));
        }
    }
}
