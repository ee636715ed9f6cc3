namespace AuthSidecar.Cedar;

/// <summary>The functions of the extension types. Their names are global: no namespace, no overloads.</summary>
internal sealed class ExtensionFunction
{
    private const int BriefLength = 64;

    private readonly Func<Value, Value, Result> _body;

    private ExtensionFunction(
        string name, bool isMethod, ValueKind resultKind, Func<Value, Value, Result> body, params ValueKind[] parameters)
    {
        (Name, IsMethod, ResultKind, Parameters, _body) = (name, isMethod, resultKind, parameters, body);
    }

    public string Name { get; }

    /// <summary>Whether it is called as <c>x.f(…)</c>; constructors are called as <c>f(…)</c>.</summary>
    public bool IsMethod { get; }

    /// <summary>The kinds of the parameters, one or two; for methods the first is what the method is called on.</summary>
    public IReadOnlyList<ValueKind> Parameters { get; }

    /// <summary>Whether the last parameter takes one or more arguments; the function is then true when it is for any of them.</summary>
    public bool IsVariadic { get; private init; }

    /// <summary>Whether it is variadic in a later release.</summary>
    public bool IsVariadicLater => !IsVariadic && ByName[Name].IsVariadic;

    public bool TakesCount(int arguments) => arguments == Parameters.Count || (IsVariadic && arguments > Parameters.Count);

    /// <summary>The kind of an argument, by its place from 0.</summary>
    public ValueKind KindAt(int argument) => Parameters[Math.Min(argument, Parameters.Count - 1)];

    /// <summary>The kind of the result.</summary>
    public ValueKind ResultKind { get; }

    /// <summary>A value, or what went wrong.</summary>
    public readonly record struct Result(Value Value, string? Failure)
    {
        public static implicit operator Result(Value value) => new(value, null);
    }

    /// <summary>Applies the function to arguments whose number and kinds were checked; one parameter leaves the second default.</summary>
    public Result Apply(Value first, Value second) => _body(first, second);

    /// <summary>Applies the function to any number of arguments that was checked, as their kinds were.</summary>
    public Result Apply(ReadOnlySpan<Value> arguments)
    {
        var result = Apply(arguments[0], arguments.Length > 1 ? arguments[1] : default);
        for (var i = 2; i < arguments.Length && result.Failure is null && result.Value is { IsTrue: false }; i++)
            result = Apply(arguments[0], arguments[i]);

        return result;
    }

    public static bool TryFind(string name, CedarRelease release, [NotNullWhen(true)] out ExtensionFunction? function) =>
        (release < CedarRelease.V4_15 ? ByNameBefore4_15 : ByName).TryGetValue(name, out function);

    /// <summary>The names of those that are methods.</summary>
    public static IEnumerable<string> Methods => ByName.Values.Where(f => f.IsMethod).Select(f => f.Name);

    /// <summary>The function that makes values of an extension type out of strings; null for a kind that is none.</summary>
    public static ExtensionFunction? ConstructorOf(ValueKind kind) => kind switch
    {
        ValueKind.Decimal => ByName["decimal"],
        ValueKind.IpAddr => ByName["ip"],
        ValueKind.Datetime => ByName["datetime"],
        ValueKind.Duration => ByName["duration"],
        _ => null,
    };

