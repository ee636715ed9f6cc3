namespace AuthSidecar.Bundles;

/// <summary>A data type that the control plane stores entry by entry, such as an issuer or a revocation, and makes documents of.</summary>
internal interface IEntryData
{
    /// <summary>Whether a change of some entries may be sent as a delta.</summary>
    /// <param name="hasRemovals">Whether some of them were removed.</param>
    bool AllowsDelta(bool hasRemovals) => true;

    /// <summary>Whether a delta names the entries that were removed; otherwise they expire at the sidecar as they do here.</summary>
    bool NamesRemoved => true;

    /// <summary>The documents of some entries.</summary>
    /// <param name="entries">Where several are of one key, the first counts: the more specific comes first.</param>
    /// <param name="application">The application that the documents are for.</param>
    /// <param name="factorKey">The key that the secrets of second factors are wrapped with.</param>
    Dictionary<string, byte[]> Write(IReadOnlyCollection<DataEntry> entries, string application, byte[] factorKey);

    /// <summary>What the audit trail may have of an entry: never a secret.</summary>
    string Describe(string json) => json;
}

/// <summary>An entry of a document.</summary>
/// <param name="Key">What it is about: one of its type and placement.</param>
/// <param name="Json">What the document has of it.</param>
internal readonly record struct DataEntry(string Key, string Json);
