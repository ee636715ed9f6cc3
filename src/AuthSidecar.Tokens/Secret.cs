namespace AuthSidecar.Tokens;

/// <summary>A text that must not be shown: a token, a code, a proof. Whatever prints it, in a log or a message, prints stars.</summary>
internal readonly struct Secret(string? value) : IEquatable<Secret>
{
    private readonly string? _value = value;

    public bool IsEmpty => string.IsNullOrEmpty(_value);

    /// <summary>The text itself: the one way to it, so that its uses can be found.</summary>
    public string Reveal() => _value ?? "";

    public bool Equals(Secret other) => string.Equals(Reveal(), other.Reveal(), StringComparison.Ordinal);
    public override bool Equals(object? obj) => obj is Secret other && Equals(other);
    public override int GetHashCode() => Reveal().GetHashCode(StringComparison.Ordinal);
    public override string ToString() => "***";
}
