using AuthSidecar.ControlPlane.Accounts;
using Microsoft.AspNetCore.Identity;
using Microsoft.EntityFrameworkCore;
using OpenIddict.EntityFrameworkCore.Models;

namespace AuthSidecar.ControlPlane.Store;

/// <summary>The tables. The same on both databases; each has migrations of its own.</summary>
internal abstract class StoreContext(DbContextOptions options) : DbContext(options)
{
    public DbSet<HeadRow> Head => Set<HeadRow>();

    public DbSet<PublicationRow> Publications => Set<PublicationRow>();

    public DbSet<EntityRow> Entities => Set<EntityRow>();

    public DbSet<ResourceRow> Resources => Set<ResourceRow>();

    public DbSet<JoinTokenRow> JoinTokens => Set<JoinTokenRow>();

    public DbSet<ClaimCodeRow> ClaimCodes => Set<ClaimCodeRow>();

    public DbSet<OpenIddictEntityFrameworkCoreApplication> Clients => Set<OpenIddictEntityFrameworkCoreApplication>();

    public DbSet<OpenIddictEntityFrameworkCoreToken> Tokens => Set<OpenIddictEntityFrameworkCoreToken>();

    public DbSet<OpenIddictEntityFrameworkCoreAuthorization> Consents => Set<OpenIddictEntityFrameworkCoreAuthorization>();

    public DbSet<SidecarRow> Sidecars => Set<SidecarRow>();

    public DbSet<Account> Accounts => Set<Account>();

    public DbSet<IdentityUserLogin<string>> UpstreamLogins => Set<IdentityUserLogin<string>>();

    public DbSet<UpstreamRow> Upstreams => Set<UpstreamRow>();

    public DbSet<SessionRow> Sessions => Set<SessionRow>();

    public DbSet<GrantRow> Grants => Set<GrantRow>();

    public DbSet<AttemptRow> Attempts => Set<AttemptRow>();

    public DbSet<KnownBrowserRow> KnownBrowsers => Set<KnownBrowserRow>();

    public DbSet<FailedSignInRow> FailedSignIns => Set<FailedSignInRow>();

    public DbSet<SpentTokenRow> SpentTokens => Set<SpentTokenRow>();

    public DbSet<ResetLinkRow> ResetLinks => Set<ResetLinkRow>();

    public DbSet<LogoutNoticeRow> LogoutNotices => Set<LogoutNoticeRow>();

    public DbSet<RemovedPodRow> RemovedPods => Set<RemovedPodRow>();

    public DbSet<UsedStepRow> UsedSteps => Set<UsedStepRow>();

    public DbSet<DataProtectionKeyRow> DataProtectionKeys => Set<DataProtectionKeyRow>();

    public DbSet<SettingRow> Settings => Set<SettingRow>();

    public DbSet<DataKeyRow> DataKeys => Set<DataKeyRow>();

    public DbSet<SigningKeyRow> SigningKeys => Set<SigningKeyRow>();

    public DbSet<TrustAnchorRow> TrustAnchors => Set<TrustAnchorRow>();

    public DbSet<SecretRow> Secrets => Set<SecretRow>();

    public DbSet<AuditRow> Audit => Set<AuditRow>();

