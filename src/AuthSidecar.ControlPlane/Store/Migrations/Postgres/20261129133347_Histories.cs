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
            migrationBuilder.DropIndex(
                name: "IX_sidecars_Revision",
                table: "sidecars");

            migrationBuilder.DropColumn(
                name: "Revision",
                table: "sidecars");

            // Of certificates that are there already, none is taken for newer than the one that counts.
            migrationBuilder.AddColumn<long>(
                name: "ValidFromMs",
                table: "sidecars",
                type: "bigint",
                nullable: false,
                defaultValue: long.MaxValue);

            migrationBuilder.AddColumn<string>(
                name: "Certificate",
                table: "sidecars",
                type: "text",
                nullable: false,
                defaultValue: "");

            migrationBuilder.AddColumn<string>(
                name: "ConnectedTo",
                table: "sidecars",
                type: "text",
                nullable: false,
                defaultValue: "");

            migrationBuilder.AddColumn<long>(
                name: "EnrolledAtMs",
                table: "sidecars",
                type: "bigint",
                nullable: false,
                defaultValue: 0L);

            migrationBuilder.AddColumn<long>(
                name: "ExpiresAtMs",
                table: "sidecars",
                type: "bigint",
                nullable: false,
                defaultValue: 0L);

            migrationBuilder.AddColumn<long>(
                name: "HeardAtMs",
                table: "sidecars",
                type: "bigint",
                nullable: false,
                defaultValue: 0L);

            migrationBuilder.AddColumn<string>(
                name: "KeySha256",
                table: "sidecars",
                type: "text",
                nullable: false,
                defaultValue: "");

            migrationBuilder.AddColumn<long>(
                name: "Note",
                table: "sidecars",
                type: "bigint",
                nullable: false,
                defaultValue: 0L);

            migrationBuilder.AddColumn<long>(
                name: "CreatedAtMs",
                table: "join_tokens",
                type: "bigint",
                nullable: false,
                defaultValue: 0L);

            migrationBuilder.AddColumn<bool>(
                name: "IsReplacing",
                table: "join_tokens",
                type: "boolean",
                nullable: false,
                defaultValue: false);

            migrationBuilder.AddColumn<string>(
                name: "Name",
                table: "join_tokens",
                type: "text",
                nullable: false,
                defaultValue: "");

            migrationBuilder.AddColumn<int>(
                name: "Uses",
                table: "join_tokens",
                type: "integer",
                nullable: false,
                defaultValue: 0);

            migrationBuilder.AddColumn<long>(
                name: "History",
                table: "head",
                type: "bigint",
                nullable: false,
                defaultValue: 0L);

            migrationBuilder.AddColumn<long>(
                name: "LostAt",
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

            migrationBuilder.AddColumn<long>(
                name: "Notes",
                table: "head",
                type: "bigint",
                nullable: false,
                defaultValue: 0L);

            migrationBuilder.UpdateData(
                table: "head",
                keyColumn: "Id",
                keyValue: 1,
                columns: new[] { "History", "LostAt", "LostHistory", "LostRevision", "Notes" },
                values: new object[] { 0L, 0L, 0L, 0L, 0L });

            migrationBuilder.CreateIndex(
                name: "IX_sidecars_ConnectedTo",
                table: "sidecars",
                column: "ConnectedTo");

            migrationBuilder.CreateIndex(
                name: "IX_sidecars_Note",
                table: "sidecars",
                column: "Note");
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropIndex(
                name: "IX_sidecars_ConnectedTo",
                table: "sidecars");

            migrationBuilder.DropIndex(
                name: "IX_sidecars_Note",
                table: "sidecars");

            migrationBuilder.DropColumn(
                name: "Certificate",
                table: "sidecars");

            migrationBuilder.DropColumn(
                name: "ConnectedTo",
                table: "sidecars");

            migrationBuilder.DropColumn(
                name: "EnrolledAtMs",
                table: "sidecars");

            migrationBuilder.DropColumn(
                name: "ExpiresAtMs",
                table: "sidecars");

            migrationBuilder.DropColumn(
                name: "HeardAtMs",
                table: "sidecars");

            migrationBuilder.DropColumn(
                name: "KeySha256",
                table: "sidecars");

            migrationBuilder.DropColumn(
                name: "Note",
                table: "sidecars");

            migrationBuilder.DropColumn(
                name: "CreatedAtMs",
                table: "join_tokens");

            migrationBuilder.DropColumn(
                name: "IsReplacing",
                table: "join_tokens");

            migrationBuilder.DropColumn(
                name: "Name",
                table: "join_tokens");

            migrationBuilder.DropColumn(
                name: "Uses",
                table: "join_tokens");

            migrationBuilder.DropColumn(
                name: "History",
                table: "head");

            migrationBuilder.DropColumn(
                name: "LostAt",
                table: "head");

            migrationBuilder.DropColumn(
                name: "LostHistory",
                table: "head");

            migrationBuilder.DropColumn(
                name: "LostRevision",
                table: "head");

            migrationBuilder.DropColumn(
                name: "Notes",
                table: "head");

            migrationBuilder.DropColumn(
                name: "ValidFromMs",
                table: "sidecars");

            migrationBuilder.AddColumn<long>(
                name: "Revision",
                table: "sidecars",
                type: "bigint",
                nullable: false,
                defaultValue: 0L);

            migrationBuilder.CreateIndex(
                name: "IX_sidecars_Revision",
                table: "sidecars",
                column: "Revision");
        }
    }
}
