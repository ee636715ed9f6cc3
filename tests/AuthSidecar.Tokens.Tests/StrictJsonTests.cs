using System.Text;
using System.Text.Json;
using CsCheck;

namespace AuthSidecar.Tokens.Tests;

/// <summary>Duplicate members are found by hashes and, where those are not enough, by the platform: always as it finds them.</summary>
public sealed class StrictJsonTests
{
    private static readonly JsonDocumentOptions WithoutDuplicates = new() { AllowDuplicateProperties = false };

    private static readonly Gen<string> Name = Gen.OneOf(
        Gen.OneOfConst("a", "b", "ab", "abcdefgh", "abcdefgi", "abcdefghabcdefgh", "\\u0061", "\\u0062", "a\\u0062", "é", "\\u00e9"),
        Gen.Int[0, 40].Select(i => $"name-{i}"));

    private static readonly Gen<string> Value = Gen.Recursive<string>((depth, value) => depth >= 4 ? Gen.OneOfConst("1", "\"x\"", "null", "\"\\n\"") : Gen.OneOf(
        Gen.OneOfConst("1", "\"x\"", "true", "[]"),
        value.Array[0, 3].Select(items => $"[{string.Join(',', items)}]"),
        ObjectOf(value)));

    [Fact]
    public void TryParseObject_OfAnyObject_FindsDuplicatesAsThePlatformDoes() => ObjectOf(Value).Sample(
        json =>
        {
            var utf8 = Encoding.UTF8.GetBytes(json);
            var error = StrictJson.TryParseObject(utf8, out var document);
            document?.Dispose();
            return (error == TokenRejection.None) == IsWithoutDuplicates(utf8);
        },
        iter: 20_000);

    [Theory]
    [InlineData(33)]
    [InlineData(500)]
    public void TryParseObject_OfManyMembers_FindsTheOneThatIsThereTwice(int members)
    {
        var names = string.Join(',', Enumerable.Range(0, members).Select(i => $"\"claim-{i}\":1"));
        Assert.Equal(TokenRejection.None, StrictJson.TryParseObject(Encoding.UTF8.GetBytes($"{{{names}}}"), out var good));
        good!.Dispose();
        Assert.Equal(TokenRejection.Malformed, StrictJson.TryParseObject(Encoding.UTF8.GetBytes($"{{{names},\"claim-{members - 1}\":2}}"), out _));
        Assert.Equal(TokenRejection.Malformed, StrictJson.TryParseObject(Encoding.UTF8.GetBytes($"{{\"x\":{{{names},\"claim-0\":2}}}}"), out _));
    }

    private static Gen<string> ObjectOf(Gen<string> value) => Gen.Select(Name, value).Array[0, 12].Select(
        members => $"{{{string.Join(',', members.Select(m => $"\"{m.Item1}\":{m.Item2}"))}}}");

    private static bool IsWithoutDuplicates(byte[] utf8)
    {
        try
        {
            JsonDocument.Parse(utf8, WithoutDuplicates).Dispose();
            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }
}
