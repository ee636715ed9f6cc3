using System.Text.Encodings.Web;

namespace AuthSidecar.Cedar;

/// <summary>Writes syntax trees of schemas in Cedar's JSON format.</summary>
internal readonly struct SchemaJsonWriter(Utf8JsonWriter json)
{
    public static string Write(IReadOnlyList<NamespaceSyntax> namespaces)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            foreach (var ns in namespaces)
            {
                // The empty namespace is there only if something is in it.
                if (ns.Name.Length > 0 || ns.Entities.Count + ns.Actions.Count + ns.CommonTypes.Count > 0)
                    new SchemaJsonWriter(json).Write(ns);
            }

            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    private void Write(NamespaceSyntax ns)
    {
        json.WriteStartObject(ns.Name);
        if (ns.CommonTypes.Count > 0)
        {
            json.WriteStartObject("commonTypes");
            foreach (var type in ns.CommonTypes)
            {
                json.WriteStartObject(type.Name);
                WriteMembers(type.Type);
                Write(type.Annotations);
                json.WriteEndObject();
            }

            json.WriteEndObject();
        }

        json.WriteStartObject("entityTypes");
        foreach (var entity in ns.Entities)
            Write(entity);

        json.WriteEndObject();
        json.WriteStartObject("actions");
        foreach (var action in ns.Actions)
            Write(action);

        json.WriteEndObject();
        Write(ns.Annotations);
        json.WriteEndObject();
    }

    private void Write(EntitySyntax entity)
    {
        json.WriteStartObject(entity.Name);
        if (entity.EnumIds is not null)
            Write("enum", entity.EnumIds);

        if (entity.MemberOf.Count > 0)
            Write("memberOfTypes", entity.MemberOf.Select(m => m.Path));

        if (entity.Shape is not null and not TypeSyntax.Record { Attributes.Count: 0 })
            Write("shape", entity.Shape);

        if (entity.Tags is not null)
            Write("tags", entity.Tags);

        Write(entity.Annotations);
        json.WriteEndObject();
    }

    private void Write(ActionSyntax action)
    {
        json.WriteStartObject(action.Id);
        if (action.MemberOf.Count > 0)
        {
            json.WriteStartArray("memberOf");
            foreach (var parent in action.MemberOf)
            {
                json.WriteStartObject();
                json.WriteString("id", parent.Id);
                if (parent.Type is not null)
                    json.WriteString("type", parent.Type);

                json.WriteEndObject();
            }

            json.WriteEndArray();
        }

        // An action that applies to nothing applies to none of nothing, as the reference writes it.
        json.WriteStartObject("appliesTo");
        Write("principalTypes", action.AppliesTo?.Principals.Select(p => p.Path) ?? []);
        Write("resourceTypes", action.AppliesTo?.Resources.Select(r => r.Path) ?? []);
        if (action.AppliesTo?.Context is not null and not TypeSyntax.Record { Attributes.Count: 0 })
            Write("context", action.AppliesTo.Context);

        json.WriteEndObject();
        Write(action.Annotations);
        json.WriteEndObject();
    }

    private void Write(string name, TypeSyntax type)
    {
        json.WriteStartObject(name);
        WriteMembers(type);
        json.WriteEndObject();
    }

    private void WriteMembers(TypeSyntax type)
    {
        switch (type)
        {
            case TypeSyntax.Set set:
                json.WriteString("type", "Set");
                Write("element", set.Element);
                break;
            case TypeSyntax.Record record:
                json.WriteString("type", "Record");
                json.WriteStartObject("attributes");
                foreach (var attribute in record.Attributes)
                {
                    json.WriteStartObject(attribute.Name);
                    WriteMembers(attribute.Type);
                    if (!attribute.IsRequired)
                        json.WriteBoolean("required", false);

                    Write(attribute.Annotations);
                    json.WriteEndObject();
                }

                json.WriteEndObject();
                break;
            case TypeSyntax.Named { Kind: NameKind.BuiltIn } named:
                var isPrimitive = named.Path is "Bool" or "Long" or "String";
                json.WriteString("type", !isPrimitive ? "Extension" : named.Path == "Bool" ? "Boolean" : named.Path);
                if (!isPrimitive)
                    json.WriteString("name", named.Path);

                break;
            case TypeSyntax.Named { Kind: NameKind.Common } named: json.WriteString("type", named.Path); break;
            case TypeSyntax.Named named:
                json.WriteString("type", named.Kind == NameKind.Entity ? "Entity" : "EntityOrCommon");
                json.WriteString("name", named.Path);
                break;
            default: throw new InvalidOperationException($"no JSON for {type.GetType().Name}");
        }
    }

    private void Write(IReadOnlyList<KeyValuePair<string, string?>> annotations)
    {
        if (annotations.Count == 0)
            return;

        json.WriteStartObject("annotations");
        foreach (var (key, text) in annotations)
            json.WriteString(key, text ?? "");

        json.WriteEndObject();
    }

    private void Write(string name, IEnumerable<string> items)
    {
        json.WriteStartArray(name);
        foreach (var item in items)
            json.WriteStringValue(item);

        json.WriteEndArray();
    }
}
