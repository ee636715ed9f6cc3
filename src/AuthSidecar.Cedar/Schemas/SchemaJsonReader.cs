namespace AuthSidecar.Cedar;

/// <summary>Reads Cedar's JSON format of schemas into syntax trees, as the parser of texts makes them.</summary>
internal static class SchemaJsonReader
{
    // A type within a type takes three levels.
    private const int MaxDepth = 3 * SchemaParser.MaxTypeNesting;

    public static List<NamespaceSyntax> Read(SourceText source, List<Fault> faults) =>
        JsonCursor.Read(source, MaxDepth, faults, static (ref JsonCursor json) => ReadSchema(ref json)) ?? [];

    private static List<NamespaceSyntax> ReadSchema(ref JsonCursor json)
    {
        // The empty namespace comes first, whether it is there or not.
        var namespaces = new List<NamespaceSyntax> { new("", default) };
        json.EnterObject("a schema: an object of namespaces");
        while (json.ReadName() is { } name)
        {
            var start = json.Offset;
            if (name.Length > 0 && !EntityType.IsValid(name))
                throw json.Fail($"`{name}` cannot name a namespace", "identifiers joined by `::`");

            var read = ReadNamespace(ref json, name, start);
            if (name.Length > 0)
                namespaces.Add(read);
            else if (namespaces[0].Span == default)
                namespaces[0] = read;
            else
                throw json.FailAt(start, "the empty namespace occurs twice");
        }

        return namespaces;
    }

    private static NamespaceSyntax ReadNamespace(ref JsonCursor json, string name, int start)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        var entities = new List<EntitySyntax>();
        var actions = new List<ActionSyntax>();
        var types = new List<CommonTypeSyntax>();
        IReadOnlyList<KeyValuePair<string, string?>> annotations = [];
        json.EnterObject("a namespace: an object with `entityTypes` and `actions`");
        while (json.ReadName() is { } member)
        {
            json.Once(seen.Add(member) ? null : member, member);
            switch (member)
            {
                case "entityTypes": ReadEntities(ref json, entities); break;
                case "actions": ReadActions(ref json, actions); break;
                case "commonTypes": ReadCommonTypes(ref json, types); break;
                case "annotations": annotations = ReadAnnotations(ref json); break;
                default: throw UnknownMember(json, member);
            }
        }

        if (name.Length == 0 && annotations.Count > 0)
            throw json.FailAt(start, "annotations are not allowed on the empty namespace", "declarations in it may have some");

        if (!seen.Contains("entityTypes") || !seen.Contains("actions"))
            throw json.FailAt(start, $"the namespace has no `{(seen.Contains("actions") ? "entityTypes" : "actions")}`");

