using AuthSidecar.Decisions;

namespace AuthSidecar.Cli.Policies;

/// <summary>Policies, entities and a request, from files and from the command line.</summary>
/// <param name="Rules">The policies, called by their <c>@id</c>, or <c>policy0</c>, <c>policy1</c>, … by their place; and what their
/// annotations mean.</param>
internal sealed record Question(PolicyRules Rules, EntityStore Entities, Request Request)
{
    public PolicySet Policies => Rules.Policies;
}

/// <summary>The options that make a <see cref="Question"/>, or a <see cref="PartialQuestion"/>, in which what is left out is
/// unknown.</summary>
internal sealed class RequestOptions(bool isPartial = false)
{
    private readonly PolicyOptions _policies = new();
    private readonly Option<string> _entities = CliOption.Of<string>(
        "--entities", "FILE", $"The file with the entities, in JSON. Default: those of the bundle, or {(isPartial ? "unknown" : "none")}.");
    private readonly Option<string> _principal = CliOption.Of<string>(
        "--principal", "ENTITY", $"The principal, such as 'User::\"alice\"'{(isPartial ? ", or just the type. Default: unknown" : "")}.");
    private readonly Option<string> _action = CliOption.Of<string>(
        "--action", "ACTION", "The action, such as 'Action::\"read\"', or just read.");
    private readonly Option<string> _resource = CliOption.Of<string>(
        "--resource", "ENTITY", $"The resource, such as 'Document::\"plan\"'{(isPartial ? ", or just the type. Default: unknown" : "")}.");
    private readonly Option<string> _context = CliOption.Of<string>(
        "--context", "FILE", $"The file with the context, a JSON object. Default: {(isPartial ? "unknown" : "empty")}.");

    public void AddTo(Command command)
    {
        _policies.AddTo(command);
        foreach (var option in new Option[] { _entities, _principal, _action, _resource, _context })
            command.Add(option);
    }

    /// <exception cref="UsageException">Something is missing or not well-formed.</exception>
    public Question Read(ParseResult parsed)
    {
        var input = _policies.Read(parsed);
        foreach (var warning in input.UnlinkedTemplates)
            Console.Error.WriteLine($"warning: {warning}");

        var schema = input.Schema;
        var entities = ReadEntities(parsed, input) ?? Sources.ReadEntities(null, schema);
        var action = ReadAction(Required(parsed, _action));
        var context = Sources.ReadContext(parsed.GetValue(_context), schema?.Actions.GetValueOrDefault(action));
        var request = Complete(new Request(ReadUid(_principal.Name, Required(parsed, _principal)), action,
            ReadUid(_resource.Name, Required(parsed, _resource)), context), schema);
        return schema?.Check(request) is { } mismatch
            ? throw new UsageException($"the request does not conform to the schema: {mismatch}")
            : new Question(input.Rules, entities, request);
    }

    /// <summary>Adds the time to a request that does not say it, as the sidecar does to every request; where the schema's action knows of
    /// none, there is nothing to add.</summary>
    public static Request Complete(Request request, Schema? schema)
    {
        var isDeclared = schema is null
            || schema.Actions.GetValueOrDefault(request.Action)?.Context.Attributes.ContainsKey(ContextContract.Now) is true;
        return isDeclared && !request.Context.TryGet(ContextContract.Now, out _)
            ? request with
            {
                Context = RequestContext.Create(
                    request.Context, token: null, mfaProof: null, risk: null, caller: null, TimeProvider.System.GetUtcNow()),
            }
            : request;
    }

    /// <exception cref="UsageException">Something is missing or not well-formed.</exception>
    public PartialQuestion ReadPartial(ParseResult parsed)
    {
        var input = _policies.ReadWithSchema(parsed);
        var schema = input.Schema!;
        var entities = ReadEntities(parsed, input);
        var action = ReadAction(Required(parsed, _action));
        var declared = schema.Actions.GetValueOrDefault(action) ?? throw new UsageException($"unrecognized action `{action}`");
        var context = parsed.GetValue(_context) is { } contextFile ? Sources.ReadContext(contextFile, declared) : null;
        var requests = from principal in ReadPartial(_principal.Name, parsed.GetValue(_principal), declared.Principals)
                       from resource in ReadPartial(_resource.Name, parsed.GetValue(_resource), declared.Resources)
                       select new PartialRequest(principal, action, resource, context);
        return new PartialQuestion(input.Policies, schema, entities, [.. requests]);
    }

    private EntityStore? ReadEntities(ParseResult parsed, PolicyInput input) =>
        parsed.GetValue(_entities) is { } file ? Sources.ReadEntities(file, input.Schema) : input.ReadBundleEntities();

    private static IEnumerable<PartialUid> ReadPartial(string option, string? text, IEnumerable<string> types) =>
        text is null ? types.Order(StringComparer.Ordinal).Select(type => new PartialUid(type, null))
        : EntityType.IsValid(text) ? [new PartialUid(text, null)]
        : [PartialUid.Of(ReadUid(option, text))];

    private EntityUid ReadAction(string text) =>
        text.Contains("::", StringComparison.Ordinal) ? ReadUid(_action.Name, text) : new EntityUid("Action", text);

    private static EntityUid ReadUid(string option, string text) => EntityUid.TryParse(text, out var uid, out var fault)
        ? uid
        : throw new UsageException($"{option}: `{text}`: {fault.Message}; write it as in Cedar, such as 'User::\"alice\"'");

    private static T Required<T>(ParseResult parsed, Option<T> option)
        where T : class => parsed.GetValue(option) is { } value && value is not Array { Length: 0 } ? value
            : throw new UsageException($"{option.Name} is required");
}
