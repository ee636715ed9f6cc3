namespace AuthSidecar.Cedar;

/// <summary>The kinds of Cedar values.</summary>
public enum ValueKind
{
    /// <summary>No value: the default of <see cref="Value"/>, never the result of a successful evaluation.</summary>
    None = 0,

    /// <summary><c>true</c> or <c>false</c>.</summary>
    Bool,

    /// <summary>A signed 64-bit integer.</summary>
    Long,

    /// <summary>A string.</summary>
    String,

    /// <summary>A reference to an entity.</summary>
    Entity,

    /// <summary>A set; its elements may be of different kinds.</summary>
    Set,

    /// <summary>A record.</summary>
    Record,

    /// <summary>The extension type <c>decimal</c>.</summary>
    Decimal,

    /// <summary>The extension type <c>ipaddr</c>.</summary>
    IpAddr,

    /// <summary>The extension type <c>datetime</c>.</summary>
    Datetime,

    /// <summary>The extension type <c>duration</c>.</summary>
    Duration,
}

internal static class ValueKinds
{
    /// <summary>The kind as Cedar's messages call it.</summary>
    public static string Name(this ValueKind kind) => kind switch
    {
        ValueKind.Bool => "bool",
        ValueKind.Long => "long",
        ValueKind.String => "string",
        ValueKind.Entity => "entity",
        ValueKind.Set => "set",
        ValueKind.Record => "record",
        ValueKind.Decimal => "decimal",
        ValueKind.IpAddr => "ipaddr",
        ValueKind.Datetime => "datetime",
        ValueKind.Duration => "duration",
        _ => "none",
    };
}
