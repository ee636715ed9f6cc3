namespace AuthSidecar.Cedar.Tests.Validation;

public sealed class ValidatorTests
{
    private static readonly Schema Schema = Parse("""
        entity Team in [Team];
        entity User in [Team] = { name: String, age?: Long, boss?: User, tags_?: Set<String> } tags Long;
        entity Color enum ["red", "green"];
        entity Doc = { owner: User, color: Color, meta: { draft: Bool, note?: String } };
        action any;
        action view, edit in [any] appliesTo { principal: [User], resource: [Doc], context: { ip?: ipaddr } };
        action assign appliesTo { principal: [User, Team], resource: [Team] };
        """);

    [Theory]
    [InlineData("principal in Team::\"a\"")]
    [InlineData("resource.owner == principal && resource.owner.name like \"a*\"")]
    [InlineData("resource.owner has boss.age && resource.owner.boss.age > 3")]
    [InlineData("if principal has age then principal.age > 3 else false")]
    [InlineData("!(principal has age) || principal.name == \"a\"")]
    [InlineData("(principal has age || principal has boss) || true")]
    [InlineData("principal.hasTag(\"x\") && principal.getTag(\"x\") < 5")]
    [InlineData("context has ip && context.ip.isInRange(ip(\"10.0.0.0/8\"))")]
    [InlineData("resource.meta.draft && resource.meta has note && resource.meta.note != \"\"")]
    [InlineData("resource.color == Color::\"red\"")]
    [InlineData("action == Action::\"view\" || action in Action::\"any\"")]
    [InlineData("principal == resource.owner.boss || true", "UnsafeOptionalAttributeAccess")]
    [InlineData("principal.age > 3", "UnsafeOptionalAttributeAccess")]
    [InlineData("principal has age || principal.age > 3", "UnsafeOptionalAttributeAccess")]
    [InlineData("principal.nope == 1", "UnsafeAttributeAccess")]
    // Once for each action.
    [InlineData("context.nope", "UnsafeAttributeAccess", "UnsafeAttributeAccess")]
    [InlineData("principal.getTag(\"x\") < 5", "UnsafeTagAccess")]
    [InlineData("resource.hasTag(\"x\") || resource.getTag(\"x\") == 1", "UnsafeTagAccess")]
    [InlineData("principal.name + 1 == 2", "UnexpectedType")]
    [InlineData("principal.name == 1", "IncompatibleTypes")]
    [InlineData("[1, \"a\"].contains(1)", "IncompatibleTypes")]
    [InlineData("[] == []", "EmptySetForbidden", "EmptySetForbidden")]
    [InlineData("ip(principal.name).isIpv4()", "NonLitExtConstructor")]
    [InlineData("ip(\"1.2.3\").isIpv4()", "FunctionArgumentValidation")]
    [InlineData("ip(\"1.2.3.4\", \"x\").isIpv4()", "WrongNumberArguments")]
    [InlineData("resource.color == Color::\"blue\"", "InvalidEnumEntity")]
    [InlineData("principal == Ghost::\"a\"", "UnrecognizedEntityType")]
    [InlineData("action == Action::\"ghost\"", "UnrecognizedActionId")]
    public void Validate_Condition_ErrorsOfTheseKinds(string condition, params string[] kinds) =>
        Assert.Equal(kinds, Validate($"permit(principal, action in Action::\"any\", resource) when {{ {condition} }};").Errors.Select(e => e.Kind.ToString()));

    [Theory]
    [InlineData("principal.name == 1")]
    [InlineData("[1].contains(\"a\")")]
    [InlineData("[] == []")]
    [InlineData("ip(principal.name).isIpv4()")]
    public void Validate_WhatOnlyStrictModeMinds_ValidWhenPermissive(string condition) =>
        Assert.True(Validate($"permit(principal, action in Action::\"any\", resource) when {{ {condition} }};", new ValidationOptions { Mode = ValidationMode.Permissive }).IsValid);

