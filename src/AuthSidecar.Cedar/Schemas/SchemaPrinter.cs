namespace AuthSidecar.Cedar;

/// <summary>Writes syntax trees of schemas as Cedar text.</summary>
internal sealed class SchemaPrinter
{
    private readonly StringBuilder _text = new();
    private string _indent = "";

    public static string Print(IReadOnlyList<NamespaceSyntax> namespaces)
    {
        var printer = new SchemaPrinter();
        foreach (var ns in namespaces)
            printer.Append(ns);

        return printer._text.ToString();
    }

    private void Append(NamespaceSyntax ns)
    {
        if (ns.Name.Length == 0)
        {
            AppendDeclarations(ns);
            return;
        }

        AppendAnnotations(ns.Annotations);
        Line($"namespace {ns.Name} {{");
        _indent = "  ";
        AppendDeclarations(ns);
        _indent = "";
        Line("}");
    }

    private void AppendDeclarations(NamespaceSyntax ns)
    {
        foreach (var type in ns.CommonTypes)
        {
            AppendAnnotations(type.Annotations);
            Line($"type {type.Name} = {Text(type.Type)};");
        }

        foreach (var entity in ns.Entities)
        {
            AppendAnnotations(entity.Annotations);
            Line($"{External(entity.IsExternal)}entity {entity.Name}{Body(entity, ns)};");
        }

        foreach (var action in ns.Actions)
        {
            AppendAnnotations(action.Annotations);
            var parents = action.MemberOf.Count == 0 ? "" : $" in [{string.Join(", ", action.MemberOf.Select(Text))}]";
            var scope = action.AppliesTo is { Principals.Count: > 0, Resources.Count: > 0 } appliesTo ? $" appliesTo {{{Text(appliesTo)}}}"
                : "";
            Line($"{External(action.IsExternal)}action {Name(action.Id)}{parents}{scope};");
        }
    }

    private static string Body(EntitySyntax entity, NamespaceSyntax ns)
    {
        if (entity.EnumIds is { } ids)
            return $" enum [{string.Join(", ", ids.Select(StringLiteral.Quote))}]";

        var parents = entity.MemberOf.Count == 0 ? "" : $" in [{string.Join(", ", entity.MemberOf.Select(m => m.Path))}]";
        // Cedar syntax has no name in place of a shape: what it stands for is written out.
        var shape = entity.Shape is TypeSyntax.Named name ? ns.CommonTypes.Find(t => t.Name == name.Path)?.Type ?? name : entity.Shape;
        return $"{parents}{(shape is null ? "" : $" = {Text(shape)}")}{(entity.Tags is null ? "" : $" tags {Text(entity.Tags)}")}";
    }

    private static string Text(AppliesToSyntax appliesTo) => string.Create(
        CultureInfo.InvariantCulture,
        $"principal: [{string.Join(", ", appliesTo.Principals.Select(p => p.Path))}], resource: "
            + $"[{string.Join(", ", appliesTo.Resources.Select(r => r.Path))}]"
            + $"{(appliesTo.Context is null ? "" : $", context: {Text(appliesTo.Context)}")}");

    private static string Text(ActionParentSyntax parent) => parent.Type is null ? Name(parent.Id)
        : $"{parent.Type}::{StringLiteral.Quote(parent.Id)}";

    private static string Text(TypeSyntax type) => type switch
    {
        TypeSyntax.Set set => $"Set<{Text(set.Element)}>",
        TypeSyntax.Record record => $"{{{string.Join(", ", record.Attributes.Select(Text))}}}",
        TypeSyntax.Named { Kind: NameKind.BuiltIn } named => $"{BuiltInTypes.Namespace}{named.Path}",
        TypeSyntax.Named named => named.Path,
        _ => throw new InvalidOperationException($"no text for {type.GetType().Name}"),
    };

    private static string Text(AttributeSyntax attribute) =>
        $"{string.Concat(attribute.Annotations.Select(a => $"{Text(a)} "))}{Name(attribute.Name)}{(attribute.IsRequired ? "" : "?")}: "
            + $"{Text(attribute.Type)}";

    private static string Text(KeyValuePair<string, string?> annotation) => annotation.Value is null ? $"@{annotation.Key}"
        : $"@{annotation.Key}({StringLiteral.Quote(annotation.Value)})";

    private static string External(bool isExternal) => isExternal ? "external " : "";
    private static string Name(string name) => Identifier.IsName(name) ? name : StringLiteral.Quote(name);

    private void AppendAnnotations(IReadOnlyList<KeyValuePair<string, string?>> annotations)
    {
        foreach (var annotation in annotations)
            Line(Text(annotation));
    }

    private void Line(string line) => _text.Append(_indent).Append(line).Append('\n');
}
