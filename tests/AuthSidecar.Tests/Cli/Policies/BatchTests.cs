using System.Text;
using AuthSidecar.Cli.Policies;

namespace AuthSidecar.Tests.Cli.Policies;

public sealed class BatchTests
{
    private const string Schema = "entity U = { n?: Long }; entity D; action read appliesTo { principal: [U], resource: [D], context: { at: ipaddr } };";

    [Theory]
    [InlineData("""{"policies": "permit(principal, action, resource);", "entities": [], "request": {"principal": "U::\"a\"", "action": "Action::\"read\"", "resource": "D::\"d\"", "context": {}}}""",
        """{"decision":"allow","reasons":["policy0"],"errors":[]}""")]
    [InlineData("""{"policies": {"templates": {"t": "forbid(principal == ?principal, action, resource);"}, "templateLinks": [{"templateId": "t", "newId": "l", "values": {"?principal": {"type": "U", "id": "a"}}}]}, "entities": [], "request": {"principal": {"type": "U", "id": "a"}, "action": "Action::\"read\"", "resource": "D::\"d\""}}""",
        """{"decision":"deny","reasons":["l"],"errors":[]}""")]
    [InlineData("""{"policies": "permit(principal, action, resource) when { principal.n == 1 };", "entities": [], "request": {"principal": "U::\"a\"", "action": "Action::\"read\"", "resource": "D::\"d\"", "context": {}}}""",
        """{"decision":"deny","reasons":[],"errors":["policy0"]}""")]
    [InlineData("""{"policies": "permit(principal, action, resource) when { ip(\"10.0.0.1\").isInRange(ip(\"::/0\"), ip(\"10.0.0.0/8\")) };", "entities": [], "request": {"principal": "U::\"a\"", "action": "Action::\"read\"", "resource": "D::\"d\""}}""",
        """{"decision":"allow","reasons":["policy0"],"errors":[]}""")]
    [InlineData("""{"policies": "permit(principal, action, resource) when { ip(\"10.0.0.1\").isInRange(ip(\"::/0\"), ip(\"10.0.0.0/8\")) };", "compat": "4.13", "entities": [], "request": {"principal": "U::\"a\"", "action": "Action::\"read\"", "resource": "D::\"d\""}}""",
        """{"decision":"deny","reasons":[],"errors":["policy0"]}""")]
    [InlineData("""{"policies": "permit(principal, action, resource);", "compat": 4.13, "entities": [], "request": {}}""", """{"error":"`compat` is not a string"}""")]
    [InlineData("""{"policies": "permit(principal, action, resource);", "entities": []}""", """{"error":"`request` is missing"}""")]
    [InlineData("""{"policies": "permit", "entities": [], "request": {}}""", """{"error":"policies:1:7: expected `(` and the scope, but the text ends"}""")]
    [InlineData("""not json""", null)]
    [InlineData("""[1]""", """{"error":"expected a JSON object"}""")]
    public void Authorize_Question_Answered(string question, string? answer) => AssertAnswers(AuthorizeCommand.Answer, question, answer);

    [Fact]
    public void Authorize_UnderASchema_ContextIsReadByItAndRequestsHaveToConform()
    {
        var policies = "permit(principal, action, resource) when { context.at.isInRange(ip(\\\"10.0.0.0/8\\\")) };";
        var question = $$$"""{"policies": "{{{policies}}}", "schema": "{{{Schema}}}", "entities": [], "request": {"principal": "U::\"a\"", "action": "Action::\"read\"", "resource": "D::\"d\"", "context": {"at": "10.1.2.3"} } }""";
        AssertAnswers(AuthorizeCommand.Answer, question, """{"decision":"allow","reasons":["policy0"],"errors":[]}""");
        AssertAnswers(
            AuthorizeCommand.Answer,
            question.Replace("D::", "U::", StringComparison.Ordinal),
            """{"error":"the request does not conform to the schema: `Action::\"read\"` does not apply to a resource of type `U`, but to `D`"}""");
    }

    [Theory]
    [InlineData("""{"policies": "permit(principal, action, resource);"}""",
        """{"accepted":true,"json":{"staticPolicies":{"policy0":{"effect":"permit","principal":{"op":"All"},"action":{"op":"All"},"resource":{"op":"All"},"conditions":[]}},"templates":{},"templateLinks":[]}}""")]
    [InlineData("""{"policies": "permit(principal, action);"}""", """{"accepted":false,"message":"policies:1:25: expected `,` and then `resource`, found `)`"}""")]
    [InlineData("""{"policy": {"effect": "permit", "principal": {"op": "All"}, "action": {"op": "All"}, "resource": {"op": "All"}, "conditions": [{"kind": "when", "body": {"Value": -1}}]}}""",
        """{"accepted":true,"text":"permit(principal, action, resource) when { (-1) };"}""")]
    [InlineData("""{"policy": {"effect": "allow"}}""", """{"accepted":false,"message":"policy:1:12: unknown effect `allow`; the effects are `permit` and `forbid`"}""")]
    [InlineData("""{"schema": "entity U;"}""", """{"accepted":true,"json":{"":{"entityTypes":{"U":{}},"actions":{}}}}""")]
    [InlineData("""{"schema": {"": {"entityTypes": {"U": {}}, "actions": {}}}}""", """{"accepted":true,"json":{"":{"entityTypes":{"U":{}},"actions":{}}}}""")]
    [InlineData("""{"schema": "entity U in V;"}""", """{"accepted":false,"message":"schema:1:13: unrecognized entity type `V`"}""")]
    [InlineData("""{"entities": [{"uid": {"type": "U", "id": "a"}, "attrs": {}, "parents": []}], "schema": "entity U;"}""", """{"accepted":true}""")]
    [InlineData("""{"entities": [{"uid": {"type": "U", "id": "a"}, "attrs": {"x": 1}, "parents": []}], "schema": "entity U;"}""",
        """{"accepted":false,"message":"entities:1:51: `U::\"a\"` does not conform to the schema: attribute `x` is not declared"}""")]
    [InlineData("""{"schema": "entity U;", "compat": "4.13"}""", """{"accepted":false,"message":"`compat` is for policies: schemas and entities are the same in all releases"}""")]
    [InlineData("""{}""", """{"accepted":false,"message":"one of `policies`, `policy`, `schema` and `entities` is required"}""")]
    public void Parse_Question_Answered(string question, string answer) => AssertAnswers(ParseBatch.Answer, question, answer);

