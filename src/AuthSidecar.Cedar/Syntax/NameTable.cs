namespace AuthSidecar.Cedar;

/// <summary>The names and uids of one text, each kept once however often it occurs there.</summary>
internal sealed class NameTable
{
    // A longer name is not worth sharing.
    public const int MaxShared = 128;

    private readonly HashSet<string> _names = new(StringComparer.Ordinal);
    private readonly HashSet<EntityUid> _uids = [];

    /// <summary>The string of a name that is ASCII.</summary>
    public string Share(ReadOnlySpan<byte> ascii)
    {
        if (ascii.Length > MaxShared)
            return Encoding.ASCII.GetString(ascii);

        Span<char> name = stackalloc char[MaxShared];
        return Share(name[..Encoding.ASCII.GetChars(ascii, name)]);
    }

    public string Share(ReadOnlySpan<char> name)
    {
        var known = _names.GetAlternateLookup<ReadOnlySpan<char>>();
        if (!known.TryGetValue(name, out var shared))
        {
            shared = new string(name);
            _names.Add(shared);
        }

        return shared;
    }

    public EntityUid Share(EntityUid uid)
    {
        if (_uids.TryGetValue(uid, out var shared))
            return shared;

        _uids.Add(uid);
        return uid;
    }
}
