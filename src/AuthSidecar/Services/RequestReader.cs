using System.Globalization;
using System.Runtime.CompilerServices;
using AuthSidecar.Cedar;
using AuthSidecar.Decisions;
using AuthSidecar.Mfa;
using AuthSidecar.Policies;
using AuthSidecar.Risk;
using AuthSidecar.Tokens;
using Google.Protobuf.Collections;
using Grpc.Core;
using Wire = AuthSidecar.V1;

namespace AuthSidecar.Services;

/// <summary>What is wrong with a field of a request.</summary>
/// <param name="Field">Its path, such as <c>checks[3].resource.uid.type</c>.</param>
/// <param name="Description">What is wrong with it. Never its value: that may be a secret.</param>
internal readonly record struct FieldViolation(string Field, string Description);

/// <summary>
/// Reads requests off the wire: sizes against limits, names parsed, nothing missing. Every violation is collected, so that a caller
/// mends its request once.
/// </summary>
/// <remarks>
/// A request is read without a word about where one is in it, for most are well-formed. One that is not is read once more, and that time
/// every path is written out.
/// </remarks>
internal sealed class RequestReader
{
    public const int MaxChecks = 200;
    private const int MaxTypeBytes = 256;
    private const int MaxIdBytes = 512;
    private const int MaxAttributes = 128;
    private const int MaxParents = 64;
    private const int MaxEntities = 64;
    private const int MaxItems = 1024;
    private const int MaxNesting = 16;
    private const int MaxStringBytes = 16 * 1024;
    private const int MaxScopes = 32;
    private const int MaxForwardedFor = 32;
    private const int MaxCodeBytes = 64;
    private const int MaxShortText = 256;
    private const int MaxUriBytes = 4096;
    private const int CertificateHashBytes = 32;

    // A report of more helps nobody.
    private const int MaxViolations = 32;

    private static readonly Wire.CheckPermissionRequest NoDefaults = new();

    private readonly List<FieldViolation>? _violations;
    private bool _hasFailed;

    private RequestReader(bool describes) => _violations = describes ? [] : null;

    /// <exception cref="RpcException">The request is malformed; here and below.</exception>
    public static TokenRequest Read(Wire.ValidateTokenRequest request) => Read(request, static (reader, r) => reader.ReadValidation(r));

    public static CheckRequest Read(Wire.CheckPermissionRequest request) => Read(request, static (reader, r) => reader.ReadCheck("", r, NoDefaults, tokens: null));

    public static List<CheckRequest> Read(Wire.CheckPermissionsRequest request) => Read(request, static (reader, r) => reader.ReadBatch(r));

    public static RiskRequest Read(Wire.EvaluateRiskRequest request) => Read(request, static (reader, r) => reader.ReadRisk(r));

    public static MfaRequest Read(Wire.VerifyMfaRequest request) => Read(request, static (reader, r) => reader.ReadMfa(r));

    private static T Read<TMessage, T>(TMessage message, Func<RequestReader, TMessage, T?> read)
        where T : class
    {
        var reader = new RequestReader(describes: false);
        var result = read(reader, message);
        if (!reader._hasFailed)
        {
            return result!;
        }

        var describing = new RequestReader(describes: true);
        read(describing, message);
        throw Failures.InvalidFields(describing._violations!);
    }

    private TokenRequest ReadValidation(Wire.ValidateTokenRequest request)
    {
        CheckCount("required_scopes", request.RequiredScopes.Count, MaxScopes);
        CheckLength("audience", request.Audience, MaxShortText);
        return new TokenRequest
        {
            Token = new Secret(request.Token),
            Audience = request.Audience.Length == 0 ? null : request.Audience,
            RequiredScopes = request.RequiredScopes,
            Dpop = ReadDpop("proof", request.Proof),
            CertificateSha256 = ReadCertificate("proof", request.Proof),
        };
    }