    protected override void OnModelCreating(ModelBuilder model)
    {
        model.Entity<HeadRow>(head =>
        {
            head.ToTable("head");
            head.Property(h => h.Id).ValueGeneratedNever();
            head.HasData(new HeadRow());
        });
        model.Entity<PublicationRow>(publication =>
        {
            publication.ToTable("publications");
            publication.HasKey(p => new { p.Application, p.Type, p.Revision });
        });
        model.Entity<EntityRow>(entity =>
        {
            entity.ToTable("entities");
            entity.HasKey(e => new { e.Type, e.Id, e.Application, e.Tenant });
            entity.HasIndex(e => e.Revision);
        });
        model.Entity<ResourceRow>(resource =>
        {
            resource.ToTable("resources");
            resource.HasKey(r => new { r.Type, r.Key, r.Application, r.Tenant });
            resource.HasIndex(r => new { r.Type, r.Revision });
            resource.HasIndex(r => r.ExpiresAtMs);
        });
        model.Entity<JoinTokenRow>(token =>
        {
            token.ToTable("join_tokens");
            token.HasKey(t => t.Id);
        });
        model.Entity<ClaimCodeRow>(code =>
        {
            code.ToTable("claim_codes");
            code.HasKey(c => c.CodeSha256);
        });
        model.Entity<SidecarRow>(sidecar =>
        {
            sidecar.ToTable("sidecars");
            sidecar.HasKey(s => new { s.Application, s.Tenant, s.Name });
            sidecar.HasIndex(s => s.Note);
            sidecar.HasIndex(s => s.ConnectedTo);
        });
        model.Entity<Account>(account =>
        {
            account.ToTable("accounts");
            account.HasKey(a => a.Id);
            account.HasIndex(a => a.NormalizedUserName).IsUnique();
            account.Property(a => a.ConcurrencyStamp).IsConcurrencyToken();
        });
        model.Entity<IdentityUserLogin<string>>(login =>
        {
            login.ToTable("upstream_logins");
            login.HasKey(l => new { l.LoginProvider, l.ProviderKey });
            login.HasIndex(l => l.UserId);
        });
        model.Entity<UpstreamRow>(upstream =>
        {
            upstream.ToTable("upstreams");
            upstream.HasKey(u => u.Id);
        });
        model.Entity<SessionRow>(session =>
        {
            session.ToTable("sessions");
            session.HasKey(s => s.Id);
            session.HasIndex(s => s.SecretSha256).IsUnique();
            session.HasIndex(s => s.AccountId);
            session.HasIndex(s => s.EndsAtMs);
        });
        model.Entity<GrantRow>(grant =>
        {
            grant.ToTable("grants");
            grant.HasKey(g => g.Id);
            grant.HasIndex(g => g.SessionId);
            grant.HasIndex(g => g.AccountId);
            grant.HasIndex(g => g.ExpiresAtMs);
        });
        model.Entity<AttemptRow>(attempt =>
        {
            attempt.ToTable("attempts");
            attempt.HasKey(a => new { a.AccountId, a.Authenticator, a.Source });
            attempt.HasIndex(a => a.FailedAtMs);
        });
        model.Entity<KnownBrowserRow>(browser =>
        {
            browser.ToTable("known_browsers");
            browser.HasKey(b => new { b.AccountId, b.SecretSha256 });
            browser.HasIndex(b => b.SecretSha256);
            browser.HasIndex(b => b.SeenAtMs);
        });
        model.Entity<FailedSignInRow>(failed =>
        {
            failed.ToTable("failed_sign_ins");
            failed.HasKey(f => new { f.AccountId, f.MinuteMs, f.Address, f.Reason });
            failed.HasIndex(f => f.MinuteMs);
        });
        model.Entity<SpentTokenRow>(spent =>
        {
            spent.ToTable("spent_tokens");
            spent.HasKey(s => s.KeySha256);
            spent.HasIndex(s => s.ExpiresAtMs);
        });
        model.Entity<ResetLinkRow>(link =>
        {
            link.ToTable("reset_links");
            link.HasKey(l => l.CodeSha256);
            link.HasIndex(l => l.AccountId);
        });
        model.Entity<LogoutNoticeRow>(notice =>
        {
            notice.ToTable("logout_notices");
            notice.HasKey(n => n.Id);
            notice.HasIndex(n => new { n.ClientId, n.DueAtMs });
        });
        model.Entity<RemovedPodRow>(pod =>
        {
            pod.ToTable("removed_pods");
            pod.HasKey(p => p.Uid);
        });
        model.Entity<UsedStepRow>(step =>
        {
            step.ToTable("used_steps");
            step.HasKey(s => new { s.AccountId, s.FactorId });
        });
        model.Entity<DataProtectionKeyRow>(key =>
        {
            key.ToTable("data_protection_keys");
            key.HasKey(k => k.Name);
        });
        model.Entity<SettingRow>(setting =>
        {
            setting.ToTable("settings");
            setting.HasKey(s => s.Name);
        });
        model.Entity<DataKeyRow>(key =>
        {
            key.ToTable("data_keys");
            key.HasKey(k => k.Name);
        });
        model.Entity<SigningKeyRow>(key =>
        {
            key.ToTable("signing_keys");
            key.HasKey(k => k.KeyId);
        });
        model.Entity<TrustAnchorRow>(anchor =>
        {
            anchor.ToTable("trust_anchors");
            anchor.HasKey(a => new { a.Use, a.KeyId });
            anchor.Ignore(a => a.IsRevoked);
        });
        model.Entity<SecretRow>(secret =>
        {
            secret.ToTable("secrets");
            secret.HasKey(s => s.Name);
        });
        model.Entity<AuditRow>(audit =>
        {
            audit.ToTable("audit");
            audit.HasKey(a => new { a.Revision, a.Number });
            audit.HasIndex(a => a.AtMs);
            audit.HasIndex(a => new { a.Application, a.Revision });
        });

        // The OAuth server's own: clients, tokens, authorizations, scopes.
        model.UseOpenIddict();
    }
}

/// <summary>On SQLite: one node, one file.</summary>
internal sealed class SqliteStoreContext(DbContextOptions<SqliteStoreContext> options) : StoreContext(options);

/// <summary>On PostgreSQL: any number of nodes.</summary>
internal sealed class PostgresStoreContext(DbContextOptions<PostgresStoreContext> options) : StoreContext(options);
