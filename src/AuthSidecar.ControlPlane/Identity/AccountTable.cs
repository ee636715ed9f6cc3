using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace AuthSidecar.ControlPlane.Identity;

internal sealed class AccountConfiguration : IEntityTypeConfiguration<Account>
{
    public void Configure(EntityTypeBuilder<Account> builder)
    {
        builder.ToTable("accounts");
        builder.HasKey(a => a.Id);
        builder.HasIndex(a => a.NormalizedUserName).IsUnique();
        builder.Property(a => a.ConcurrencyStamp).IsConcurrencyToken();
    }
}

internal static class AccountTable
{
    extension(StoreContext store)
    {
        public DbSet<Account> Accounts => store.Set<Account>();
    }
}