    private List<CheckRequest>? ReadBatch(Wire.CheckPermissionsRequest request)
    {
        if (request.Checks.Count is 0 or > MaxChecks)
        {
            Add("checks", $"a batch has 1 to {MaxChecks} checks, not {request.Checks.Count.ToString(CultureInfo.InvariantCulture)}");
            return null;
        }

        // Checks that share a token share its request, so that it is validated, and its proof of possession spent, once.
        var tokens = new Dictionary<(string, Wire.TokenProof?), TokenRequest>();
        var defaults = request.Defaults ?? NoDefaults;
        var checks = new List<CheckRequest>(request.Checks.Count);
        for (var i = 0; i < request.Checks.Count; i++)
        {
            if (ReadCheck(At($"checks[{i}]."), request.Checks[i], defaults, tokens) is { } check)
            {
                checks.Add(check);
            }
        }

        return checks;
    }

    private RiskRequest? ReadRisk(Wire.EvaluateRiskRequest request)
    {
        var subject = ReadUid("subject", request.Subject);
        var signals = ReadSignals("signals", request.Signals) ?? RiskSignals.None;
        var action = request.Action is null ? null : ReadAction("action", request.Action);
        return subject is null ? null : new RiskRequest(subject, signals, action);
    }

    private MfaRequest? ReadMfa(Wire.VerifyMfaRequest request)
    {
        var subject = ReadUid("subject", request.Subject);
        if (subject?.Id.Length == 0)
        {
            Add("subject.id", "required");
        }

        CheckRequired("factor_id", request.FactorId, MaxShortText);
        CheckRequired("code", request.Code, MaxCodeBytes);
        var sessionId = request.Context?.SessionId ?? "";
        CheckLength("context.session_id", sessionId, MaxShortText);
        return subject is null ? null : new MfaRequest(subject, request.FactorId, new Secret(request.Code), sessionId);
    }

    // ------------------------------------------------------------------ checks

    private CheckRequest? ReadCheck(string at, Wire.CheckPermissionRequest request, Wire.CheckPermissionRequest defaults, Dictionary<(string, Wire.TokenProof?), TokenRequest>? tokens)
    {
        var subject = request.SubjectCase == Wire.CheckPermissionRequest.SubjectOneofCase.None ? defaults : request;
        var token = subject.SubjectCase == Wire.CheckPermissionRequest.SubjectOneofCase.Token
            ? ReadToken(at, subject.Token, request.TokenProof ?? defaults.TokenProof, tokens)
            : null;
        EntityUid? principal = null;
        if (subject.SubjectCase == Wire.CheckPermissionRequest.SubjectOneofCase.Principal)
        {
            principal = ReadUid(At($"{at}principal"), subject.Principal);
        }
        else if (token is null)
        {
            Add(At($"{at}subject"), "a token or a principal is required");
        }

        var action = ReadAction(At($"{at}action"), request.Action ?? defaults.Action);
        var (resource, entities) = ReadEntities(at, request.Resource ?? defaults.Resource, request.Entities.Count > 0 ? request.Entities : defaults.Entities);
        var context = ReadContext(At($"{at}context"), request.Context.Count > 0 ? request.Context : defaults.Context);
        var signals = ReadSignals(At($"{at}risk_signals"), request.RiskSignals ?? defaults.RiskSignals);
        return (token is null && principal is null) || action is null || resource is null ? null : new CheckRequest
        {
            Token = token,
            Principal = principal,
            Action = action,
            Resource = resource,
            Entities = entities,
            Context = context,
            RiskSignals = signals,
            MfaProof = new Secret(request.MfaProof.Length > 0 ? request.MfaProof : defaults.MfaProof),
            Explain = request.Explain || defaults.Explain,
        };
    }