    [Theory]
    [InlineData("permit(principal is Doc, action, resource);", "ImpossiblePolicy InvalidActionApplication")]
    [InlineData("permit(principal, action == Action::\"view\", resource is Team);", "ImpossiblePolicy InvalidActionApplication")]
    [InlineData("permit(principal, action == Action::\"view\", resource) when { resource is Team };", "ImpossiblePolicy")]
    [InlineData("permit(principal == User::\"аlice\", action == Action::\"view\", resource);", "MixedScriptIdentifier")]
    [InlineData("permit(principal == User::\"\\u{202e}\", action == Action::\"view\", resource);", "BidiCharsInIdentifier")]
    [InlineData("permit(principal == User::\"a\\u{7}\", action == Action::\"view\", resource);", "ConfusableIdentifier")]
    [InlineData("permit(principal, action == Action::\"view\", resource) when { principal.name == \"pаypal\" };", "MixedScriptString")]
    [InlineData("permit(principal, action == Action::\"view\", resource) when { principal.name == \"\\u{2066}\" };", "BidiCharsInString")]
    [InlineData("permit(principal == User::\"日本のカタカナ\", action == Action::\"view\", resource) when { principal.name == \"alice smith, 3\" };", "")]
    public void Validate_Policy_WarningsOfTheseKinds(string policy, string kinds)
    {
        var result = Validate(policy);
        Assert.Empty(result.Errors);
        Assert.Equal(kinds, string.Join(' ', result.Warnings.Select(w => w.Kind.ToString()).Order(StringComparer.Ordinal)));
    }

