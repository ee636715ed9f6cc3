namespace AuthSidecar.Cedar;

/// <summary>The names and uids of one text, each kept once however often it occurs there.</summary>
internal sealed class NameTable
{
    private readonly HashSet<string> _names = new(StringComparer.Ordinal);
    private readonly HashSet<EntityUid> _uids = [];

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
        {
            return shared;
        }

        _uids.Add(uid);
        return uid;
    }
}