    private static readonly Dictionary<string, ExtensionFunction> ByName = new ExtensionFunction[]
    {
        Constructor("decimal", ValueKind.Decimal, text => CedarDecimal.TryParse(text, out var value)
            ? Value.Of(value)
            : Fail($"`{Brief(text)}` is not a decimal: digits, a point, and one to four digits, within 64 bits")),
        Constructor("ip", ValueKind.IpAddr, text => IpRange.TryParse(text, out var value)
            ? Value.Of(value)
            : Fail($"`{Brief(text)}` is not an IP address or CIDR range")),
        Constructor("datetime", ValueKind.Datetime, text => Instant.TryParse(text, out var value)
            ? Value.Of(value)
            : Fail($"`{Brief(text)}` is not a datetime such as `2026-01-31T23:59:59.999Z`")),
        Constructor("duration", ValueKind.Duration, text => Duration.TryParse(text, out var value)
            ? Value.Of(value)
            : Fail($"`{Brief(text)}` is not a duration such as `1d2h3m4s5ms`")),

        DecimalTest("lessThan", (a, b) => a.Scaled < b.Scaled),
        DecimalTest("lessThanOrEqual", (a, b) => a.Scaled <= b.Scaled),
        DecimalTest("greaterThan", (a, b) => a.Scaled > b.Scaled),
        DecimalTest("greaterThanOrEqual", (a, b) => a.Scaled >= b.Scaled),

        IpTest("isIpv4", ip => ip.IsIpv4),
        IpTest("isIpv6", ip => ip.IsIpv6),
        IpTest("isLoopback", ip => ip.IsLoopback),
        IpTest("isMulticast", ip => ip.IsMulticast),
        InRange(isVariadic: true),

        new("offset", isMethod: true, ValueKind.Datetime, (a, b) => InstantOf(a).TryOffset(DurationOf(b), out var moved)
            ? Value.Of(moved)
            : Fail("the datetime moved by that duration is out of range"), ValueKind.Datetime, ValueKind.Duration),
        new("durationSince", isMethod: true, ValueKind.Duration, (a, b) => InstantOf(a).TryDurationSince(InstantOf(b), out var duration)
            ? Value.Of(duration)
            : Fail("the duration between the two datetimes is out of range"), ValueKind.Datetime, ValueKind.Datetime),
        new("toDate", isMethod: true, ValueKind.Datetime, (a, _) => InstantOf(a).TryToDate(out var midnight)
            ? Value.Of(midnight)
            : Fail("the midnight before that datetime is out of range"), ValueKind.Datetime),
        new("toTime", isMethod: true, ValueKind.Duration, (a, _) => Value.Of(InstantOf(a).ToTime()), ValueKind.Datetime),

        DurationIn("toMilliseconds", 1),
        DurationIn("toSeconds", 1_000),
        DurationIn("toMinutes", 60_000),
        DurationIn("toHours", 3_600_000),
        DurationIn("toDays", 86_400_000),
    }.ToDictionary(f => f.Name, StringComparer.Ordinal);

    private static readonly Dictionary<string, ExtensionFunction> ByNameBefore4_15 = new(ByName, StringComparer.Ordinal)
    {
        ["isInRange"] = InRange(isVariadic: false),
    };

    private static ExtensionFunction InRange(bool isVariadic) =>
        new("isInRange", isMethod: true, ValueKind.Bool, (a, b) => Value.Of(IpOf(a).IsInRange(IpOf(b))), ValueKind.IpAddr, ValueKind.IpAddr)
        {
            IsVariadic = isVariadic,
        };

    private static ExtensionFunction Constructor(string name, ValueKind kind, Func<string, Result> parse) =>
        new(name, isMethod: false, kind, (text, _) => parse(StringOf(text)), ValueKind.String);

    private static ExtensionFunction DecimalTest(string name, Func<CedarDecimal, CedarDecimal, bool> test) =>
        new(name, isMethod: true, ValueKind.Bool, (a, b) => Value.Of(test(DecimalOf(a), DecimalOf(b))), ValueKind.Decimal,
            ValueKind.Decimal);

    private static ExtensionFunction IpTest(string name, Func<IpRange, bool> test) =>
        new(name, isMethod: true, ValueKind.Bool, (ip, _) => Value.Of(test(IpOf(ip))), ValueKind.IpAddr);

    // Integer division truncates toward zero, as Cedar has it for durations.
    private static ExtensionFunction DurationIn(string name, long ms) =>
        new(name, isMethod: true, ValueKind.Long, (duration, _) => Value.Of(DurationOf(duration).TotalMs / ms), ValueKind.Duration);

    private static Result Fail(string failure) => new(default, failure);

    // A text from a request may be long, and fail in every policy that asks about it.
    private static string Brief(string text) => text.Length <= BriefLength ? text : $"{text[..BriefLength]}…";

    private static string StringOf(Value value) => value.TryGet(out string? text) ? text : throw NotChecked(value);
    private static IpRange IpOf(Value value) => value.TryGet(out IpRange? ip) ? ip : throw NotChecked(value);
    private static CedarDecimal DecimalOf(Value value) => value.TryGet(out CedarDecimal number) ? number : throw NotChecked(value);
    private static Instant InstantOf(Value value) => value.TryGet(out Instant instant) ? instant : throw NotChecked(value);
    private static Duration DurationOf(Value value) => value.TryGet(out Duration duration) ? duration : throw NotChecked(value);
    private static InvalidOperationException NotChecked(Value value) => new($"an argument of kind {value.Kind} was not checked");
}
