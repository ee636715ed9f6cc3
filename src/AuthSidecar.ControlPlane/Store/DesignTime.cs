using Microsoft.EntityFrameworkCore.Design;

namespace AuthSidecar.ControlPlane.Store;

/// <summary>For <c>dotnet ef migrations add NAME --context …</c>, which looks at the model and at no database.</summary>
internal sealed class SqliteDesign : IDesignTimeDbContextFactory<SqliteStoreContext>
{
    public SqliteStoreContext CreateDbContext(string[] args) => new(new DbContextOptionsBuilder<SqliteStoreContext>().UseSqlite().Options);
}

/// <inheritdoc cref="SqliteDesign"/>
internal sealed class PostgresDesign : IDesignTimeDbContextFactory<PostgresStoreContext>
{
    public PostgresStoreContext CreateDbContext(string[] args) => new(
        new DbContextOptionsBuilder<PostgresStoreContext>().UseNpgsql().Options);
}
