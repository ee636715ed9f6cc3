namespace AuthSidecar.Cedar.Tests.Schemas;

/// <summary>
/// Where <c>__cedar</c> may stand as a name, and <c>Action</c> as a type: what the reference implementation 4.13 answered to these texts. The first is reserved
/// in identifiers of policies and in paths of types (RFC 52), not in names of attributes and actions of schemas; the second is a type wherever there are actions.
/// </summary>
public sealed class NamesTests
{
    private const string SchemaText = """
        entity U { a: Action, s: Set<Action> } tags Action;
        action v, w appliesTo { principal: U, resource: U, context: { c?: Action, r?: { "__cedar"?: Long } } };
        action g;
        action x in [g] appliesTo { principal: U, resource: U };
        """;

    [Theory]
    [InlineData("entity U {__cedar: Long};", true)]
    [InlineData("entity U {\"__cedar\": Long};", true)]
    [InlineData("entity U = {__cedar?: Long};", true)]
    [InlineData("entity U {r: {__cedar: Long}};", true)]
    [InlineData("type T = {__cedar: Long};", true)]
    [InlineData("entity U; action v appliesTo {principal: U, resource: U, context: {__cedar: Long}};", true)]
    [InlineData("action __cedar;", true)]
    [InlineData("action \"__cedar\"; action b in [__cedar];", true)]
    [InlineData("action __cedar; action b in [\"__cedar\"];", true)]
    [InlineData("action __cedar; action b in [Action::\"__cedar\"];", true)]
    [InlineData("@__cedar(\"x\") entity U; @__cedar entity V {@__cedar a: Long};", true)]
    [InlineData("entity U enum [\"__cedar\"];", true)]
    [InlineData("entity __cedar;", false)]
    [InlineData("type __cedar = Long;", false)]
    [InlineData("namespace __cedar {entity U;}", false)]
    [InlineData("namespace A::__cedar {entity U;}", false)]
    [InlineData("namespace __cedar::A {entity U;}", false)]
    [InlineData("entity U {a: __cedar::Long, b: __cedar::Bool, c: __cedar::ipaddr} tags __cedar::String;", true)]
    [InlineData("entity U {a: __cedar};", false)]
    [InlineData("entity U {a: A::__cedar};", false)]
    [InlineData("entity U {a: __cedar::Foo};", false)]
    [InlineData("entity U {a: __cedar::A::Long};", false)]
    [InlineData("entity U in [__cedar];", false)]
    [InlineData("entity U in [__cedar::X];", false)]
    [InlineData("entity U; action v appliesTo {principal: [__cedar], resource: U};", false)]
    [InlineData("action b in [__cedar::Action::\"x\"];", false)]
    [InlineData("entity U {a: __cedar::Set<Long>};", false)]
    [InlineData("entity __cedarx {__cedarx: Long};", true)]
    [InlineData("entity Action;", false)]
    [InlineData("namespace N {entity Action;}", false)]
    [InlineData("entity Action enum [\"a\"];", false)]
    [InlineData("type Action = Long;", true)]
    [InlineData("namespace N {type Action = Long; action v;}", true)]
    [InlineData("type Action = Long; entity U {a: Action};", true)]
    [InlineData("type Action = Long; namespace N {action v;}", true)]
    [InlineData("namespace Action {entity U;}", true)]
    [InlineData("entity U {a: Action}; action v;", true)]
    [InlineData("entity U {a: Action};", false)]
    [InlineData("entity U {a: Set<Action>, b: {c?: Action}}; type T = Action; type S = Set<Action>; action v;", true)]
    [InlineData("type T = Action;", false)]
    [InlineData("entity U tags Action; entity V tags Set<Action>; action v;", true)]
    [InlineData("entity U tags Action;", false)]
    [InlineData("entity U; action v appliesTo {principal: U, resource: U, context: {a: Action}};", true)]
    [InlineData("entity U; action v appliesTo {principal: U, resource: U, context: Action};", false)]
    [InlineData("namespace N {action v;} entity U {a: N::Action};", true)]
    [InlineData("namespace N {entity V;} entity U {a: N::Action};", false)]
    [InlineData("entity U {a: N::Action};", false)]
    [InlineData("namespace N {entity U {a: Action}; action v;}", true)]
    [InlineData("namespace N {entity U {a: Action};} action v;", true)]
    [InlineData("namespace N {entity U {a: Action};}", false)]
    [InlineData("entity U; action v appliesTo {principal: [Action], resource: U};", false)]
    [InlineData("entity U; action v appliesTo {principal: U, resource: Action};", false)]
    [InlineData("namespace N {entity U; action v appliesTo {principal: [N::Action], resource: U};}", false)]
    [InlineData("entity U in [Action]; action v;", false)]
    [InlineData("entity U in [Action];", false)]
    [InlineData("action Action; entity U {Action: Long};", true)]
    [InlineData("action x; action y in [Action::\"x\"];", true)]
    [InlineData("namespace N {action x;} action y in [N::Action::\"x\"];", true)]
    [InlineData("entity U; action y in [U::\"x\"];", false)]
    [InlineData("entity external {external: Long}; action external; type E = external;", true)]
    [InlineData("entity Set; entity A {a: Set, b: Set<Set>} tags Set; type T = Set;", true)]
    [InlineData("entity Set; entity A in [Set]; action v appliesTo {principal: Set, resource: [Set]};", true)]
    [InlineData("namespace Set {entity A; entity B {a: Set::A};}", true)]
    [InlineData("entity A {a: Set};", false)]
    [InlineData("entity A {a: Set::B};", false)]
    public void Schema_InCedarSyntax_AsTheReference(string text, bool isAccepted)
    {
        Assert.Equal(isAccepted, Schema.TryParse(SourceText.Of(text), out var schema, out var faults));
        if (isAccepted)
        {
            // What is written can be read.
            Assert.True(Schema.TryParse(SourceText.Of(schema!.ToString()), out _, out faults), faults.FirstOrDefault()?.ToString());
            Assert.True(Schema.TryParseJson(SourceText.Of(schema.ToJson()), out _, out faults), faults.FirstOrDefault()?.ToString());
        }
    }

