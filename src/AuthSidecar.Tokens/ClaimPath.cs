using System.Globalization;

namespace AuthSidecar.Tokens;

/// <summary>What came of looking for a claim.</summary>
internal enum ClaimLookup
{
    Absent,
    Found,

    /// <summary>Something on the way has no members, such as a string where the path needs an object.</summary>
    Unusable,
}

/// <summary>Where a claim is: the name of one (`groups`, `https://app.example/roles`), or a JSON pointer to a member within one
/// (`/realm_access/roles`; RFC 6901). What begins with `/` is a pointer, everything else a name.</summary>
internal sealed class ClaimPath : IEquatable<ClaimPath>
{
    private readonly string[] _segments;

    private ClaimPath(string text, string[] segments) => (Text, _segments) = (text, segments);

    /// <summary>As it was configured; never a part of a token.</summary>
    public string Text { get; }

    /// <summary>The name of the claim that it is, or is in.</summary>
    public string Claim => _segments[0];

    /// <summary>Whether it is a claim of this name itself, however written.</summary>
    public bool IsName(string name) => _segments is [var only] && only == name;

    /// <summary>A path from its text; null: an invalid pointer, or an empty name.</summary>
    public static ClaimPath? TryParse(string text)
    {
        if (text.Length == 0)
            return null;

        if (text[0] != '/')
            return new ClaimPath(text, [text]);

        var segments = text[1..].Split('/');
        for (var i = 0; i < segments.Length; i++)
        {
            // RFC 6901, section 3: `~` is only ever the beginning of `~0` or `~1`.
            for (var at = segments[i].IndexOf('~'); at >= 0; at = segments[i].IndexOf('~', at + 1))
            {
                if (at + 1 == segments[i].Length || segments[i][at + 1] is not ('0' or '1'))
                    return null;
            }

            segments[i] = segments[i].Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal);
            if (segments[i].Length == 0)
                return null;
        }

        return new ClaimPath(text, segments);
    }

    /// <exception cref="FormatException">An invalid pointer, or an empty name.</exception>
    public static ClaimPath Parse(string text) => TryParse(text) ?? throw new FormatException($"`{text}` is not a claim");

    public ClaimLookup Find(JsonElement claims, out JsonElement value)
    {
        value = claims;
        foreach (var segment in _segments)
        {
            switch (value.ValueKind)
            {
                case JsonValueKind.Object when value.TryGetProperty(segment, out var member):
                    value = member;
                    break;
                case JsonValueKind.Array when IndexOf(segment) is { } index && index < value.GetArrayLength():
                    value = value[index];
                    break;
                case JsonValueKind.Object or JsonValueKind.Array or JsonValueKind.Null: return ClaimLookup.Absent;
                default: return ClaimLookup.Unusable;
            }
        }

        return ClaimLookup.Found;
    }

    public bool Equals(ClaimPath? other) => other is not null && _segments.AsSpan().SequenceEqual(other._segments);
    public override bool Equals(object? obj) => Equals(obj as ClaimPath);
    public override int GetHashCode() => _segments.Aggregate(0, HashCode.Combine);
    public override string ToString() => Text;

    // RFC 6901, section 4: digits without a leading zero.
    private static int? IndexOf(string segment) =>
        (segment == "0" || segment[0] is >= '1' and <= '9')
            && int.TryParse(segment, NumberStyles.None, CultureInfo.InvariantCulture, out var index) ? index : null;
}
