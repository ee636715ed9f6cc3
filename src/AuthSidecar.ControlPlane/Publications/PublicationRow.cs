using AuthSidecar.ControlPlane.V1;

namespace AuthSidecar.ControlPlane.Publications;

/// <summary>The documents of a data type, as they were published for an application. Never changed: the newest counts.</summary>
[Table("publications")]
[PrimaryKey(nameof(Application), nameof(Type), nameof(Revision))]
internal sealed class PublicationRow
{
    public required string Application { get; set; }
    public required DataType Type { get; set; }
    public required long Revision { get; set; }
    public required long AtMs { get; set; }
    public required string Author { get; set; }
    public required string Message { get; set; }

    /// <summary>The revision whose documents these are, where an old one was published again.</summary>
    public long? RestoredFrom { get; set; }

    /// <summary>A serialised <see cref="DocumentSet"/>.</summary>
    public required byte[] Documents { get; set; }
}

internal static class PublicationTable
{
    extension(StoreContext store)
    {
        public DbSet<PublicationRow> Publications => store.Set<PublicationRow>();
    }
}
