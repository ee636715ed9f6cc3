namespace AuthSidecar.Cedar;

/// <summary>Collects policies from several texts, and links, into one policy set; and every fault on the way.</summary>
/// <param name="release">The release of Cedar to behave as.</param>
public sealed class PolicySetBuilder(CedarRelease release = CedarReleases.Latest)
{
    private readonly List<Fault> _faults = [];
    private readonly List<Policy> _policies = [];
    private readonly List<Policy> _links = [];
    private readonly Dictionary<string, Template> _templates = new(StringComparer.Ordinal);
    private readonly Dictionary<string, (SourceText? Text, int Offset)> _ids = new(StringComparer.Ordinal);
    private readonly Suggestions _suggestions = new();
    private int _placesById;

    internal CedarRelease Release => release;

    /// <summary>Adds the policies and templates of a text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="idOf">Names a policy, given its place in the text (from 0) and its annotations.</param>
    /// <returns>How many there are; of a text with faults, how many could be read.</returns>
    public int Add(SourceText text, Func<int, IReadOnlyList<KeyValuePair<string, string?>>, string> idOf)
    {
        var parsed = Parser.ParsePolicies(text, release, _faults);
        for (var i = 0; i < parsed.Count; i++)
            Add(idOf(i, parsed[i].Annotations), parsed[i], text);

        return parsed.Count;
    }

    /// <summary>Adds the policies and templates of a file: each is named by its <c>@id</c>, or by the file and its place in it from 0, as
    /// <c>FILE#0</c>.</summary>
    /// <param name="text">The text.</param>
    /// <param name="name">The file's name, without its extension.</param>
    /// <returns>How many there are; of a text with faults, how many could be read.</returns>
    public int AddFile(SourceText text, string name) => Add(
        text, (index, annotations) => IdOf(annotations) ?? string.Create(CultureInfo.InvariantCulture, $"{name}#{index}"));

    /// <summary>Adds the policies and templates of a text: each is named by its <c>@id</c>, or <c>policy0</c>, <c>policy1</c>, … by its
    /// place among all that were added so.</summary>
    /// <param name="text">The text.</param>
    public void AddById(SourceText text) => Add(text, (_, annotations) =>
    {
        var place = _placesById++;
        return IdOf(annotations) ?? string.Create(CultureInfo.InvariantCulture, $"policy{place}");
    });

    private static string? IdOf(IReadOnlyList<KeyValuePair<string, string?>> annotations) =>
        annotations.FirstOrDefault(a => a.Key == "id").Value is { Length: > 0 } id ? id : null;

    /// <summary>Links templates, added before: <c>[{"template", "id", "principal"?, "resource"?}]</c>, where <c>principal</c> and
    /// <c>resource</c> are uids in Cedar syntax; or as Cedar's own command line has it, <c>[{"template_id", "link_id", "args":
    /// {"?principal"?, "?resource"?}}]</c>.</summary>
    public void AddLinks(SourceText json)
    {
        foreach (var link in JsonCursor.Read(json, TemplateLink.MaxDepth, _faults, TemplateLink.ReadAll) ?? [])
            Link(link, json);
    }

    /// <summary>Adds the policies, templates and links of a text in Cedar's JSON format of policy sets, which names them itself.</summary>
    public void AddJson(SourceText json) => PolicySetJson.Read(json, this, _faults);

    /// <summary>Adds one policy or template in Cedar's JSON format.</summary>
    /// <param name="id">Its id.</param>
    /// <param name="json">The policy.</param>
    public void AddJsonPolicy(string id, SourceText json)
    {
        if (JsonCursor.Read(json, PolicyJsonReader.MaxDepth, _faults,
            (ref JsonCursor cursor) => new PolicyJsonReader(release).ReadPolicy(ref cursor)) is { } policy)
        {
            Add(id, policy, json);
        }
    }

    internal void Add(string id, PolicySyntax policy, SourceText text)
    {
        var template = new Template(id, policy, text);
        if (!_ids.TryAdd(id, (text, policy.Span.Start)))
            _faults.Add(Fault.At(text, policy.Span.Start, Duplicate(id), "give one of the two another `@id`"));
        else if (policy.IsTemplate)
            _templates.Add(id, template);
        else
            _policies.Add(new Policy(id, template, new CompiledScope(policy, null, null), isLinked: false));
    }

    /// <summary>Links a template, added before, to the entities its slots stand for: exactly those it has.</summary>
    /// <param name="templateId">The template.</param>
    /// <param name="id">The id of the policy that this makes.</param>
    /// <param name="principal">What <c>?principal</c> stands for.</param>
    /// <param name="resource">What <c>?resource</c> stands for.</param>
    /// <param name="source">Where the link was asked for, to be named in a fault.</param>
    public void Link(string templateId, string id, EntityUid? principal, EntityUid? resource, string source = "") =>
        Link(templateId, id, principal, resource, (message, help) => new Fault(source, 0, 0, message, help), place: default);

    /// <summary>Links a template as a document says, whose faults stand where it says so.</summary>
    internal void Link(TemplateLink link, SourceText text) =>
        Link(link.Template, link.Id, link.Principal, link.Resource, (message, help) => Fault.At(text, link.Offset, message, help),
            (text, link.Offset));

    private void Link(string templateId, string id, EntityUid? principal, EntityUid? resource, Func<string, string?, Fault> at,
        (SourceText? Text, int Offset) place)
    {
        if (!_templates.TryGetValue(templateId, out var template))
        {
            _faults.Add(at($"template `{templateId}` of link `{id}` not found", _suggestions.For(templateId, _templates.Keys)));
        }
        else if ((MismatchOf("?principal", template.HasPrincipalSlot, principal)
            ?? MismatchOf("?resource", template.HasResourceSlot, resource)) is { } mismatch)
        {
            _faults.Add(at($"the link `{id}` of the template `{templateId}`: {mismatch}", null));
        }
        else if (!_ids.TryAdd(id, place))
        {
            _faults.Add(at(Duplicate(id), null));
        }
        else
        {
            _links.Add(new Policy(id, template, new CompiledScope(template.Syntax, principal, resource), isLinked: true));
        }

        static string? MismatchOf(string slot, bool isThere, EntityUid? given) => isThere == given is not null ? null
            : isThere ? $"slot `{slot}` is not bound"
            : $"the template has no slot `{slot}`";
    }

    private string Duplicate(string id)
    {
        var (text, offset) = _ids[id];
        var first = text is null ? null : Fault.At(text, offset, "");
        return first is null
            ? $"duplicate policy id `{id}`"
            : string.Create(
                CultureInfo.InvariantCulture, $"duplicate policy id `{id}`, first defined at {first.Source}:{first.Line}:{first.Column}");
    }

    /// <summary>Makes the policy set.</summary>
    /// <returns>False with every fault, when there was any.</returns>
    public bool TryBuild([NotNullWhen(true)] out PolicySet? policies, out IReadOnlyList<Fault> faults)
    {
        faults = _faults;
        policies = _faults.Count == 0 ? new PolicySet([.. _policies, .. _links], [.. _templates.Values], release) : null;
        return policies is not null;
    }
}
