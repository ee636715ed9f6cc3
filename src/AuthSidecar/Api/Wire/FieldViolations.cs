namespace AuthSidecar.Api.Wire;

/// <summary>What is wrong with a field of a request.</summary>
/// <param name="Field">Its path, such as <c>checks[3].resource.uid.type</c>.</param>
/// <param name="Description">What is wrong with it. Never its value: that may be a secret.</param>
internal readonly record struct FieldViolation(string Field, string Description);

/// <summary>Holds the fields of one request against their limits, and collects every violation, so that a caller mends its request
/// once.</summary>
/// <remarks>A request is read without a word about where one is in it, for most are well-formed. One that is not is read once more, and
/// that time every path is written out.</remarks>
internal sealed class FieldViolations
{
    // A report of more helps nobody, and clients take 8 KiB of metadata in all, in base64: beyond it some lose the status, and others the
    // connection.
    private const int MaxViolations = 32;
    private const int MaxFieldChars = 128;

    /// <summary>The values of a request, nested ones included: each limit by itself lets their product by.</summary>
    private const int MaxValues = 16_384;

    private const int MaxReportBytes = 2_400;

    /// <summary>What a violation takes beside its texts, in both forms in which the first is told.</summary>
    private const int ViolationBytes = 16;

    private readonly List<FieldViolation>? _violations;
    private int _reportBytes;
    private int _values;

    public FieldViolations(bool describes) => _violations = describes ? [] : null;
    public bool HasFailed { get; private set; }
    public IReadOnlyList<FieldViolation> Violations => _violations ?? [];

    public void Add(string field, string description)
    {
        HasFailed = true;
        if (_violations is null || _violations.Count >= MaxViolations)
            return;

        // Names of the caller's are in it, of any length and nested.
        var shown = Shorten(field);
        var bytes = Encoding.UTF8.GetByteCount(shown) + Encoding.UTF8.GetByteCount(description) + ViolationBytes;
        if (_violations.Count == 0 || _reportBytes + bytes <= MaxReportBytes)
        {
            _reportBytes += bytes;
            _violations.Add(new FieldViolation(shown, description));
        }
    }

    /// <summary>Counts a value of the request. Beyond the limit none is looked at any more.</summary>
    public bool CountValue(string at)
    {
        if (++_values > MaxValues)
        {
            if (_values == MaxValues + 1)
                Add(at, $"too many values: limit {MaxValues} per request");

            return false;
        }

        return true;
    }

    private static string Shorten(string field)
    {
        if (field.Length <= MaxFieldChars)
            return field;

        // Between characters, and not within one.
        var (begin, end) = (MaxFieldChars / 2, field.Length - (MaxFieldChars / 2));
        return $"{field[..(char.IsHighSurrogate(field[begin - 1]) ? begin - 1 : begin)]}…"
            + $"{field[(char.IsLowSurrogate(field[end]) ? end + 1 : end)..]}";
    }

    /// <param name="text">What it holds.</param>
    /// <param name="mostBytes">The limit, in bytes of UTF-8.</param>
    public bool Length(string at, string text, int mostBytes) =>
        // A char is at most three bytes, and so most texts need no second look.
        text.Length <= mostBytes / 3 || Length(at, Encoding.UTF8.GetByteCount(text), mostBytes);

    public bool Length(string at, int bytes, int mostBytes)
    {
        if (bytes > mostBytes)
            Add(at, $"longer than {mostBytes.ToString(CultureInfo.InvariantCulture)} bytes");

        return bytes <= mostBytes;
    }

    public void Required(string at, string text, int mostBytes)
    {
        if (text.Length == 0)
            Add(at, "required");
        else
            Length(at, text, mostBytes);
    }

    public bool Count(string at, int count, int most)
    {
        if (count > most)
            Add(at, string.Create(CultureInfo.InvariantCulture, $"must have at most {most} elements, not {count}"));

        return count <= most;
    }

    public void Range(string at, double value, double least, double most)
    {
        // Written so that NaN is out of range.
        if (!(value >= least && value <= most))
            Add(at, string.Create(CultureInfo.InvariantCulture, $"must be {least} to {most}"));
    }

    // Where in the request one is: a path, which is written out only for a request that is known to be malformed.

    public string At(string path, string step) => _violations is null ? "" : path + step;
    public string At(string path, string dot, string step) => _violations is null ? "" : path + dot + step;

    public string AtIndex(string path, int index) => _violations is null ? ""
        : string.Create(CultureInfo.InvariantCulture, $"{path}[{index}]");
}