    /// <param name="at">Where the check stands in its batch.</param>
    /// <param name="text">The token.</param>
    /// <param name="proof">What came along with it.</param>
    /// <param name="tokens">The tokens of the batch that were read already; null: there is no batch.</param>
    private TokenRequest ReadToken(string at, string text, Wire.TokenProof? proof, Dictionary<(string, Wire.TokenProof?), TokenRequest>? tokens)
    {
        if (tokens is not null && tokens.TryGetValue((text, proof), out var known))
        {
            return known;
        }

        var token = new TokenRequest
        {
            Token = new Secret(text),
            Dpop = ReadDpop(At($"{at}token_proof"), proof),
            CertificateSha256 = ReadCertificate(At($"{at}token_proof"), proof),
        };
        tokens?.Add((text, proof), token);
        return token;
    }

    private (EntityUid? Resource, List<GivenEntity> Entities) ReadEntities(string at, Wire.Entity? resource, RepeatedField<Wire.Entity> others)
    {
        var entities = new List<GivenEntity>(others.Count + 1);
        if (resource is null)
        {
            Add(At($"{at}resource"), "required");
            return (null, entities);
        }

        CheckCount(At($"{at}entities"), others.Count, MaxEntities);
        if (ReadEntity(At($"{at}resource"), resource) is not { } read)
        {
            return (null, entities);
        }

        // A resource of which the request says nothing has nothing to lay over the snapshot.
        if (read.Attributes.Count > 0 || read.Parents.Count > 0)
        {
            entities.Add(read);
        }

        for (var i = 0; i < Math.Min(others.Count, MaxEntities); i++)
        {
            if (ReadEntity(At($"{at}entities[{i}]"), others[i]) is { } other)
            {
                entities.Add(other);
            }
        }

        return (read.Uid, entities);
    }

    private GivenEntity? ReadEntity(string at, Wire.Entity entity)
    {
        var uid = ReadUid(At($"{at}.uid"), entity.Uid);
        CheckCount(At($"{at}.parents"), entity.Parents.Count, MaxParents);
        var parents = new List<EntityUid>(entity.Parents.Count);
        for (var i = 0; i < Math.Min(entity.Parents.Count, MaxParents); i++)
        {
            if (ReadUid(At($"{at}.parents[{i}]"), entity.Parents[i]) is { } parent)
            {
                parents.Add(parent);
            }
        }

        var attributes = ReadFields(At($"{at}.attributes"), entity.Attributes, 1);
        return uid is null ? null : new GivenEntity(uid, attributes.Count == 0 ? ValueRecord.Empty : ValueRecord.Create([.. attributes]), parents);
    }

    private List<KeyValuePair<string, Value>> ReadContext(string at, MapField<string, Wire.Value> context)
    {
        foreach (var (name, _) in context)
        {
            if (RequestContext.IsReserved(name))
            {
                Add(At($"{at}.{name}"), "this attribute is the sidecar's own");
            }
        }

        return ReadFields(at, context, 1);
    }

    // ------------------------------------------------------------------ values

    private EntityUid? ReadUid(string at, Wire.EntityUid? uid)
    {
        if (uid is null)
        {
            Add(at, "required");
            return null;
        }

        return ReadUid(at, uid.Type, uid.Id);
    }

    private EntityUid? ReadAction(string at, Wire.EntityUid? action)
    {
        if (action is null)
        {
            Add(at, "required");
            return null;
        }

        return ReadUid(at, action.Type.Length == 0 ? "Action" : action.Type, action.Id);
    }

    private EntityUid? ReadUid(string at, string type, string id)
    {
        if (!CheckLength(At($"{at}.type"), type, MaxTypeBytes) || !CheckLength(At($"{at}.id"), id, MaxIdBytes))
        {
            return null;
        }

        if (EntityUid.TryCreate(type, id, out var uid))
        {
            return uid;
        }

        Add(At($"{at}.type"), "not the name of an entity type: identifiers joined by `::`, such as `Docs::User`");
        return null;
    }

    private List<KeyValuePair<string, Value>> ReadFields(string at, MapField<string, Wire.Value> fields, int depth)
    {
        var read = new List<KeyValuePair<string, Value>>(fields.Count);
        if (!CheckCount(at, fields.Count, MaxAttributes))
        {
            return read;
        }

        foreach (var (name, value) in fields)
        {
            if (CheckLength(at, name, MaxShortText))
            {
                read.Add(new(name, ReadValue(at, name, value, depth)));
            }
        }

        return read;
    }

