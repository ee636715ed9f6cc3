namespace AuthSidecar.Snapshots;

/// <summary>What keeps the source from being what is served: bundles that are refused, heartbeats that do not count, a control plane that
/// is not there.</summary>
internal sealed class SourceHealth
{
    private readonly ConcurrentDictionary<string, string> _problems = new(StringComparer.Ordinal);
    private volatile bool _isKnown;
    private volatile string? _connection;

    /// <summary>Whether what the source has, as far as it was reached, is what is served. False before the first snapshot.</summary>
    public bool IsCurrent => _isKnown && _problems.IsEmpty;

    /// <summary>Why the source is not reached; null: it is. How long that may last is asked of the ages of what there is.</summary>
    public string? Connection
    {
        get => _connection;
        set => _connection = value;
    }

    /// <summary>What is wrong, a sentence each.</summary>
    public IReadOnlyList<string> Problems =>
        [.. _problems.OrderBy(p => p.Key, StringComparer.Ordinal).Select(p => p.Value), .. _connection is { } connection ? [connection]
            : Array.Empty<string>()];

    /// <summary>Takes note of a problem, or that it is there no more.</summary>
    /// <param name="subject">What it is about.</param>
    /// <param name="problem">The problem; null: there is none.</param>
    /// <returns>Whether it has begun, or is over.</returns>
    public bool Set(string subject, string? problem)
    {
        if (problem is null)
        {
            _isKnown = true;
            return _problems.TryRemove(subject, out _);
        }

        var isNew = !_problems.ContainsKey(subject);
        _problems[subject] = problem;
        return isNew;
    }
}
