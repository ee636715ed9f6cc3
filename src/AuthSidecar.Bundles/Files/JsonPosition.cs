using System.Text.Json;

namespace AuthSidecar.Bundles;

/// <summary>Where a value is in a JSON text.</summary>
internal static class JsonPosition
{
    /// <summary>The line and column, from 1, of a member's name or an array's element; null: it is not there.</summary>
    /// <param name="steps">The names of members and the numbers of elements that lead to it.</param>
    public static (int Line, int Column)? Find(ReadOnlySpan<byte> utf8, List<string> steps)
    {
        if (steps.Count == 0)
            return null;

        var reader = new Utf8JsonReader(utf8, new JsonReaderOptions { CommentHandling = JsonCommentHandling.Skip });
        try
        {
            return reader.Read() && TryFind(ref reader, steps) ? PositionOf(utf8[..(int)reader.TokenStartIndex]) : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>Leaves the reader at what the steps lead to.</summary>
    private static bool TryFind(ref Utf8JsonReader reader, List<string> steps)
    {
        for (var depth = 0; depth < steps.Count; depth++)
        {
            if (depth > 0 && reader.TokenType == JsonTokenType.PropertyName)
                reader.Read();

            var isFound = reader.TokenType switch
            {
                JsonTokenType.StartObject => TryFindMember(ref reader, steps[depth]),
                JsonTokenType.StartArray => int.TryParse(steps[depth], CultureInfo.InvariantCulture, out var index)
                    && TryFindElement(ref reader, index),
                _ => false,
            };
            if (!isFound)
                return false;
        }

        return true;
    }

    private static bool TryFindMember(ref Utf8JsonReader reader, string name)
    {
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals(name))
                return true;

            reader.Read();
            reader.Skip();
        }

        return false;
    }

    private static bool TryFindElement(ref Utf8JsonReader reader, int index)
    {
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (index-- == 0)
                return true;

            reader.Skip();
        }

        return false;
    }

    private static (int Line, int Column) PositionOf(ReadOnlySpan<byte> before) =>
        (before.Count((byte)'\n') + 1, before.Length - before.LastIndexOf((byte)'\n'));
}