    private Value ReadValue(string at, string name, Wire.Value value, int depth)
    {
        if (depth > MaxNesting)
        {
            return Invalid($"nested more than {MaxNesting} deep");
        }

        switch (value.KindCase)
        {
            case Wire.Value.KindOneofCase.Bool:
                return Value.Of(value.Bool);
            case Wire.Value.KindOneofCase.Long:
                return Value.Of(value.Long);
            case Wire.Value.KindOneofCase.String:
                return value.String.Length <= MaxStringBytes ? Value.Of(value.String) : Invalid($"longer than {MaxStringBytes}");
            case Wire.Value.KindOneofCase.Entity:
                return ReadUid(At($"{at}.{name}"), value.Entity) is { } uid ? Value.Of(uid) : Value.False;
            case Wire.Value.KindOneofCase.Set:
                return value.Set.Items.Count <= MaxItems
                    ? Value.Of(ValueSet.Create([.. value.Set.Items.Select(item => ReadValue(at, name, item, depth + 1))]))
                    : Invalid($"more than {MaxItems} elements");
            case Wire.Value.KindOneofCase.Record:
                return Value.Of(ValueRecord.Create([.. ReadFields(At($"{at}.{name}"), value.Record.Fields, depth + 1)]));
            case Wire.Value.KindOneofCase.Decimal:
                return Decimal4.TryParse(value.Decimal, out var number) ? Value.Of(number) : Invalid("not a decimal such as `12.5`");
            case Wire.Value.KindOneofCase.Ip:
                return IpRange.TryParse(value.Ip, out var ip) ? Value.Of(ip) : Invalid("not an IP address or CIDR range");
            case Wire.Value.KindOneofCase.Datetime:
                return Instant.TryParse(value.Datetime, out var instant) ? Value.Of(instant) : Invalid("not a datetime such as `2026-01-31T23:59:59.999Z`");
            case Wire.Value.KindOneofCase.Duration:
                return Duration.TryParse(value.Duration, out var duration) ? Value.Of(duration) : Invalid("not a duration such as `1d2h30m`");
            default:
                return Invalid("has no value");
        }

        // Any value will do in its place: a request with violations is never decided.
        Value Invalid(string description)
        {
            Add(At($"{at}.{name}"), description);
            return Value.False;
        }
    }

    // ------------------------------------------------------------------ signals and proofs

    private RiskSignals? ReadSignals(string at, Wire.RiskSignals? signals)
    {
        if (signals is null)
        {
            return null;
        }

        return new RiskSignals
        {
            Device = ReadDevice(At($"{at}.device"), signals.Device),
            Network = ReadNetwork(At($"{at}.network"), signals.Network),
            Location = ReadLocation(At($"{at}.location"), signals.Location),
            Time = ReadTime(At($"{at}.time"), signals.Time),
        };
    }

    private DeviceSignal? ReadDevice(string at, Wire.DeviceSignal? device)
    {
        if (device is null)
        {
            return null;
        }

        CheckLength(At($"{at}.device_id"), device.DeviceId, MaxShortText);
        CheckLength(At($"{at}.key_thumbprint"), device.KeyThumbprint, 64);
        return new DeviceSignal(device.DeviceId, device.KeyThumbprint);
    }

    /// <summary>Addresses are left as they are: one that is no address is a signal too, and scored.</summary>
    private NetworkSignal? ReadNetwork(string at, Wire.NetworkSignal? network)
    {
        if (network is null)
        {
            return null;
        }

        CheckCount(At($"{at}.forwarded_for"), network.ForwardedFor.Count, MaxForwardedFor);
        return new NetworkSignal(network.PeerAddress, network.ForwardedFor);
    }

