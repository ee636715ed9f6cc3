using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace AuthSidecar.ControlPlane.Identity.Accounts;

/// <summary>Which account of a provider is which here.</summary>
internal sealed class ProviderLoginConfiguration : IEntityTypeConfiguration<IdentityUserLogin<string>>
{
    public void Configure(EntityTypeBuilder<IdentityUserLogin<string>> builder)
    {
        builder.ToTable("identity_provider_logins");
        builder.HasKey(l => new { l.LoginProvider, l.ProviderKey });
        builder.HasIndex(l => l.UserId);
    }
}

internal static class ProviderLoginTable
{
    extension(StoreContext store)
    {
        public DbSet<IdentityUserLogin<string>> ProviderLogins => store.Set<IdentityUserLogin<string>>();
    }
}
