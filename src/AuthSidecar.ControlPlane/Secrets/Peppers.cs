namespace AuthSidecar.ControlPlane.Secrets;

/// <summary>The peppers of passwords: the newest one hashes, and each verifies what it has hashed. Immutable.</summary>
/// <param name="byId">Each by its id, a number.</param>
internal sealed class Peppers(IEnumerable<KeyValuePair<string, byte[]>> byId)
{
    public const string FirstId = "1";

    private readonly FrozenDictionary<string, byte[]> _byId = byId.ToFrozenDictionary(StringComparer.Ordinal);

    public int Count => _byId.Count;
    public string NewestId => _byId.Count == 0 ? FirstId : Newest(_byId.Keys).ToString(CultureInfo.InvariantCulture);
    public byte[] NewestPepper => _byId[NewestId];
    public byte[]? Find(string id) => _byId.GetValueOrDefault(id);

    /// <summary>The id of the one after these.</summary>
    public static string NextId(IEnumerable<string> ids) => (Newest(ids) + 1).ToString(CultureInfo.InvariantCulture);

    private static int Newest(IEnumerable<string> ids) => ids.Max(id => int.Parse(id, NumberStyles.None, CultureInfo.InvariantCulture));
}
