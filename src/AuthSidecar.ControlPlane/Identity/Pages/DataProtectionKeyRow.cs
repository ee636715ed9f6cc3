namespace AuthSidecar.ControlPlane.Identity.Pages;

/// <summary>A key of ASP.NET Core's data protection, with which forms and cookies of pages are protected.</summary>
[Table("data_protection_keys")]
[PrimaryKey(nameof(Name))]
internal sealed class DataProtectionKeyRow
{
    public required string Name { get; set; }

    /// <summary>Its XML, under a data key.</summary>
    public required byte[] Sealed { get; set; }
}

internal static class DataProtectionKeyTable
{
    extension(StoreContext store)
    {
        public DbSet<DataProtectionKeyRow> DataProtectionKeys => store.Set<DataProtectionKeyRow>();
    }
}
