using System.Reflection;

namespace AuthSidecar.Cedar;

/// <summary>Looks for texts that are not what they seem to be to a reader: characters of several scripts, such as a Cyrillic <c>а</c> among
/// Latin letters, or characters that turn the direction of writing (UTS 39).</summary>
internal static class TextChecks
{
    // The embeddings, overrides and isolates of UAX 9.
    private const string BidiChars = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069";

    /// <summary>What a reader may be misled by in an expression: its strings, the ids of its entities, the names of its
    /// attributes.</summary>
    public static IEnumerable<TypeFault> Check(Expr expr)
    {
        foreach (var part in expr.SelfAndParts())
        {
            foreach (var fault in CheckPart(part))
                yield return fault;
        }
    }

    private static IEnumerable<TypeFault> CheckPart(Expr part)
    {
        IEnumerable<TypeFault?> faults = part switch
        {
            LiteralExpr e when e.Value.TryGet(out string? text) => [CheckString(text, e.Span)],
            LiteralExpr e when e.Value.TryGet(out EntityUid? uid) => [CheckIdentifier(uid.Id, e.Span)],
            AttributeExpr e => [CheckIdentifier(e.Name, e.Span)],
            HasExpr e => e.Path.Select(name => CheckIdentifier(name, e.Span)),
            RecordExpr e => e.Fields.Select(f => CheckIdentifier(f.Key, e.Span)),
            _ => [],
        };
        return faults.OfType<TypeFault>();
    }

    private static TypeFault? CheckString(string text, SourceSpan span) =>
        text.AsSpan().ContainsAny(BidiChars)
            ? new TypeFault(ValidationKind.BidiCharsInString, span, "the string has bidirectional control characters", null)
        : !IsOfOneScript(
            text) ? new TypeFault(ValidationKind.MixedScriptString, span, $"the string {StringLiteral.Quote(text)} mixes scripts", null)
        : null;

    private static TypeFault? CheckIdentifier(string text, SourceSpan span)
    {
        if (text.AsSpan().ContainsAny(BidiChars))
        {
            return new TypeFault(ValidationKind.BidiCharsInIdentifier, span, "the identifier has bidirectional control characters", null);
        }

        foreach (var rune in text.EnumerateRunes())
        {
            // What can be seen on every keyboard misleads nobody.
            if (rune.Value is < ' ' or > '~' && !Identifiers.Value.Contains(rune.Value))
            {
                return new TypeFault(ValidationKind.ConfusableIdentifier, span, string.Create(CultureInfo.InvariantCulture,
                    $"the identifier {StringLiteral.Quote(text)} has the character U+{rune.Value:X4}, which UTS 39 does not allow"), null);
            }
        }

        return IsOfOneScript(text) ? null
            : new TypeFault(ValidationKind.MixedScriptIdentifier, span, $"the identifier {StringLiteral.Quote(text)} mixes scripts", null);
    }

    /// <summary>Whether there is a script, or a system of writing that has several, to which all characters belong.</summary>
    private static bool IsOfOneScript(string text)
    {
        IEnumerable<string>? common = null;
        foreach (var rune in text.EnumerateRunes())
        {
            if (Scripts.Value.Find(rune.Value) is not { } scripts)
            {
                // Not assigned, or for private use: nobody knows what it belongs to.
                return false;
            }

            if (scripts.Length > 0)
            {
                common = common is null ? scripts : [.. common.Intersect(scripts, StringComparer.Ordinal)];
                if (!common.Any())
                    return false;
            }
        }

        return true;
    }

    /// <summary>UTS 39, section 5.1: Japanese is written in three scripts, Korean in two, and Chinese beside Bopomofo.</summary>
    private static string[] Augment(IEnumerable<string> scripts) => [.. scripts.SelectMany(IEnumerable<string> (s) => s switch
    {
        "Hani" => ["Hani", "Hanb", "Jpan", "Kore"],
        "Hira" or "Kana" => [s, "Jpan"],
        "Hang" => ["Hang", "Kore"],
        "Bopo" => ["Bopo", "Hanb"],
        _ => [s],
    }).Distinct(StringComparer.Ordinal)];

    private static readonly Lazy<RangeTable> Identifiers = new(() => RangeTable.Load("identifiers.txt"));
    private static readonly Lazy<RangeTable> Scripts = new(() => RangeTable.Load("scripts.txt"));

    /// <summary>Ranges of characters, in order, each with the scripts that it belongs to; none: it goes with all.</summary>
    private sealed class RangeTable
    {
        private readonly List<int> _starts = [];
        private readonly List<(int End, string[] Scripts)> _ranges = [];

        public bool Contains(int scalar) => Find(scalar) is not null;

        public string[]? Find(int scalar)
        {
            var at = _starts.BinarySearch(scalar);
            at = at < 0 ? ~at - 1 : at;
            return at >= 0 && scalar <= _ranges[at].End ? _ranges[at].Scripts : null;
        }

        public static RangeTable Load(string name)
        {
            var table = new RangeTable();
            using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream($"unicode/{name}")
                ?? throw new InvalidOperationException($"missing resource `{name}`");
            using var reader = new StreamReader(stream, Encoding.UTF8);
            while (reader.ReadLine() is { } line)
            {
                if (line.StartsWith('#'))
                    continue;

                var parts = line.Split(' ');
                table._starts.Add(int.Parse(parts[0], NumberStyles.HexNumber, CultureInfo.InvariantCulture));
                table._ranges.Add((int.Parse(parts[1], NumberStyles.HexNumber, CultureInfo.InvariantCulture), Augment(parts[2..])));
            }

            return table;
        }
    }
}