    [Theory]
    [InlineData("permit(principal, action, resource) when { principal.n == 1 };", "\"mode\": \"strict\"", """{"valid":false,"errors":["UnsafeOptionalAttributeAccess"],"warnings":[]}""")]
    [InlineData("permit(principal, action, resource) when { principal has n && principal.n == 1 };", "\"level\": 1", """{"valid":true,"errors":[],"warnings":[]}""")]
    [InlineData("permit(principal, action, resource) when { principal has n && principal.n == 1 };", "\"level\": 0", """{"valid":false,"errors":["EntityDerefLevelViolation"],"warnings":[]}""")]
    [InlineData("permit(principal is D, action, resource);", "\"compat\": \"4.12\"", """{"valid":false,"errors":["InvalidActionApplication"],"warnings":["ImpossiblePolicy"]}""")]
    [InlineData("permit(principal is D, action, resource);", "\"compat\": \"4.13\"", """{"valid":true,"errors":[],"warnings":["ImpossiblePolicy","InvalidActionApplication"]}""")]
    [InlineData("permit(principal, action, resource);", "\"compat\": \"5\"", """{"error":"unknown release of Cedar `5` in `compat`; known releases: 4.12, 4.13, 4.14, 4.15"}""")]
    [InlineData("permit(principal, action, resource);", "\"level\": -1", """{"error":"`level` must be a number, 0 or more"}""")]
    public void Validate_Question_Answered(string policies, string option, string answer) =>
        AssertAnswers(ValidateBatch.Answer, $$"""{"policies": "{{policies}}", "schema": "{{Schema}}", {{option}}}""", answer);

    [Theory]
    [InlineData("permit(principal, action, resource);", "null", "{}", """{"decision":"allow","policies":{"policy0":"true"}}""")]
    [InlineData("permit(principal is U, action, resource);", "null", "{}", """{"decision":"allow","policies":{"policy0":"true"}}""")]
    [InlineData("permit(principal == U::\\\"a\\\", action, resource);", "null", "{}", """{"decision":null,"policies":{"policy0":"residual"}}""")]
    [InlineData("permit(principal == U::\\\"a\\\", action, resource);", "{\"type\": \"U\"}", "{}", """{"decision":null,"policies":{"policy0":"residual"}}""")]
    [InlineData("permit(principal == U::\\\"a\\\", action, resource);", "\"U::\\\"b\\\"\"", "{}", """{"decision":"deny","policies":{"policy0":"false"}}""")]
    [InlineData("permit(principal, action, resource) when { context.at.isLoopback() };", "null", "null", """{"decision":null,"policies":{"policy0":"residual"}}""")]
    [InlineData("permit(principal, action, resource) when { context.at.isLoopback() };", "null", "{\"at\": \"127.0.0.1\"}", """{"decision":"allow","policies":{"policy0":"true"}}""")]
    [InlineData("forbid(principal, action, resource) when { 9223372036854775807 + 1 == 0 };", "null", "null", """{"decision":"deny","policies":{"policy0":"error"}}""")]
    [InlineData("permit(principal, action, resource);", "{\"type\": \"D\"}", "null", """{"error":"the request does not conform to the schema: `Action::\"read\"` does not apply to a principal of type `D`, but to `U`"}""")]
    public void Partial_Question_Answered(string policies, string principal, string context, string answer)
    {
        var complete = context == "{}" ? """{"at": "10.0.0.1"}""" : context;
        var request = $$"""{"principal": {{principal}}, "action": "Action::\"read\"", "resource": null, "context": {{complete}}}""";
        AssertAnswers(PartialCommand.Answer, $$"""{"policies": "{{policies}}", "schema": "{{Schema}}", "entities": null, "request": {{request}} }""", answer);
    }

    [Fact]
    public void Run_SeveralLines_OneAnswerEachInTheirOrder()
    {
        var answers = Run(ParseBatch.Answer, "{\"schema\": \"entity U;\"}\n\nnonsense\n{\"schema\": \"entity\"}\n{\"schema\": \"\"}");
        Assert.Equal(4, answers.Length);
        Assert.StartsWith("""{"accepted":true""", answers[0], StringComparison.Ordinal);
        Assert.StartsWith("""{"error":"invalid JSON""", answers[1], StringComparison.Ordinal);
        Assert.StartsWith("""{"accepted":false""", answers[2], StringComparison.Ordinal);
        Assert.Equal("""{"accepted":true,"json":{}}""", answers[3]);
    }

    private static void AssertAnswers(Batch.Answer verb, string question, string? answer)
    {
        var given = Assert.Single(Run(verb, question));
        if (answer is null)
        {
            Assert.StartsWith("{\"error\":", given, StringComparison.Ordinal);
        }
        else
        {
            Assert.Equal(answer, given);
        }
    }

    private static string[] Run(Batch.Answer verb, string questions)
    {
        using var answers = new MemoryStream();
        Batch.Run(new StringReader(questions), answers, verb);
        return Encoding.UTF8.GetString(answers.ToArray()).Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }
}