    [Theory]
    [InlineData("""{"": {"entityTypes": {"U": {"shape": {"type": "Record", "attributes": {"__cedar": {"type": "Long"}}}}}, "actions": {"__cedar": {}, "b": {"memberOf": [{"id": "__cedar"}]}}}}""", true)]
    [InlineData("""{"": {"entityTypes": {"U": {"enum": ["__cedar"], "annotations": {"__cedar": "x"}}}, "actions": {}}}""", true)]
    [InlineData("""{"": {"entityTypes": {"__cedar": {}}, "actions": {}}}""", false)]
    [InlineData("""{"": {"entityTypes": {}, "actions": {}, "commonTypes": {"__cedar": {"type": "Long"}}}}""", false)]
    [InlineData("""{"__cedar": {"entityTypes": {}, "actions": {}}}""", false)]
    [InlineData("""{"": {"entityTypes": {}, "actions": {}, "commonTypes": {"T": {"type": "__cedar::Long"}, "S": {"type": "EntityOrCommon", "name": "__cedar::Long"}, "R": {"type": "__cedar::ipaddr"}}}}""", true)]
    [InlineData("""{"": {"entityTypes": {}, "actions": {}, "commonTypes": {"T": {"type": "Extension", "name": "__cedar::ipaddr"}}}}""", false)]
    [InlineData("""{"": {"entityTypes": {}, "actions": {}, "commonTypes": {"T": {"type": "Entity", "name": "__cedar::X"}}}}""", false)]
    [InlineData("""{"": {"entityTypes": {}, "actions": {}, "commonTypes": {"T": {"type": "Entity", "name": "__cedar::Long"}}}}""", false)]
    [InlineData("""{"": {"entityTypes": {}, "actions": {}, "commonTypes": {"T": {"type": "Extension", "name": "Long"}}}}""", false)]
    [InlineData("""{"": {"entityTypes": {}, "actions": {}, "commonTypes": {"T": {"type": "Extension", "name": "duration"}}}}""", true)]
    [InlineData("""{"": {"entityTypes": {"U": {"memberOfTypes": ["__cedar"]}}, "actions": {}}}""", false)]
    [InlineData("""{"": {"entityTypes": {"Action": {}}, "actions": {}}}""", false)]
    [InlineData("""{"": {"entityTypes": {}, "actions": {}, "commonTypes": {"Action": {"type": "Long"}}}}""", true)]
    [InlineData("""{"": {"entityTypes": {}, "actions": {"v": {}}, "commonTypes": {"T": {"type": "Entity", "name": "Action"}, "S": {"type": "EntityOrCommon", "name": "Action"}, "R": {"type": "Set", "element": {"type": "Entity", "name": "Action"}}}}}""", true)]
    [InlineData("""{"": {"entityTypes": {}, "actions": {}, "commonTypes": {"T": {"type": "Entity", "name": "Action"}}}}""", false)]
    [InlineData("""{"": {"entityTypes": {}, "actions": {}, "commonTypes": {"T": {"type": "EntityOrCommon", "name": "Action"}}}}""", false)]
    [InlineData("""{"": {"entityTypes": {}, "actions": {"v": {}}, "commonTypes": {"T": {"type": "Action"}}}}""", false)]
    [InlineData("""{"": {"entityTypes": {"U": {"memberOfTypes": ["Action"]}}, "actions": {"v": {}}}}""", false)]
    [InlineData("""{"": {"entityTypes": {"U": {}}, "actions": {"v": {"appliesTo": {"principalTypes": ["Action"], "resourceTypes": ["U"]}}}}}""", false)]
    [InlineData("""{"": {"entityTypes": {}, "actions": {"x": {}, "y": {"memberOf": [{"id": "x", "type": "Action"}]}}}}""", true)]
    public void Schema_InJson_AsTheReference(string json, bool isAccepted) => Assert.Equal(isAccepted, Schema.TryParseJson(SourceText.Of(json), out _, out _));

