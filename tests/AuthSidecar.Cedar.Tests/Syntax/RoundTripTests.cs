using AuthSidecar.Cedar.Tests.Conformance;
using AuthSidecar.Cedar.Tests.Evaluation;
using CsCheck;

namespace AuthSidecar.Cedar.Tests.Syntax;

/// <summary>What is written can be read and says the same, for policies that nobody thought of.</summary>
public sealed class RoundTripTests
{
    private static readonly Schema Schema = ParseSchema("""
        entity G in [G];
        entity U in [G] = { n?: Long, s?: String, e?: U, r?: { n: Long } } tags Long;
        action x appliesTo { principal: [U], resource: [U, G], context: { n: Long, missing?: Bool } };
        """);

    [Fact]
    public void Policies_PrintedOrThroughJson_SayTheSame() => OracleTests.Expression.Sample(
        text =>
        {
            var policies = Parse($"permit(principal, action, resource) when {{ {text} }} unless {{ {text} }};");
            var json = policies.ToJson();
            Assert.Equal(json, Parse(policies.Policies[0].ToString()).ToJson());
            Assert.True(PolicySet.TryParseJson(SourceText.Of(json), out var read, out var faults), $"{faults.FirstOrDefault()}");
            // The order of a record's attributes says nothing, and JSON does not keep it.
            Assert.Equal(Corpus.Json(json), Corpus.Json(read.ToJson()), JsonComparer.Instance);
            Assert.Equal(Corpus.Json(json), Corpus.Json(Parse(read.Policies[0].ToString()).ToJson()), JsonComparer.Instance);
        },
        iter: 20_000);

    [Fact]
    public void Validate_AnyPolicy_FindsWhatItFindsWithoutFailing()
    {
        var valid = 0;
        OracleTests.Expression.Sample(
            text =>
            {
                var policies = Parse($"permit(principal, action, resource) when {{ {text} }};");
                var strict = new Validator(Schema, new ValidationOptions { Level = 2 }).Validate(policies);
                var permissive = new Validator(Schema, new ValidationOptions { Mode = ValidationMode.Permissive }).Validate(policies);
                // What is strict enough for one is for the other.
                Assert.True(!strict.IsValid || permissive.IsValid, text);
                Interlocked.Add(ref valid, strict.IsValid ? 1 : 0);
                Assert.True(new PartialAuthorizer(Schema).TryAuthorize(
                    policies, null, new PartialRequest(new PartialUid("U", "a"), new EntityUid("Action", "x"), new PartialUid("G", null), null), out var response, out _));
                Parse($"permit(principal, action, resource) when {{ {response.Policies[0].Residual} }};");
            },
            iter: 20_000);
        Assert.True(valid > 100, $"{valid} valid");
    }

    private static PolicySet Parse(string text) =>
        PolicySet.TryParse(SourceText.Of(text), out var policies, out var faults) ? policies : throw new InvalidOperationException($"{text}: {faults[0]}");

    private static Schema ParseSchema(string text) =>
        Schema.TryParse(SourceText.Of(text), out var schema, out var faults) ? schema : throw new InvalidOperationException(faults[0].ToString());
}