    private Place? ReadLocation(string at, Wire.LocationSignal? location)
    {
        if (location is null)
        {
            return null;
        }

        CheckRange(At($"{at}.latitude"), location.Latitude, -90, 90);
        CheckRange(At($"{at}.longitude"), location.Longitude, -180, 180);
        CheckRange(At($"{at}.accuracy_km"), location.AccuracyKm, 0, 20_000);
        return new Place(location.Latitude, location.Longitude, location.AccuracyKm);
    }

    private DateTimeOffset? ReadTime(string at, Google.Protobuf.WellKnownTypes.Timestamp? time)
    {
        if (time is null)
        {
            return null;
        }

        try
        {
            return time.ToDateTimeOffset();
        }
        catch (InvalidOperationException)
        {
            Add(at, "not a time between the years 1 and 9999");
            return null;
        }
    }

    private DpopRequest? ReadDpop(string at, Wire.TokenProof? proof)
    {
        if (proof?.Dpop is not { } dpop)
        {
            return null;
        }

        CheckRequired(At($"{at}.dpop.http_method"), dpop.HttpMethod, 32);
        CheckRequired(At($"{at}.dpop.http_uri"), dpop.HttpUri, MaxUriBytes);
        return new DpopRequest(new Secret(dpop.Proof), dpop.HttpMethod, dpop.HttpUri);
    }

    private byte[] ReadCertificate(string at, Wire.TokenProof? proof)
    {
        var hash = proof?.ClientCertificateSha256 ?? Google.Protobuf.ByteString.Empty;
        if (hash.Length is not (0 or CertificateHashBytes))
        {
            Add(At($"{at}.client_certificate_sha256"), $"{CertificateHashBytes} bytes, or none");
        }

        return hash.ToByteArray();
    }

    // ------------------------------------------------------------------ limits

    private bool CheckLength(string at, string text, int most)
    {
        // In UTF-8; a char is at least one byte, and so most texts need no second look.
        if (text.Length <= most / 3 || System.Text.Encoding.UTF8.GetByteCount(text) <= most)
        {
            return true;
        }

        Add(at, $"longer than {most.ToString(CultureInfo.InvariantCulture)} bytes");
        return false;
    }

    private void CheckRequired(string at, string text, int most)
    {
        if (text.Length == 0)
        {
            Add(at, "required");
        }
        else
        {
            CheckLength(at, text, most);
        }
    }

    private bool CheckCount(string at, int count, int most)
    {
        if (count > most)
        {
            Add(at, string.Create(CultureInfo.InvariantCulture, $"at most {most}, not {count}"));
        }

        return count <= most;
    }

    private void CheckRange(string at, double value, double least, double most)
    {
        // Written so that NaN is out of range.
        if (!(value >= least && value <= most))
        {
            Add(at, string.Create(CultureInfo.InvariantCulture, $"{least} to {most}"));
        }
    }

    private void Add(string field, string description)
    {
        _hasFailed = true;
        if (_violations?.Count < MaxViolations)
        {
            _violations.Add(new FieldViolation(field, description));
        }
    }

    /// <summary>Where in the request one is; written out only for a request that is known to be malformed.</summary>
    private string At([InterpolatedStringHandlerArgument("")] ref PathHandler path) => path.ToPath();

    [InterpolatedStringHandler]
    private ref struct PathHandler
    {
        private DefaultInterpolatedStringHandler _text;
        private readonly bool _isWritten;

        public PathHandler(int literalLength, int formattedCount, RequestReader reader, out bool isWritten)
        {
            _isWritten = isWritten = reader._violations is not null;
            _text = isWritten ? new DefaultInterpolatedStringHandler(literalLength, formattedCount, CultureInfo.InvariantCulture) : default;
        }

        public void AppendLiteral(string literal) => _text.AppendLiteral(literal);

        public void AppendFormatted(string value) => _text.AppendFormatted(value);

        public void AppendFormatted(int value) => _text.AppendFormatted(value);

        public string ToPath() => _isWritten ? _text.ToStringAndClear() : "";
    }
}

/// <summary>A request to score an access.</summary>
internal sealed record RiskRequest(EntityUid Subject, RiskSignals Signals, EntityUid? Action);