    [Theory]
    [InlineData("principal.__cedar == 1", false)]
    [InlineData("context.__cedar == 1", false)]
    [InlineData("principal has __cedar", false)]
    [InlineData("principal has a.__cedar", false)]
    [InlineData("principal has __cedar.a", false)]
    [InlineData("{__cedar: 1} == {}", false)]
    [InlineData("principal[\"__cedar\"] == 1", true)]
    [InlineData("principal has \"__cedar\"", true)]
    [InlineData("{\"__cedar\": 1} == {}", true)]
    [InlineData("principal.hasTag(\"__cedar\")", true)]
    [InlineData("principal is __cedar", false)]
    [InlineData("principal is A::__cedar", false)]
    [InlineData("principal == __cedar::\"a\"", false)]
    [InlineData("principal == A::__cedar::\"a\"", false)]
    [InlineData("principal == A::__cedar::B::\"a\"", false)]
    [InlineData("__cedar(\"x\")", false)]
    [InlineData("__cedar::ip(\"x\")", false)]
    [InlineData("principal.__cedar()", false)]
    [InlineData("__cedar", false)]
    [InlineData("principal == User::\"__cedar\" && action == Action::\"__cedar\"", true)]
    [InlineData("principal.__cedarx == 1", true)]
    public void Policy_NamesOfConditions_AsTheReference(string condition, bool isAccepted) =>
        Assert.Equal(isAccepted, PolicySet.TryParse(SourceText.Of($"@__cedar(\"x\") permit(principal, action, resource) when {{ {condition} }};"), out _, out _));

    [Theory]
    [InlineData("principal.a == action", "")]
    [InlineData("principal.a == Action::\"v\"", "")]
    [InlineData("principal.a in Action::\"g\"", "")]
    [InlineData("principal.a in action", "")]
    [InlineData("principal.a is Action", "")]
    [InlineData("principal.s.contains(action)", "")]
    [InlineData("principal.hasTag(\"t\") && principal.getTag(\"t\") == action", "")]
    [InlineData("context has c && context.c == action", "")]
    [InlineData("context has r && context.r has \"__cedar\" && context.r[\"__cedar\"] == 1", "")]
    [InlineData("principal.a == Action::\"nope\"", "UnrecognizedActionId")]
    [InlineData("principal.a.x", "UnsafeAttributeAccess")]
    [InlineData("principal is Q::Action", "")]
    [InlineData("principal is Q::Acton", "UnrecognizedEntityType")]
    public void Validate_ActionsAsValues_AsTheReference(string condition, string expected)
    {
        Assert.True(PolicySet.TryParse(SourceText.Of($"permit(principal, action in [Action::\"v\", Action::\"w\"], resource) when {{ {condition} }};"), out var policies, out var faults), faults.FirstOrDefault()?.ToString());
        Assert.Equal(expected, string.Join(' ', new Validator(ParseSchema()).Validate(policies).Errors.Select(e => e.Kind).Distinct()));
    }

    [Theory]
    [InlineData("""{"__entity": {"type": "Action", "id": "v"}}""", true)]
    [InlineData("""{"type": "Action", "id": "v"}""", true)]
    [InlineData("""{"type": "Action", "id": "undeclared"}""", false)]
    [InlineData("""{"type": "U", "id": "v"}""", false)]
    public void Entities_ActionsAsAttributes_AsTheReference(string action, bool isAccepted)
    {
        Assert.Equal(isAccepted, EntityStore.TryParse(SourceText.Of($$$"""[{"uid": {"type": "U", "id": "u"}, "attrs": {"a": {{{action}}}, "s": []}, "parents": []}]"""), ParseSchema(), out _, out _));
        Assert.Equal(isAccepted, EntityStore.TryParse(
            SourceText.Of($$$"""[{"uid": {"type": "U", "id": "u"}, "attrs": {"a": {"type": "Action", "id": "w"}, "s": []}, "parents": [], "tags": {"t": {{{action}}}}}]"""), ParseSchema(), out _, out _));
    }

    private static Schema ParseSchema() => Schema.TryParse(SourceText.Of(SchemaText), out var schema, out var faults) ? schema : throw new InvalidOperationException(faults[0].ToString());
}
