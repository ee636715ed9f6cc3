using OpenIddict.EntityFrameworkCore.Models;

namespace AuthSidecar.ControlPlane.Store;

/// <summary>The tables: those of the store, and of every capability, whose rows are found by their <c>[Table]</c>. The same on both
/// databases; each has migrations of its own.</summary>
internal abstract class StoreContext(DbContextOptions options) : DbContext(options)
{
    public DbSet<HeadRow> Head => Set<HeadRow>();
    public DbSet<EntryRow> Entries => Set<EntryRow>();
    public DbSet<SettingRow> Settings => Set<SettingRow>();
    public DbSet<AuditRow> Audit => Set<AuditRow>();
    public DbSet<OpenIddictEntityFrameworkCoreApplication> Clients => Set<OpenIddictEntityFrameworkCoreApplication>();
    public DbSet<OpenIddictEntityFrameworkCoreToken> Tokens => Set<OpenIddictEntityFrameworkCoreToken>();
    public DbSet<OpenIddictEntityFrameworkCoreAuthorization> Consents => Set<OpenIddictEntityFrameworkCoreAuthorization>();

    protected override void OnModelCreating(ModelBuilder model)
    {
        foreach (var row in typeof(StoreContext).Assembly.GetTypes().Where(t => t.IsDefined(typeof(TableAttribute), inherit: false)))
            model.Entity(row);

        model.ApplyConfigurationsFromAssembly(typeof(StoreContext).Assembly);
        // The OAuth server's own: clients, tokens, authorizations, scopes.
        model.UseOpenIddict();
    }
}

/// <summary>On SQLite: one node, one file.</summary>
internal sealed class SqliteStoreContext(DbContextOptions<SqliteStoreContext> options) : StoreContext(options);

/// <summary>On PostgreSQL: any number of nodes.</summary>
internal sealed class PostgresStoreContext(DbContextOptions<PostgresStoreContext> options) : StoreContext(options);
