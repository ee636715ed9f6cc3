using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace AuthSidecar.ControlPlane.Store.Migrations.Sqlite
{
    /// <inheritdoc />
    public partial class AuditPlacements : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.AddColumn<string>(
                name: "Application",
                table: "audit",
                type: "TEXT",
                nullable: false,
                defaultValue: "");

            migrationBuilder.AddColumn<string>(
                name: "Tenant",
                table: "audit",
                type: "TEXT",
                nullable: false,
                defaultValue: "");

            migrationBuilder.CreateTable(
                name: "settings",
                columns: table => new
                {
                    Name = table.Column<string>(type: "TEXT", nullable: false),
                    Value = table.Column<string>(type: "TEXT", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_settings", x => x.Name);
                });

            migrationBuilder.CreateIndex(
                name: "IX_audit_Application_Revision",
                table: "audit",
                columns: new[] { "Application", "Revision" });
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropTable(
                name: "settings");

            migrationBuilder.DropIndex(
                name: "IX_audit_Application_Revision",
                table: "audit");

            migrationBuilder.DropColumn(
                name: "Application",
                table: "audit");

            migrationBuilder.DropColumn(
                name: "Tenant",
                table: "audit");
        }
    }
}
