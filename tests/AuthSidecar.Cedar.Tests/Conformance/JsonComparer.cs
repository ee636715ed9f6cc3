using System.Text.Json;

namespace AuthSidecar.Cedar.Tests.Conformance;

/// <summary>Compares JSON by what it says. Numbers are compared as doubles, since that is what the tables were made with.</summary>
internal sealed class JsonComparer : IEqualityComparer<JsonElement>
{
    public static readonly JsonComparer Instance = new();

    public bool Equals(JsonElement x, JsonElement y) => x.ValueKind == y.ValueKind && x.ValueKind switch
    {
        JsonValueKind.Object => x.EnumerateObject().Count() == y.EnumerateObject().Count()
            && x.EnumerateObject().All(p => y.TryGetProperty(p.Name, out var other) && Equals(p.Value, other)),
        JsonValueKind.Array => x.EnumerateArray().SequenceEqual(y.EnumerateArray(), this),
        JsonValueKind.Number => x.GetDouble() == y.GetDouble(),
        JsonValueKind.String => x.GetString() == y.GetString(),
        _ => true,
    };

    public int GetHashCode(JsonElement obj) => obj.ValueKind.GetHashCode();
}
