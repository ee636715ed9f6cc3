using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace AuthSidecar.ControlPlane.Store.Migrations.Sqlite
{
    /// <inheritdoc />
    public partial class SignInAttempts : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.AddColumn<bool>(
                name: "IsPasswordShort",
                table: "accounts",
                type: "INTEGER",
                nullable: false,
                defaultValue: false);

            migrationBuilder.CreateTable(
                name: "attempts",
                columns: table => new
                {
                    AccountId = table.Column<string>(type: "TEXT", nullable: false),
                    Authenticator = table.Column<string>(type: "TEXT", nullable: false),
                    Source = table.Column<string>(type: "TEXT", nullable: false),
                    Failures = table.Column<int>(type: "INTEGER", nullable: false),
                    InARow = table.Column<int>(type: "INTEGER", nullable: false),
                    FailedAtMs = table.Column<long>(type: "INTEGER", nullable: false),
                    LockedUntilMs = table.Column<long>(type: "INTEGER", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_attempts", x => new { x.AccountId, x.Authenticator, x.Source });
                });

            migrationBuilder.CreateTable(
                name: "failed_sign_ins",
                columns: table => new
                {
                    AccountId = table.Column<string>(type: "TEXT", nullable: false),
                    MinuteMs = table.Column<long>(type: "INTEGER", nullable: false),
                    Address = table.Column<string>(type: "TEXT", nullable: false),
                    Reason = table.Column<string>(type: "TEXT", nullable: false),
                    Count = table.Column<int>(type: "INTEGER", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_failed_sign_ins", x => new { x.AccountId, x.MinuteMs, x.Address, x.Reason });
                });

            migrationBuilder.CreateTable(
                name: "known_browsers",
                columns: table => new
                {
                    AccountId = table.Column<string>(type: "TEXT", nullable: false),
                    SecretSha256 = table.Column<string>(type: "TEXT", nullable: false),
                    SeenAtMs = table.Column<long>(type: "INTEGER", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_known_browsers", x => new { x.AccountId, x.SecretSha256 });
                });

            migrationBuilder.CreateTable(
                name: "reset_links",
                columns: table => new
                {
                    CodeSha256 = table.Column<string>(type: "TEXT", nullable: false),
                    AccountId = table.Column<string>(type: "TEXT", nullable: false),
                    ExpiresAtMs = table.Column<long>(type: "INTEGER", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_reset_links", x => x.CodeSha256);
                });

            migrationBuilder.CreateTable(
                name: "spent_tokens",
                columns: table => new
                {
                    KeySha256 = table.Column<string>(type: "TEXT", nullable: false),
                    ExpiresAtMs = table.Column<long>(type: "INTEGER", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_spent_tokens", x => x.KeySha256);
                });

            migrationBuilder.CreateIndex(
                name: "IX_attempts_FailedAtMs",
                table: "attempts",
                column: "FailedAtMs");

            migrationBuilder.CreateIndex(
                name: "IX_failed_sign_ins_MinuteMs",
                table: "failed_sign_ins",
                column: "MinuteMs");

            migrationBuilder.CreateIndex(
                name: "IX_known_browsers_SecretSha256",
                table: "known_browsers",
                column: "SecretSha256");

            migrationBuilder.CreateIndex(
                name: "IX_known_browsers_SeenAtMs",
                table: "known_browsers",
                column: "SeenAtMs");

            migrationBuilder.CreateIndex(
                name: "IX_reset_links_AccountId",
                table: "reset_links",
                column: "AccountId");

            migrationBuilder.CreateIndex(
                name: "IX_spent_tokens_ExpiresAtMs",
                table: "spent_tokens",
                column: "ExpiresAtMs");
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropTable(
                name: "attempts");

            migrationBuilder.DropTable(
                name: "failed_sign_ins");

            migrationBuilder.DropTable(
                name: "known_browsers");

            migrationBuilder.DropTable(
                name: "reset_links");

            migrationBuilder.DropTable(
                name: "spent_tokens");

            migrationBuilder.DropColumn(
                name: "IsPasswordShort",
                table: "accounts");
        }
    }
}
