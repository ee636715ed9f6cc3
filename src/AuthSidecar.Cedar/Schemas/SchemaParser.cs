namespace AuthSidecar.Cedar;

/// <summary>A recursive-descent parser for schemas in Cedar syntax. Like the parser of policies it reports the first fault of each
/// declaration.</summary>
internal ref struct SchemaParser
{
    // Types nest; so do the parser and the resolver.
    public const int MaxTypeNesting = 64;

    public static readonly string[] ReservedTypeNames = ["Bool", "Boolean", "Entity", "Extension", "Long", "Record", "Set", "String"];

    private const string ExternalEnd = "`in`, or `;`: an external declaration has parents and nothing else";

    private TokenReader _tokens;
    private int _nesting;

    private SchemaParser(SourceText source) => _tokens = new TokenReader(source);
    private readonly Token Current => _tokens.Current;

    /// <summary>Parses a schema. Any fault at all leaves the tree incomplete: use it only when there is none.</summary>
    public static List<NamespaceSyntax> Parse(SourceText source, List<Fault> faults)
    {
        if (source.FindEncodingFault() is { } fault)
        {
            faults.Add(fault);
            return [];
        }

        var parser = new SchemaParser(source);
        var unnamed = new NamespaceSyntax("", default);
        var namespaces = new List<NamespaceSyntax> { unnamed };
        while (parser.Current.Kind != TokenKind.End)
        {
            try
            {
                var annotations = parser.ParseAnnotations();
                if (parser._tokens.IsWord("namespace"u8))
                    namespaces.Add(parser.ParseNamespace(annotations, faults));
                else
                    parser.ParseDeclaration(annotations, unnamed);
            }
            catch (SyntaxException e)
            {
                faults.Add(e.Fault);
                parser.SkipBehindSemicolon();
            }
        }

        return namespaces;
    }

    private NamespaceSyntax ParseNamespace(List<KeyValuePair<string, string?>> annotations, List<Fault> faults)
    {
        var start = Current.Start;
        _tokens.Advance();
        var name = _tokens.ParsePath("the name of the namespace");
        var parsed = new NamespaceSyntax(name, _tokens.SpanFrom(start)) { Annotations = annotations };
        _tokens.Expect(TokenKind.OpenBrace, "`{` and declarations");
        while (Current.Kind is not (TokenKind.CloseBrace or TokenKind.End))
        {
            try
            {
                ParseDeclaration(ParseAnnotations(), parsed);
            }
            catch (SyntaxException e)
            {
                faults.Add(e.Fault);
                SkipBehindSemicolon();
            }
        }

        _tokens.Expect(TokenKind.CloseBrace, "a declaration, or `}` to end the namespace");
        return parsed;
    }

    private List<KeyValuePair<string, string?>> ParseAnnotations()
    {
        var annotations = new List<KeyValuePair<string, string?>>();
        var keys = Current.Kind == TokenKind.At ? new HashSet<string>(StringComparer.Ordinal) : null;
        while (Current.Kind == TokenKind.At)
        {
            _tokens.Advance();
            var keyToken = Current;
            var key = _tokens.ExpectWord("the name of an annotation");
            string? text = null;
            if (Current.Kind == TokenKind.OpenParen)
            {
                _tokens.Advance();
                text = _tokens.ParseString("the text of the annotation");
                _tokens.Expect(TokenKind.CloseParen, "`)` after the annotation");
            }

            if (!keys!.Add(key))
                throw _tokens.Fail(keyToken, $"the annotation `@{key}` occurs twice", "keep one");

            annotations.Add(new(key, text));
        }

        return annotations;
    }

    private void ParseDeclaration(List<KeyValuePair<string, string?>> annotations, NamespaceSyntax into)
    {
        var start = Current.Start;
        var isExternal = _tokens.IsWord("external"u8);
        if (isExternal)
            _tokens.Advance();

        if (_tokens.IsWord("entity"u8))
            ParseEntities(annotations, start, isExternal, into);
        else if (_tokens.IsWord("action"u8))
            ParseActions(annotations, start, isExternal, into);
        else if (!isExternal && _tokens.IsWord("type"u8))
            ParseCommonType(annotations, into);
        else
            throw _tokens.Unexpected(isExternal ? "`entity` or `action`" : "`entity`, `action`, `type`, `external` or `namespace`");
    }

    // ------------------------------------------------------------------ entities

    private void ParseEntities(List<KeyValuePair<string, string?>> annotations, int start, bool isExternal, NamespaceSyntax into)
    {
        _tokens.Advance();
        var names = new List<string> { _tokens.ExpectName("the name of an entity type") };
        while (Current.Kind == TokenKind.Comma)
        {
            _tokens.Advance();
            names.Add(_tokens.ExpectName("the name of an entity type"));
        }

        IReadOnlyList<NameSyntax> memberOf = [];
        TypeSyntax.Record? shape = null;
        TypeSyntax? tags = null;
        List<string>? enumIds = null;
        if (isExternal)
        {
            memberOf = ParseMemberOf();
        }
        else if (_tokens.IsWord("enum"u8))
        {
            enumIds = ParseEnumIds();
        }
        else
        {
            memberOf = ParseMemberOf();
            shape = ParseShape();
            if (_tokens.IsWord("tags"u8))
            {
                _tokens.Advance();
                tags = ParseType();
            }
        }

        _tokens.Expect(TokenKind.Semicolon, isExternal ? ExternalEnd : "`in`, `=`, `tags`, or `;` to end the declaration");
        var span = _tokens.SpanFrom(start);
        into.Entities.AddRange(
            names.Select(name => new EntitySyntax(name, memberOf, shape, tags, enumIds, annotations, span) { IsExternal = isExternal }));
    }

    private List<string> ParseEnumIds()
    {
        _tokens.Advance();
        _tokens.Expect(TokenKind.OpenBracket, "`[` and the ids");
        var ids = new List<string> { _tokens.ParseString("an id in quotes") };
        while (Current.Kind == TokenKind.Comma)
        {
            _tokens.Advance();
            ids.Add(_tokens.ParseString("an id in quotes"));
        }

        _tokens.Expect(TokenKind.CloseBracket, "`,` or `]`");
        return ids;
    }

    private List<NameSyntax> ParseMemberOf()
    {
        if (!_tokens.IsWord("in"u8))
            return [];

        _tokens.Advance();
        return ParseTypeNames();
    }

    /// <summary>One name, or several in brackets; unlike in policies, no comma may trail.</summary>
    private List<NameSyntax> ParseTypeNames()
    {
        if (Current.Kind != TokenKind.OpenBracket)
            return [ParseTypeName()];

        _tokens.Advance();
        var names = new List<NameSyntax>();
        if (Current.Kind != TokenKind.CloseBracket)
        {
            names.Add(ParseTypeName());
            while (Current.Kind == TokenKind.Comma)
            {
                _tokens.Advance();
                names.Add(ParseTypeName());
            }
        }

        _tokens.Expect(TokenKind.CloseBracket, "`,` or `]`");
        return names;
    }

    private NameSyntax ParseTypeName()
    {
        var start = Current.Start;
        return new NameSyntax(ParseTypePath(), _tokens.SpanFrom(start));
    }

    private TypeSyntax.Record? ParseShape()
    {
        if (Current.Kind == TokenKind.Assign)
        {
            _tokens.Advance();
            return ParseRecord();
        }

        return Current.Kind == TokenKind.OpenBrace ? ParseRecord() : null;
    }

    // ------------------------------------------------------------------ actions

    private void ParseActions(List<KeyValuePair<string, string?>> annotations, int start, bool isExternal, NamespaceSyntax into)
    {
        _tokens.Advance();
        var ids = new List<string> { ParseName("the name of an action") };
        while (Current.Kind == TokenKind.Comma)
        {
            _tokens.Advance();
            ids.Add(ParseName("the name of an action"));
        }

        var memberOf = ParseActionParents();
        AppliesToSyntax? appliesTo = null;
        if (!isExternal && _tokens.IsWord("appliesTo"u8))
            appliesTo = ParseAppliesTo();

        if (!isExternal && _tokens.IsWord("attributes"u8))
        {
            // A relic of the first syntax: allowed as long as it says nothing.
            _tokens.Advance();
            _tokens.Expect(TokenKind.OpenBrace, "`{`");
            _tokens.Expect(TokenKind.CloseBrace, "`}`: actions have no attributes");
        }

        _tokens.Expect(TokenKind.Semicolon, isExternal ? ExternalEnd : "`in`, `appliesTo`, or `;` to end the declaration");
        var span = _tokens.SpanFrom(start);
        into.Actions.AddRange(ids.Select(id => new ActionSyntax(id, memberOf, appliesTo, annotations, span) { IsExternal = isExternal }));
    }

    private List<ActionParentSyntax> ParseActionParents()
    {
        var parents = new List<ActionParentSyntax>();
        if (!_tokens.IsWord("in"u8))
            return parents;

        _tokens.Advance();
        if (Current.Kind != TokenKind.OpenBracket)
        {
            parents.Add(ParseActionParent());
            return parents;
        }

        _tokens.Advance();
        parents.Add(ParseActionParent());
        while (Current.Kind == TokenKind.Comma)
        {
            _tokens.Advance();
            parents.Add(ParseActionParent());
        }

        _tokens.Expect(TokenKind.CloseBracket, "`,` or `]`");
        return parents;
    }

    private ActionParentSyntax ParseActionParent()
    {
        var start = Current.Start;
        if (Current.Kind == TokenKind.String || _tokens.IsWord("__cedar"u8))
            return new ActionParentSyntax(null, ParseName("the name of an action"), _tokens.SpanFrom(start));

        var path = _tokens.ParsePathOrEntity(out var entity);
        if (entity is not null)
            return new ActionParentSyntax(entity.Type, entity.Id, _tokens.SpanFrom(start));

        return path.Contains(':')
            ? throw _tokens.Unexpected("`::` and the action's id in quotes")
            : new ActionParentSyntax(null, path, _tokens.SpanFrom(start));
    }

    private AppliesToSyntax ParseAppliesTo()
    {
        var start = Current;
        _tokens.Advance();
        _tokens.Expect(TokenKind.OpenBrace, "`{`, and `principal`, `resource`, `context`");
        List<NameSyntax>? principals = null;
        List<NameSyntax>? resources = null;
        TypeSyntax? context = null;
        while (Current.Kind != TokenKind.CloseBrace)
        {
            var part = Current;
            if (_tokens.IsWord("principal"u8) && principals is null)
            {
                ExpectPartColon();
                principals = ParseNonEmpty(part, "principal");
            }
            else if (_tokens.IsWord("resource"u8) && resources is null)
            {
                ExpectPartColon();
                resources = ParseNonEmpty(part, "resource");
            }
            else if (_tokens.IsWord("context"u8) && context is null)
            {
                ExpectPartColon();
                context = Current.Kind == TokenKind.OpenBrace ? ParseRecord() : ParseNamedType();
            }
            else
            {
                throw _tokens.Unexpected("`principal`, `resource` or `context`, each once");
            }

            if (Current.Kind != TokenKind.Comma)
                break;

            _tokens.Advance();
        }

        _tokens.Expect(TokenKind.CloseBrace, "`,` or `}`");
        return principals is null || resources is null
            ? throw _tokens.Fail(start, "`appliesTo` needs both `principal` and `resource`",
                "omit `appliesTo` for a group of actions that applies to nothing")
            : new AppliesToSyntax(principals, resources, context);
    }

    private void ExpectPartColon()
    {
        _tokens.Advance();
        _tokens.Expect(TokenKind.Colon, "`:`");
    }

    private List<NameSyntax> ParseNonEmpty(Token part, string name)
    {
        var types = ParseTypeNames();
        return types.Count > 0 ? types : throw _tokens.Fail(part, $"`{name}` lists no type", "name at least one entity type");
    }

    // ------------------------------------------------------------------ types

    private void ParseCommonType(List<KeyValuePair<string, string?>> annotations, NamespaceSyntax into)
    {
        var start = Current.Start;
        _tokens.Advance();
        var nameToken = Current;
        var name = _tokens.ExpectName("the name of a type");
        if (ReservedTypeNames.Contains(name, StringComparer.Ordinal))
            throw _tokens.Fail(nameToken, $"`{name}` is the name of a built-in type", "choose another name");

        _tokens.Expect(TokenKind.Assign, "`=` and a type");
        var type = ParseType();
        _tokens.Expect(TokenKind.Semicolon, "`;` to end the declaration");
        into.CommonTypes.Add(new CommonTypeSyntax(name, type, annotations, _tokens.SpanFrom(start)));
    }

    private TypeSyntax ParseType()
    {
        if (++_nesting > MaxTypeNesting)
            throw _tokens.Fail(Current, $"the type is nested more than {MaxTypeNesting} deep", "give its parts names with `type`");

        TypeSyntax type = Current.Kind == TokenKind.OpenBrace ? ParseRecord()
            : IsSet() ? ParseSet()
            : ParseNamedType();
        _nesting--;
        return type;
    }

    /// <summary>Without elements it is a name like any other.</summary>
    private readonly bool IsSet()
    {
        var ahead = _tokens;
        if (!ahead.IsWord("Set"u8))
            return false;

        ahead.Advance();
        return ahead.Current.Kind == TokenKind.Less;
    }

    private TypeSyntax ParseSet()
    {
        var start = Current.Start;
        _tokens.Advance();
        _tokens.Advance();
        var element = ParseType();
        _tokens.Expect(TokenKind.Greater, "`>`");
        return new TypeSyntax.Set(element, _tokens.SpanFrom(start));
    }

    private TypeSyntax.Named ParseNamedType()
    {
        var start = Current.Start;
        return new TypeSyntax.Named(ParseTypePath(), _tokens.SpanFrom(start));
    }

    /// <summary>A path, whose first part may be <c>__cedar</c>, the namespace of the built-in types.</summary>
    private string ParseTypePath()
    {
        if (!_tokens.IsWord("__cedar"u8))
            return _tokens.ParsePath("a type");

        _tokens.Advance();
        _tokens.Expect(TokenKind.PathSeparator, "`::` and a built-in type");
        return $"{BuiltInTypes.Namespace}{_tokens.ExpectName("a built-in type")}";
    }

    private TypeSyntax.Record ParseRecord()
    {
        if (++_nesting > MaxTypeNesting)
            throw _tokens.Fail(Current, $"the type is nested more than {MaxTypeNesting} deep", "give its parts names with `type`");

        var start = Current.Start;
        _tokens.Expect(TokenKind.OpenBrace, "`{` and attributes");
        var attributes = new List<AttributeSyntax>();
        var names = new HashSet<string>(StringComparer.Ordinal);
        while (Current.Kind != TokenKind.CloseBrace)
        {
            attributes.Add(ParseAttribute(names));
            if (Current.Kind != TokenKind.Comma)
                break;

            _tokens.Advance();
        }

        _tokens.Expect(TokenKind.CloseBrace, "`,` or `}`");
        _nesting--;
        return new TypeSyntax.Record(attributes, _tokens.SpanFrom(start));
    }

    private AttributeSyntax ParseAttribute(HashSet<string> before)
    {
        var annotations = ParseAnnotations();
        var nameToken = Current;
        var name = ParseName("the name of an attribute");
        var isRequired = Current.Kind != TokenKind.Question;
        if (!isRequired)
            _tokens.Advance();

        _tokens.Expect(TokenKind.Colon, "`:` and a type");
        var type = ParseType();
        return before.Add(name)
            ? new AttributeSyntax(name, type, isRequired, annotations)
            : throw _tokens.Fail(nameToken, $"duplicate attribute `{name}`", "keep one");
    }

    /// <summary>The name of an attribute or an action, which no namespace has to be told from: <c>__cedar</c> is one like any
    /// other.</summary>
    private string ParseName(string expected) => Current.Kind == TokenKind.String ? _tokens.ParseString(expected)
        : _tokens.IsWord("__cedar"u8) ? _tokens.ExpectWord(expected)
        : _tokens.ExpectName(expected);

    private void SkipBehindSemicolon()
    {
        _nesting = 0;
        _tokens.SkipBehindSemicolon();
    }
}
