using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using AuthSidecar.ControlPlane.Enrolment;
using AuthSidecar.ControlPlane.Store;
using AuthSidecar.ControlPlane.Sync;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Time.Testing;

namespace AuthSidecar.ControlPlane.Tests.Store;

public abstract partial class StoreConformance
{
    /// <summary>A backup does not know the certificates that were issued after it was made, and their sidecars have no others: they stay admitted, and nobody else is.</summary>
    [Fact]
    public async Task Certificates_IssuedAfterTheBackup_AreReadmittedInTheHistoryThatFollowsTheRestore()
    {
        var time = new FakeTimeProvider(TimeProvider.System.GetUtcNow());
        var store = new ControlStore(_node.Database, time);
        var authority = new CertificateAuthority(CertificateAuthority.Create(time.GetUtcNow()));
        var (renewed, late, removed) = (IdentityOf("renewed"), IdentityOf("late"), IdentityOf("removed"));
        var first = await EnrolAsync("renewed");
        var dismissed = await EnrolAsync("removed");
        time.Advance(TimeSpan.FromHours(1));
        Assert.True((await Registry().RemoveAsync("test", removed, Cancellation)).IsCommitted);
        var backup = await _node.Store.ReadAsync((context, _) => context.Sidecars.SingleAsync(s => s.Name == "renewed"), Cancellation);

        time.Advance(TimeSpan.FromHours(1));
        var second = (await Registry().TryRenewAsync(renewed, first, NewRequest(), Cancellation))!;
        var enrolled = await EnrolAsync("late");
        await using (var context = _node.Database.Open())
        {
            await context.Sidecars.Where(s => s.Name == "renewed").ExecuteUpdateAsync(
                u => u.SetProperty(s => s.Serial, backup.Serial).SetProperty(s => s.PreviousSerial, "").SetProperty(s => s.ValidFromMs, backup.ValidFromMs), Cancellation);
            await context.Sidecars.Where(s => s.Name == "late").ExecuteDeleteAsync(Cancellation);
        }

        // A certificate that is not known is none of ours, as long as nothing was restored.
        Assert.False(await IsAdmittedAsync(renewed, second));
        Assert.False(await IsAdmittedAsync(late, enrolled));
        time.Advance(TimeSpan.FromHours(1));
        await store.BeginHistoryAsync("test", expected: null, Cancellation);
        Assert.True(await IsAdmittedAsync(late, enrolled));
        Assert.True(await IsAdmittedAsync(renewed, first));
        Assert.True(await IsAdmittedAsync(renewed, second));
        // The newest counts from then on, and what was removed before the backup stays removed.
        Assert.False(await IsAdmittedAsync(renewed, first));
        Assert.False(await IsAdmittedAsync(removed, dismissed));
        Assert.True((await Registry().RemoveAsync("test", late, Cancellation)).IsCommitted);
        Assert.False(await IsAdmittedAsync(late, enrolled));

        SidecarRegistry Registry() => new(store, authority, time);

        async Task<bool> IsAdmittedAsync(SidecarIdentity identity, X509Certificate2 certificate) =>
            await Registry().IsAdmittedAsync(identity, certificate, isOurs: true, await _node.HeadAsync(), Cancellation);

        async Task<X509Certificate2> EnrolAsync(string name)
        {
            var text = await Registry().CreateTokenAsync("test", IdentityOf(name).Scope, 1, TimeSpan.FromHours(1), Cancellation);
            var parts = text.Split('.');
            return (await Registry().TryEnrolAsync(new JoinToken(parts[1], parts[2]), name, NewRequest(), Cancellation))!;
        }

        static SidecarIdentity IdentityOf(string name) => new(new SyncScope("documents", ""), name);

        static string NewRequest()
        {
            using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            return new CertificateRequest("CN=x", key, HashAlgorithmName.SHA256).CreateSigningRequestPem();
        }
    }
}
