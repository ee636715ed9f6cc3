using System.Globalization;
using System.Text;

namespace AuthSidecar.Services;

/// <summary>What is wrong with a field of a request.</summary>
/// <param name="Field">Its path, such as <c>checks[3].resource.uid.type</c>.</param>
/// <param name="Description">What is wrong with it. Never its value: that may be a secret.</param>
internal readonly record struct FieldViolation(string Field, string Description);

/// <summary>Holds the fields of one request against their limits, and collects every violation, so that a caller mends its request once.</summary>
/// <remarks>
/// A request is read without a word about where one is in it, for most are well-formed. One that is not is read once more, and that time
/// every path is written out.
/// </remarks>
internal sealed class FieldChecks
{
    // A report of more helps nobody.
    private const int MaxViolations = 32;

    private readonly List<FieldViolation>? _violations;

    public FieldChecks(bool describes) => _violations = describes ? [] : null;

    public bool HasFailed { get; private set; }

    public IReadOnlyList<FieldViolation> Violations => _violations ?? [];

    public void Add(string field, string description)
    {
        HasFailed = true;
        if (_violations?.Count < MaxViolations)
        {
            _violations.Add(new FieldViolation(field, description));
        }
    }

    /// <param name="at">The field.</param>
    /// <param name="text">What it holds.</param>
    /// <param name="mostBytes">The limit, in bytes of UTF-8.</param>
    public bool Length(string at, string text, int mostBytes) =>
        // A char is at most three bytes, and so most texts need no second look.
        text.Length <= mostBytes / 3 || Length(at, Encoding.UTF8.GetByteCount(text), mostBytes);

    public bool Length(string at, int bytes, int mostBytes)
    {
        if (bytes > mostBytes)
        {
            Add(at, $"longer than {mostBytes.ToString(CultureInfo.InvariantCulture)} bytes");
        }

        return bytes <= mostBytes;
    }

    public void Required(string at, string text, int mostBytes)
    {
        if (text.Length == 0)
        {
            Add(at, "required");
        }
        else
        {
            Length(at, text, mostBytes);
        }
    }

    public bool Count(string at, int count, int most)
    {
        if (count > most)
        {
            Add(at, string.Create(CultureInfo.InvariantCulture, $"at most {most}, not {count}"));
        }

        return count <= most;
    }

    public void Range(string at, double value, double least, double most)
    {
        // Written so that NaN is out of range.
        if (!(value >= least && value <= most))
        {
            Add(at, string.Create(CultureInfo.InvariantCulture, $"{least} to {most}"));
        }
    }

    // Where in the request one is: a path, which is written out only for a request that is known to be malformed.

    public string At(string path, string step) => _violations is null ? "" : path + step;

    public string At(string path, string dot, string step) => _violations is null ? "" : path + dot + step;

    public string AtIndex(string path, int index) => _violations is null ? "" : string.Create(CultureInfo.InvariantCulture, $"{path}[{index}]");
}
