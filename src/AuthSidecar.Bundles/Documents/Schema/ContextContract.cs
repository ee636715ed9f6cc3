namespace AuthSidecar.Bundles;

/// <summary>The attributes that the sidecar adds to the context of every request, and their types: a schema that declares them as something
/// else describes requests that never come, and its policies err on those that do.</summary>
internal static class ContextContract
{
    public const string Now = "now";
    public const string Token = "token";
    public const string Risk = "risk";
    public const string Caller = "caller";

    private static readonly SchemaType Datetime = new SchemaType.Primitive(ValueKind.Datetime);
    private static readonly SchemaType Strings = new SchemaType.Set(SchemaType.String);

    /// <summary>What is supplied, by name.</summary>
    private static readonly Dictionary<string, SchemaType> Supplied = new(StringComparer.Ordinal)
    {
        [Now] = Datetime,
        [Token] = RecordOf(
            ("iss", SchemaType.String), ("sub", SchemaType.String), ("aud", Strings), ("scope", Strings), ("exp", Datetime), ("iat",
                Datetime), ("client_id", SchemaType.String),
            ("sid", SchemaType.String), ("amr", Strings), ("acr", SchemaType.String), ("auth_time", Datetime)),
        [Risk] = RecordOf(
            ("score", SchemaType.Long), ("level", SchemaType.String), ("recommended", SchemaType.String),
            ("factors", RecordOf(
                ("device", SchemaType.Long), ("network", SchemaType.Long), ("location", SchemaType.Long), ("travel", SchemaType.Long),
                ("velocity", SchemaType.Long),
                ("failures", SchemaType.Long), ("time", SchemaType.Long), ("action", SchemaType.Long)))),
        [Caller] = RecordOf(("spiffe_id", SchemaType.String), ("trust_domain", SchemaType.String)),
    };

    /// <summary>Whether an attribute is supplied by the sidecar, and so by nobody else.</summary>
    public static bool IsReserved(string name) => name is Now or Token or Risk or Caller;

    /// <summary>Reports what the schema declares otherwise than it is supplied, each once.</summary>
    /// <param name="source">The name of its file.</param>
    /// <param name="faults">Gets the faults.</param>
    public static void Check(Schema schema, string source, List<Fault> faults)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var action in schema.Actions.Values.OrderBy(a => a.Uid.ToString(), StringComparer.Ordinal))
        {
            foreach (var (name, supplied) in Supplied)
            {
                if (action.Context.Attributes.TryGetValue(name, out var declared)
                    && Mismatch($"context.{name}", declared.Type, supplied) is { } mismatch && seen.Add(mismatch))
                {
                    faults.Add(new Fault(source, 0, 0, $"action `{action.Uid}`: {mismatch}",
                        "`now`, `token`, `risk` and `caller` are supplied by the sidecar: declare them as in docs/bundle.md, or omit "
                            + "them"));
                }
            }
        }
    }

    /// <summary>Why what is declared cannot be what is supplied; null: it can.</summary>
    private static string? Mismatch(string path, SchemaType declared, SchemaType supplied)
    {
        if (supplied is not SchemaType.Record known || declared is not SchemaType.Record record)
        {
            return declared.Equals(supplied) ? null
                : $"`{path}` is declared as {Describe(declared)}, but the sidecar supplies {Describe(supplied)}";
        }

        foreach (var (name, attribute) in record.Attributes)
        {
            if (!known.Attributes.TryGetValue(name, out var there))
            {
                if (attribute.IsRequired)
                    return $"`{path}.{name}` is declared but not supplied by the sidecar";
            }
            else if (Mismatch($"{path}.{name}", attribute.Type, there.Type) is { } mismatch)
            {
                return mismatch;
            }
        }

        return null;
    }

    private static string Describe(SchemaType type) => type switch
    {
        SchemaType.Primitive primitive => $"a {primitive.Kind.ToString().ToLowerInvariant()}",
        SchemaType.Set set => $"a set, each element {Describe(set.Element)}",
        SchemaType.Entity entity => $"an entity of type `{entity.Type}`",
        _ => "a record",
    };

    private static SchemaType.Record RecordOf(params (string Name, SchemaType Type)[] attributes) =>
        new(System.Collections.Frozen.FrozenDictionary.ToFrozenDictionary(
            attributes, a => a.Name, a => new SchemaAttribute(a.Type, IsRequired: false), StringComparer.Ordinal));
}
