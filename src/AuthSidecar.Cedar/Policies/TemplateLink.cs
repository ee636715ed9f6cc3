namespace AuthSidecar.Cedar;

/// <summary>A link as a document lists it.</summary>
internal sealed record TemplateLink(string Template, string Id, EntityUid? Principal, EntityUid? Resource, int Offset)
{
    /// <summary>An array of objects of strings.</summary>
    public const int MaxDepth = 4;

    public static List<TemplateLink> ReadAll(ref JsonCursor json)
    {
        var links = new List<TemplateLink>();
        json.EnterArray("an array of links");
        while (json.HasElement())
            links.Add(Read(ref json));

        return links;
    }

    private static TemplateLink Read(ref JsonCursor json)
    {
        var offset = json.Offset;
        string? template = null, id = null;
        EntityUid? principal = null, resource = null;
        json.EnterObject("a link: an object with `template`, `id`, and the entities of its slots");
        while (json.ReadName() is { } name)
        {
            switch (name)
            {
                case "template": json.Once(template, name); template = json.ReadString(); break;
                case "id": json.Once(id, name); id = json.ReadString(); break;
                case "principal": json.Once(principal, name); principal = ReadUid(ref json); break;
                case "resource": json.Once(resource, name); resource = ReadUid(ref json); break;
                // As Cedar's own command line has them.
                case "template_id": json.OnceOf(template, name, "template"); template = json.ReadString(); break;
                case "link_id": json.OnceOf(id, name, "id"); id = json.ReadString(); break;
                case "args": ReadArguments(ref json, ref principal, ref resource); break;
                default:
                    throw json.Fail($"unknown member `{name}` of a link",
                    "expected `template`, `id`, `principal` and `resource`, or `template_id`, `link_id` and `args`");
            }
        }

        return template is not null && id is not null
            ? new TemplateLink(template, id, principal, resource, offset)
            : throw json.FailAt(offset, $"missing `{(template is null ? "template" : "id")}`");
    }

    private static void ReadArguments(ref JsonCursor json, ref EntityUid? principal, ref EntityUid? resource)
    {
        json.EnterObject("an object with the entities of `?principal` and `?resource`");
        while (json.ReadName() is { } slot)
        {
            switch (slot)
            {
                case "?principal": json.Once(principal, slot); principal = ReadUid(ref json); break;
                case "?resource": json.Once(resource, slot); resource = ReadUid(ref json); break;
                default: throw json.Fail($"unknown slot `{slot}`", "the slots are `?principal` and `?resource`");
            }
        }
    }

    private static EntityUid? ReadUid(ref JsonCursor json)
    {
        var offset = json.Offset;
        return json.ReadStringOrNull() is not { } text ? null
            : EntityUid.TryParse(text, out var uid, out var fault) ? uid
            : throw json.FailAt(offset, $"`{text}`: {fault.Message}");
    }
}