    /// <summary>An operand of the wrong type is told once, where it stands, and not again at everything around it.</summary>
    [Theory]
    [InlineData("1", "1 UnexpectedType")]
    [InlineData("principal.name", "1 UnexpectedType")]
    [InlineData("[1]", "1 UnexpectedType")]
    [InlineData("{ a: 1 }", "1 UnexpectedType")]
    [InlineData("ip(\"::1\")", "1 UnexpectedType")]
    [InlineData("if true then 1 else 2", "1 UnexpectedType")]
    [InlineData("true && 1", "9 UnexpectedType")]
    [InlineData("false || 1", "10 UnexpectedType")]
    [InlineData("principal is User && 1", "22 UnexpectedType")]
    [InlineData("(principal is User && 1) && true", "23 UnexpectedType")]
    [InlineData("!(true && 1)", "11 UnexpectedType")]
    [InlineData("!1", "2 UnexpectedType")]
    [InlineData("[false || \"x\", true] == [true]", "11 UnexpectedType")]
    [InlineData("(if 1 then true else true) && true", "5 UnexpectedType")]
    // What follows an operand with an error is checked as well, also behind `false`.
    [InlineData("principal.nope && false && principal.gone == 1", "1 UnsafeAttributeAccess", "28 UnsafeAttributeAccess")]
    [InlineData("1 && false && principal.gone == 1", "1 UnexpectedType", "15 UnsafeAttributeAccess")]
    [InlineData("principal.nope || true || principal.gone == 1", "1 UnsafeAttributeAccess", "27 UnsafeAttributeAccess")]
    // Literals have an order beside each other, or none; one that is wrong is told in its place.
    [InlineData("principal.nope < \"a\"", "1 UnsafeAttributeAccess")]
    [InlineData("\"a\" < 1", "1 UnexpectedType")]
    [InlineData("1 < \"a\"", "5 UnexpectedType")]
    [InlineData("\"a\" < \"b\"", "1 UnexpectedType", "7 UnexpectedType")]
    public void Validate_OperandWithAnError_ToldOnceInItsPlace(string condition, params string[] findings)
    {
        const string Before = "permit(principal is User, action == Action::\"view\", resource is Doc) when { ";
        var result = Validate($"{Before}{condition} }};");
        var found = result.Errors.Count > 0 ? result.Errors : result.Warnings;
        Assert.Equal(findings, found.Select(f => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{f.Fault.Column - Before.Length} {f.Kind}")));
    }

    /// <summary>What compares literals is known beforehand, whether the schema has them or not.</summary>
    [Theory]
    [InlineData("action == Action::\"zz\"", "UnrecognizedActionId", "ImpossiblePolicy")]
    [InlineData("action != Action::\"zz\"", "UnrecognizedActionId", "")]
    [InlineData("Ghost::\"a\" == Ghost::\"b\"", "UnrecognizedEntityType UnrecognizedEntityType", "ImpossiblePolicy")]
    [InlineData("Ghost::\"a\" == Ghost::\"a\"", "UnrecognizedEntityType UnrecognizedEntityType", "")]
    [InlineData("(1 == \"a\") && principal.nope", "", "ImpossiblePolicy")]
    [InlineData("action in Action::\"zz\"", "UnrecognizedActionId", "")]
    [InlineData("(principal.nope || false) && false", "UnsafeAttributeAccess", "ImpossiblePolicy")]
    public void Validate_ComparisonOfLiterals_KnownBeforehand(string condition, string errors, string warnings)
    {
        var result = Validate($"permit(principal is User, action == Action::\"view\", resource is Doc) when {{ {condition} }};");
        Assert.Equal(errors, string.Join(' ', result.Errors.Select(e => e.Kind.ToString())));
        Assert.Equal(warnings, string.Join(' ', result.Warnings.Select(e => e.Kind.ToString())));
    }

    [Fact]
    public void Validate_Error_NamesPolicyPlaceAndHelp()
    {
        var error = Assert.Single(Validate("permit(principal, action == Action::\"view\", resource);\nforbid(principal, action == Action::\"view\", resource)\nwhen { principal.age > 3 };").Errors);
        Assert.Equal("policy1", error.PolicyId);
        Assert.Equal("p.cedar:3:8: the attribute `age` of `User` is optional and may be absent; test `principal has age` first", error.Fault.ToString());
    }

    [Theory]
    [InlineData("permit(principal, action == Action::\"view\", resource) when { principal.nam == \"a\" };", "p.cedar:1:62: the attribute `nam` of `User` is not declared; did you mean `name`?")]
    [InlineData("permit(principal, action == Action::\"view\", resource) when { resource.meta.darft };", "p.cedar:1:62: the attribute `meta.darft` of `Doc` is not declared; did you mean `draft`?")]
    [InlineData("permit(principal, action == Action::\"view\", resource) when { context.i };", "p.cedar:1:62: the attribute `i` of the context of `Action::\"view\"` is not declared; did you mean `ip`?")]
    [InlineData("permit(principal, action == Action::\"view\", resource) when { principal.something };", "p.cedar:1:62: the attribute `something` of `User` is not declared")]
    [InlineData("permit(principal, action == Action::\"veiw\", resource);", "p.cedar:1:29: unrecognized action `Action::\"veiw\"`; did you mean `Action::\"view\"`?")]
    [InlineData("permit(principal, action in [Action::\"view\", Action::\"ghost\"], resource);", "p.cedar:1:46: unrecognized action `Action::\"ghost\"`")]
    [InlineData("permit(principal, action == N::Action::\"view\", resource);", "p.cedar:1:29: unrecognized action `N::Action::\"view\"`; did you mean `Action::\"view\"`?")]
    [InlineData("permit(principal is Usr, action == Action::\"view\", resource);", "p.cedar:1:21: unrecognized entity type `Usr`; did you mean `User`?")]
    [InlineData("permit(principal is User in Taem::\"a\", action == Action::\"view\", resource);", "p.cedar:1:29: unrecognized entity type `Taem`; did you mean `Team`?")]
    [InlineData("permit(principal == user::\"a\", action == Action::\"view\", resource);", "p.cedar:1:21: unrecognized entity type `user`; did you mean `User`?")]
    [InlineData("permit(principal, action == Action::\"view\", resource) when { resource.color == Color::\"rad\" };", "p.cedar:1:80: `Color::\"rad\"` is not a valid id of enumerated entity type `Color`; did you mean `Color::\"red\"`?")]
    public void Validate_MisspeltName_SaysWhichMayHaveBeenMeant(string policy, string message) =>
        Assert.Equal(message, Assert.Single(Validate(policy).Errors).Fault.ToString());

    [Theory]
    [InlineData("permit(principal is Doc, action, resource);", "p.cedar:1:8: the policy is never satisfied: `principal is Doc` is never true")]
    [InlineData("permit(principal, action == Action::\"view\", resource is Team);", "p.cedar:1:45: the policy is never satisfied: `resource is Team` is never true")]
    [InlineData("permit(principal, action == Action::\"view\", resource) when { principal.name == \"a\" && resource is Team };", "p.cedar:1:87: the policy is never satisfied: `resource is Team` is never true")]
    [InlineData("permit(principal, action == Action::\"view\", resource) when { true } unless { true };", "p.cedar:1:69: the policy is never satisfied: `!true` is never true")]
    [InlineData("permit(principal, action in Action::\"any\", resource) when { principal has nope };", "p.cedar:1:61: the policy is never satisfied: `principal has nope` is never true")]
    // Different parts, where different things are asked.
    [InlineData("permit(principal, action in [Action::\"view\", Action::\"assign\"], resource) when { (resource is Team && principal is Doc) || (resource is Doc && principal is Team) };", "p.cedar:1:82: the policy is never satisfied: `((resource is Team) && (principal is Doc)) || ((resource is Doc) && (principal is Team))` is never true")]
    public void Validate_ImpossiblePolicy_SaysWhichPart(string policy, string message) =>
        Assert.Equal(message, Assert.Single(Validate(policy).Warnings, w => w.Kind == ValidationKind.ImpossiblePolicy).Fault.ToString());

    [Fact]
    public void Validate_Template_SlotsMayBeWhateverFitsAndLinksAreCheckedToo()
    {
        var builder = new PolicySetBuilder();
        builder.Add(SourceText.Of("permit(principal in ?principal, action == Action::\"view\", resource == ?resource) when { resource.owner.name == \"a\" };"), (_, _) => "t");
        builder.Link("t", "good", new EntityUid("Team", "a"), new EntityUid("Doc", "d"));
        builder.Link("t", "ghost", new EntityUid("Ghost", "a"), new EntityUid("Doc", "d"));
        builder.Link("t", "useless", new EntityUid("Team", "a"), new EntityUid("Team", "d"));
        Assert.True(builder.TryBuild(out var policies, out _));
        var result = new Validator(Schema).Validate(policies);
        Assert.Equal([(ValidationKind.UnrecognizedEntityType, "ghost")], result.Errors.Select(e => (e.Kind, e.PolicyId)));
        Assert.Equal(["ghost", "useless"], result.Warnings.Where(w => w.Kind == ValidationKind.InvalidActionApplication).Select(w => w.PolicyId));
    }

    [Theory]
    [InlineData("true", 0)]
    [InlineData("principal == User::\"a\"", 0)]
    [InlineData("principal.name == \"a\"", 1)]
    [InlineData("principal in Team::\"a\"", 1)]
    [InlineData("resource.owner.name == \"a\"", 2)]
    [InlineData("resource.owner has boss.boss.age", 4)]
    [InlineData("resource.meta.draft", 1)]
    [InlineData("(if resource.meta.draft then principal else resource.owner).name == \"a\"", 2)]
    [InlineData("User::\"a\".name == \"a\"", null)]
    public void Validate_Level_FirstThatPasses(string condition, int? expected)
    {
        var policy = $"permit(principal, action == Action::\"view\", resource) when {{ {condition} }};";
        int? first = Enumerable.Range(0, 8).Where(level => Validate(policy, new ValidationOptions { Level = level }).IsValid).Select(l => (int?)l).FirstOrDefault();
        Assert.Equal(expected, first);
    }

    [Fact]
    public void Check_Requests_AsTheSchemaSays()
    {
        Assert.Null(Check("User", "view", "Doc"));
        Assert.Equal("`Action::\"view\"` does not apply to a principal of type `Team`, but to `User`", Check("Team", "view", "Doc"));
        Assert.Equal("unrecognized action `Action::\"ghost\"`", Check("User", "ghost", "Doc"));
        Assert.Equal("the context: attribute `x` is not declared", Check("User", "view", "Doc", ValueRecord.Create([new("x", Value.True)])));
        Assert.Equal("the context: attribute `ip`: expected ipaddr, got bool", Check("User", "view", "Doc", ValueRecord.Create([new("ip", Value.True)])));

        static string? Check(string principal, string action, string resource, ValueRecord? context = null) =>
            Schema.Check(new Request(new EntityUid(principal, "a"), new EntityUid("Action", action), new EntityUid(resource, "d"), context ?? ValueRecord.Empty));
    }

    private static ValidationResult Validate(string policies, ValidationOptions? options = null)
    {
        Assert.True(PolicySet.TryParse(SourceText.Of(policies, "p.cedar"), out var set, out var faults), $"{faults.FirstOrDefault()}");
        return new Validator(Schema, options).Validate(set);
    }

    private static Schema Parse(string text) =>
        Schema.TryParse(SourceText.Of(text), out var schema, out var faults) ? schema : throw new InvalidOperationException(faults[0].ToString());
}
