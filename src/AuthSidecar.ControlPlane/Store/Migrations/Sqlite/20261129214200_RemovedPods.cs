using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace AuthSidecar.ControlPlane.Store.Migrations.Sqlite
{
    /// <inheritdoc />
    public partial class RemovedPods : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropIndex(
                name: "IX_logout_notices_DueAtMs",
                table: "logout_notices");

            migrationBuilder.AddColumn<string>(
                name: "PodNamespace",
                table: "sidecars",
                type: "TEXT",
                nullable: false,
                defaultValue: "");

            migrationBuilder.AddColumn<long>(
                name: "CreatedAtMs",
                table: "logout_notices",
                type: "INTEGER",
                nullable: false,
                defaultValue: 0L);

            migrationBuilder.CreateTable(
                name: "removed_pods",
                columns: table => new
                {
                    Uid = table.Column<string>(type: "TEXT", nullable: false),
                    SeenAtMs = table.Column<long>(type: "INTEGER", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_removed_pods", x => x.Uid);
                });

            migrationBuilder.CreateIndex(
                name: "IX_logout_notices_ClientId_DueAtMs",
                table: "logout_notices",
                columns: new[] { "ClientId", "DueAtMs" });
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropTable(
                name: "removed_pods");

            migrationBuilder.DropIndex(
                name: "IX_logout_notices_ClientId_DueAtMs",
                table: "logout_notices");

            migrationBuilder.DropColumn(
                name: "PodNamespace",
                table: "sidecars");

            migrationBuilder.DropColumn(
                name: "CreatedAtMs",
                table: "logout_notices");

            migrationBuilder.CreateIndex(
                name: "IX_logout_notices_DueAtMs",
                table: "logout_notices",
                column: "DueAtMs");
        }
    }
}
