using System.Text.Encodings.Web;

namespace AuthSidecar.Cedar;

/// <summary>Cedar's JSON format of policy sets.</summary>
internal static class PolicySetJson
{
    private static readonly JsonWriterOptions Readable = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        MaxDepth = PolicyJsonReader.MaxDepth,
    };

    public static void Read(SourceText source, PolicySetBuilder into, List<Fault> faults)
    {
        // Links come last, wherever they stand: they need their templates.
        var links = new List<TemplateLink>();
        JsonCursor.Read(source, PolicyJsonReader.MaxDepth, faults, (ref JsonCursor json) => ReadSet(ref json, into, links, faults));
        foreach (var link in links)
            into.Link(link, source);
    }

    public static string Write(PolicySet policies)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, Readable))
        {
            json.WriteStartObject();
            json.WriteStartObject("staticPolicies");
            foreach (var policy in policies.Policies.Where(p => p.TemplateId is null))
            {
                json.WritePropertyName(policy.Id);
                new PolicyJsonWriter(json).Write(policy.Syntax);
            }

            json.WriteEndObject();
            json.WriteStartObject("templates");
            foreach (var template in policies.Templates)
            {
                json.WritePropertyName(template.Id);
                new PolicyJsonWriter(json).Write(template.Syntax);
            }

            json.WriteEndObject();
            json.WriteStartArray("templateLinks");
            foreach (var link in policies.Policies.Where(p => p.TemplateId is not null))
                WriteLink(json, link);

            json.WriteEndArray();
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    /// <summary>One policy or template in the JSON format.</summary>
    public static string Write(PolicySyntax policy)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, Readable))
        {
            new PolicyJsonWriter(json).Write(policy);
        }

        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    private static void WriteLink(Utf8JsonWriter json, Policy link)
    {
        json.WriteStartObject();
        json.WriteString("templateId", link.TemplateId);
        json.WriteString("newId", link.Id);
        json.WriteStartObject("values");
        WriteSlot("?principal", link.Syntax.Principal, link.Scope.Principal);
        WriteSlot("?resource", link.Syntax.Resource, link.Scope.Resource);
        json.WriteEndObject();
        json.WriteEndObject();

        void WriteSlot(string slot, ScopeConstraint constraint, ScopeTest filled)
        {
            if (constraint.HasSlot)
            {
                json.WriteStartObject(slot);
                json.WriteStartObject("__entity");
                json.WriteString("type", filled.Entities[0].Type);
                json.WriteString("id", filled.Entities[0].Id);
                json.WriteEndObject();
                json.WriteEndObject();
            }
        }
    }

    private static PolicySetBuilder ReadSet(ref JsonCursor json, PolicySetBuilder into, List<TemplateLink> links, List<Fault> faults)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        json.EnterObject("a policy set: an object with `staticPolicies`, `templates` and `templateLinks`");
        while (json.ReadName() is { } name)
        {
            json.Once(seen.Add(name) ? null : name, name);
            switch (name)
            {
                case "staticPolicies" or "templates": ReadPolicies(ref json, into, areTemplates: name == "templates", faults); break;
                case "templateLinks": ReadLinks(ref json, links); break;
                default: throw json.Fail($"unknown member `{name}`");
            }
        }

        return into;
    }

    private static void ReadPolicies(ref JsonCursor json, PolicySetBuilder into, bool areTemplates, List<Fault> faults)
    {
        json.EnterObject("an object of policies by their ids");
        while (json.ReadName() is { } id)
        {
            var start = json.Offset;
            if (ReadPolicy(ref json, id, into.Release, faults, out var source) is not { } policy)
                continue;

            if (policy.IsTemplate != areTemplates)
            {
                throw json.FailAt(
                    start,
                    policy.IsTemplate ? $"the policy `{id}` has a slot" : $"the template `{id}` has no slot",
                    policy.IsTemplate ? "move it to `templates`" : "move it to `staticPolicies`");
            }

            into.Add(id, policy, source);
        }
    }

    /// <summary>A policy in the JSON format, or a string that holds one in Cedar syntax.</summary>
    /// <returns>Null beside a fault in such a string.</returns>
    private static PolicySyntax? ReadPolicy(ref JsonCursor json, string id, CedarRelease release, List<Fault> faults, out SourceText source)
    {
        source = json.Source;
        if (json.Token != JsonTokenType.String)
            return new PolicyJsonReader(release).ReadPolicy(ref json);

        var start = json.Offset;
        source = SourceText.Of(json.ReadString(), id);
        var before = faults.Count;
        var parsed = Parser.ParsePolicies(source, release, faults);
        return faults.Count > before ? null
            : parsed is [var policy] ? policy
            : throw json.FailAt(start, $"`{id}` has {parsed.Count} policies, expected 1", "give each policy its own id");
    }

    private static void ReadLinks(ref JsonCursor json, List<TemplateLink> links)
    {
        json.EnterArray("an array of links");
        while (json.HasElement())
        {
            var start = json.Offset;
            string? templateId = null, id = null;
            EntityUid? principal = null, resource = null;
            json.EnterObject("a link: an object with `templateId`, `newId` and `values`");
            while (json.ReadName() is { } name)
            {
                switch (name)
                {
                    case "templateId": json.Once(templateId, name); templateId = json.ReadString(); break;
                    case "newId": json.Once(id, name); id = json.ReadString(); break;
                    case "values":
                        json.EnterObject("an object of slots");
                        while (json.ReadName() is { } slot)
                        {
                            switch (slot)
                            {
                                case "?principal": json.Once(principal, slot); principal = json.ReadUid(); break;
                                case "?resource": json.Once(resource, slot); resource = json.ReadUid(); break;
                                default: throw json.Fail($"unknown slot `{slot}`", "the slots are `?principal` and `?resource`");
                            }
                        }

                        break;
                    default: throw json.Fail($"unknown member `{name}`");
                }
            }

            links.Add(new TemplateLink(templateId ?? throw json.FailAt(start, "`templateId` is missing"),
                id ?? throw json.FailAt(start, "`newId` is missing"), principal, resource, start));
        }
    }
}
