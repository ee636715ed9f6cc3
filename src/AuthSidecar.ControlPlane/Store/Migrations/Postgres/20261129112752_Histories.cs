using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace AuthSidecar.ControlPlane.Store.Migrations.Postgres
{
    /// <inheritdoc />
    public partial class Histories : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.AddColumn<long>(
                name: "ValidFromMs",
                table: "sidecars",
                type: "bigint",
                nullable: false,
                defaultValue: 0L);

            migrationBuilder.AddColumn<long>(
                name: "History",
                table: "head",
                type: "bigint",
                nullable: false,
                defaultValue: 0L);

            migrationBuilder.AddColumn<long>(
                name: "LostHistory",
                table: "head",
                type: "bigint",
                nullable: false,
                defaultValue: 0L);

            migrationBuilder.AddColumn<long>(
                name: "LostRevision",
                table: "head",
                type: "bigint",
                nullable: false,
                defaultValue: 0L);

            migrationBuilder.UpdateData(
                table: "head",
                keyColumn: "Id",
                keyValue: 1,
                columns: new[] { "History", "LostHistory", "LostRevision" },
                values: new object[] { 0L, 0L, 0L });
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropColumn(
                name: "ValidFromMs",
                table: "sidecars");

            migrationBuilder.DropColumn(
                name: "History",
                table: "head");

            migrationBuilder.DropColumn(
                name: "LostHistory",
                table: "head");

            migrationBuilder.DropColumn(
                name: "LostRevision",
                table: "head");
        }
    }
}