        var read = new NamespaceSyntax(name, new SourceSpan(start, 1)) { Annotations = annotations };
        read.Entities.AddRange(entities);
        read.Actions.AddRange(actions);
        read.CommonTypes.AddRange(types);
        return read;
    }

    // ------------------------------------------------------------------ declarations

    private static void ReadEntities(ref JsonCursor json, List<EntitySyntax> into)
    {
        json.EnterObject("an object of entity types");
        while (json.ReadName() is { } name)
        {
            var start = json.Offset;
            CheckName(json, name);
            List<NameSyntax>? memberOf = null;
            TypeSyntax? shape = null, tags = null;
            List<string>? ids = null;
            IReadOnlyList<KeyValuePair<string, string?>>? annotations = null;
            json.EnterObject("an entity type");
            while (json.ReadName() is { } member)
            {
                switch (member)
                {
                    case "memberOfTypes": json.Once(memberOf, member); memberOf = ReadNames(ref json); break;
                    case "shape": json.Once(shape, member); shape = ReadType(ref json, 1); break;
                    case "tags": json.Once(tags, member); tags = ReadType(ref json, 1); break;
                    case "enum": json.Once(ids, member); ids = ReadStrings(ref json); break;
                    case "annotations": json.Once(annotations, member); annotations = ReadAnnotations(ref json); break;
                    default: throw UnknownMember(json, member);
                }
            }

            if (ids is not null && (ids.Count == 0 || memberOf is not null || shape is not null || tags is not null))
                throw json.FailAt(start, "an enumerated type must have nothing but its ids");

            into.Add(new EntitySyntax(name, memberOf ?? [], shape, tags, ids, annotations ?? [], new SourceSpan(start, 1)));
        }
    }

    private static void ReadActions(ref JsonCursor json, List<ActionSyntax> into)
    {
        json.EnterObject("an object of actions");
        while (json.ReadName() is { } id)
        {
            var start = json.Offset;
            List<ActionParentSyntax>? memberOf = null;
            AppliesToSyntax? appliesTo = null;
            IReadOnlyList<KeyValuePair<string, string?>>? annotations = null;
            json.EnterObject("an action");
            while (json.ReadName() is { } member)
            {
                switch (member)
                {
                    case "memberOf": json.Once(memberOf, member); memberOf = json.SkipNull() ? [] : ReadParents(ref json); break;
                    case "appliesTo": json.Once(appliesTo, member); appliesTo = json.SkipNull() ? null : ReadAppliesTo(ref json); break;
                    case "annotations": json.Once(annotations, member); annotations = ReadAnnotations(ref json); break;
                    default: throw UnknownMember(json, member);
                }
            }

            into.Add(new ActionSyntax(id, memberOf ?? [], appliesTo, annotations ?? [], new SourceSpan(start, 1)));
        }
    }

    private static List<ActionParentSyntax> ReadParents(ref JsonCursor json)
    {
        var parents = new List<ActionParentSyntax>();
        json.EnterArray("an array of actions");
        while (json.HasElement())
        {
            var start = json.Offset;
            string? id = null, type = null;
            json.EnterObject("an action: an object with `id`");
            while (json.ReadName() is { } member)
            {
                switch (member)
                {
                    case "id": json.Once(id, member); id = json.ReadString(); break;
                    case "type": json.Once(type, member); type = json.ReadStringOrNull(); break;
                    default: throw UnknownMember(json, member);
                }
            }

            if (type is not null && !EntityType.IsValid(type))
                throw json.FailAt(start, $"`{type}` is not an entity type name");

            parents.Add(new ActionParentSyntax(type, id ?? throw json.FailAt(start, "`id` is missing"), new SourceSpan(start, 1)));
        }

        return parents;
    }

    private static AppliesToSyntax ReadAppliesTo(ref JsonCursor json)
    {
        var start = json.Offset;
        List<NameSyntax>? principals = null, resources = null;
        TypeSyntax? context = null;
        json.EnterObject("an object with `principalTypes` and `resourceTypes`");
        while (json.ReadName() is { } member)
        {
            switch (member)
            {
                case "principalTypes": json.Once(principals, member); principals = ReadNames(ref json); break;
                case "resourceTypes": json.Once(resources, member); resources = ReadNames(ref json); break;
                case "context": json.Once(context, member); context = ReadType(ref json, 1); break;
                default: throw UnknownMember(json, member);
            }
        }

        return principals is not null && resources is not null
            ? new AppliesToSyntax(principals, resources, context)
            : throw json.FailAt(start, "`appliesTo` needs both `principalTypes` and `resourceTypes`");
    }

    private static void ReadCommonTypes(ref JsonCursor json, List<CommonTypeSyntax> into)
    {
        json.EnterObject("an object of types");
        while (json.ReadName() is { } name)
        {
            var start = json.Offset;
            CheckName(json, name);
            if (SchemaParser.ReservedTypeNames.Contains(name, StringComparer.Ordinal))
                throw json.Fail($"`{name}` is the name of a built-in type", "choose another name");

            var type = ReadType(ref json, 1, out var annotations, out var isRequired);
            if (isRequired is not null)
                throw json.FailAt(start, "`required` is only allowed on attributes");

            into.Add(new CommonTypeSyntax(name, type, annotations, new SourceSpan(start, 1)));
        }
    }

    // ------------------------------------------------------------------ types

    private static TypeSyntax ReadType(ref JsonCursor json, int depth)
    {
        var start = json.Offset;
        var type = ReadType(ref json, depth, out _, out var isRequired);
        return isRequired is null ? type : throw json.FailAt(start, "`required` is only allowed on attributes");
    }

    private static TypeSyntax ReadType(
        ref JsonCursor json, int depth, out IReadOnlyList<KeyValuePair<string, string?>> annotations, out bool? isRequired)
    {
        var start = json.Offset;
        var span = new SourceSpan(start, 1);
        string? kind = null, name = null;
        TypeSyntax? element = null;
        List<AttributeSyntax>? attributes = null;
        IReadOnlyList<KeyValuePair<string, string?>>? found = null;
        isRequired = null;
        if (depth > SchemaParser.MaxTypeNesting)
            throw json.Fail($"the type is nested more than {SchemaParser.MaxTypeNesting} deep", "give its parts names in `commonTypes`");

        json.EnterObject("a type: an object with `type`");
        while (json.ReadName() is { } member)
        {
            switch (member)
            {
                case "type": json.Once(kind, member); kind = json.ReadString(); break;
                case "name": json.Once(name, member); name = json.ReadString(); break;
                case "element": json.Once(element, member); element = ReadType(ref json, depth + 1); break;
                case "attributes": json.Once(attributes, member); attributes = ReadAttributes(ref json, depth + 1); break;
                case "required": json.Once(isRequired, member); isRequired = json.ReadBool(); break;
                case "annotations": json.Once(found, member); found = ReadAnnotations(ref json); break;
                case "additionalAttributes":
                    if (json.ReadBool())
                        throw json.FailAt(start, "open records are not supported");

                    break;
                default: throw UnknownMember(json, member);
            }
        }

        annotations = found ?? [];
        return (kind, name, element, attributes) switch
        {
            ("Set", null, { } of, null) => new TypeSyntax.Set(of, span),
            ("Record", null, null, { } fields) => new TypeSyntax.Record(fields, span),
            ("Entity", { } path, null, null) => new TypeSyntax.Named(CheckPath(json, start, path), span, NameKind.Entity),
            ("EntityOrCommon", { } path, null, null) => new TypeSyntax.Named(CheckPath(json, start, path), span),
            ("Extension", ("decimal" or "ipaddr" or "datetime" or "duration") and { } path, null, null) => new TypeSyntax.Named(path, span,
                NameKind.BuiltIn),
            ("Extension", { } other, null, null) => throw json.FailAt(
                start, $"`{other}` is not an extension type", "the extension types are `decimal`, `ipaddr`, `datetime` and `duration`"),
            ("String" or "Long", null, null, null) => new TypeSyntax.Named(kind, span, NameKind.BuiltIn),
            ("Boolean" or "Bool", null, null, null) => new TypeSyntax.Named("Bool", span, NameKind.BuiltIn),
            (not (null or "Set" or "Record" or "Entity" or "EntityOrCommon" or "Extension"), null, null, null) =>
                new TypeSyntax.Named(CheckPath(json, start, kind), span, NameKind.Common),
            _ => throw json.FailAt(start, "expected a type",
                "`type` is `String`, `Long`, `Boolean`; `Set` with `element`; `Record` with `attributes`; `Entity`, `EntityOrCommon` or "
                    + "`Extension` with `name`; or a common type"),
        };
    }

    private static List<AttributeSyntax> ReadAttributes(ref JsonCursor json, int depth)
    {
        var attributes = new List<AttributeSyntax>();
        var names = new HashSet<string>(StringComparer.Ordinal);
        json.EnterObject("an object of attributes");
        while (json.ReadName() is { } name)
        {
            if (!names.Add(name))
                throw json.Fail($"duplicate attribute `{name}`", "keep one");

            var type = ReadType(ref json, depth, out var annotations, out var isRequired);
            attributes.Add(new AttributeSyntax(name, type, isRequired ?? true, annotations));
        }

        return attributes;
    }

    private static List<KeyValuePair<string, string?>> ReadAnnotations(ref JsonCursor json)
    {
        var annotations = new List<KeyValuePair<string, string?>>();
        var keys = new HashSet<string>(StringComparer.Ordinal);
        json.EnterObject("an object of annotations");
        while (json.ReadName() is { } key)
        {
            if (!Identifier.IsWord(key) || !keys.Add(key))
                throw json.Fail($"`{key}` cannot name an annotation, or occurs twice");

            annotations.Add(new(key, json.ReadStringOrNull()));
        }

        return annotations;
    }

    private static List<NameSyntax> ReadNames(ref JsonCursor json)
    {
        var names = new List<NameSyntax>();
        json.EnterArray("an array of entity types");
        while (json.HasElement())
        {
            var start = json.Offset;
            names.Add(new NameSyntax(CheckPath(json, start, json.ReadString("the name of an entity type")), new SourceSpan(start, 1)));
        }

        return names;
    }

    private static List<string> ReadStrings(ref JsonCursor json)
    {
        var strings = new List<string>();
        json.EnterArray("an array of strings");
        while (json.HasElement())
            strings.Add(json.ReadString());

        return strings;
    }

    private static void CheckName(in JsonCursor json, string name)
    {
        if (!Identifier.IsName(name))
            throw json.Fail($"`{name}` cannot name a type", "use letters, digits and underscores, and no reserved word");
    }

    private static string CheckPath(in JsonCursor json, int start, string path) =>
        EntityType.IsValid(path.StartsWith(BuiltInTypes.Namespace, StringComparison.Ordinal) ? path[BuiltInTypes.Namespace.Length..] : path)
            ? path
            : throw json.FailAt(start, $"`{path}` cannot name a type", "identifiers joined by `::`");

    private static SyntaxException UnknownMember(in JsonCursor json, string name) => json.Fail($"unknown member `{name}`");
}
