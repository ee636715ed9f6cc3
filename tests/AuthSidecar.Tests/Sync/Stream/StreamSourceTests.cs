using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using AuthSidecar.ControlPlane.V1;
using AuthSidecar.Snapshots;
using AuthSidecar.Sync.Stream;
using AuthSidecar.Telemetry;
using AuthSidecar.Tests.Testing;
using Google.Protobuf;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;

namespace AuthSidecar.Tests.Sync.Stream;

/// <summary>Nothing that comes by the stream is refused in silence.</summary>
public sealed class StreamSourceTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Stream_SignedByOthers_IsRefusedReportedAndCounted()
    {
        using var folder = new TemporaryFolder();
        using var control = new TestControlPlane(TimeProvider.System);
        using var others = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var keys = control.ReadKeys();
        await using var server = new TlsServer();
        var heartbeat = TestControlPlane.Sign(TestControlPlane.HeartbeatPurpose, new Heartbeat().ToByteString(), others);
        var bundle = TestControlPlane.Sign(TestControlPlane.BundlePurpose, control.Policies(1).ToByteString(), others);
        var anchors = TestControlPlane.Sign("authsidecar-trust-anchors-v1", new TrustAnchors().ToByteString(), others);
        server.Answer = context => StreamAsync(
            context, new SyncResponse { TrustAnchors = anchors }, new SyncResponse { Heartbeat = heartbeat }, new SyncResponse { Update = new Update { Bundles = { bundle }, Heartbeat = heartbeat } });
        await server.StartAsync();

        var counted = new ConcurrentDictionary<string, long>();
        using var listener = new MeterListener { InstrumentPublished = (instrument, its) => Enable(instrument, its) };
        listener.SetMeasurementEventCallback<long>((_, count, tags, _) => counted.AddOrUpdate((string)tags.ToArray().Single(t => t.Key == "kind").Value!, count, (_, before) => before + count));
        listener.Start();

        var (cache, health) = (new SnapshotCache(TimeProvider.System), new SourceHealth());
        var options = OptionsOf(folder, server);
        var kept = new LastKnownGood(folder["kept"], new byte[32], TimeProvider.System, NullLogger<LastKnownGood>.Instance);
        using var source = new StreamSource(
            options,
            new Enrolment(options, TimeProvider.System, NullLogger<Enrolment>.Instance),
            new TrustApplier(options, keys, health, TimeProvider.System, NullLogger<TrustApplier>.Instance),
            keys,
            new BundleApplier(keys, TestControlPlane.Placement, cache, kept, TimeProvider.System),
            kept,
            cache,
            new StreamReport(keys, cache, health, new DecisionCounter(), TimeProvider.System, NullLogger<StreamReport>.Instance),
            TimeProvider.System,
            NullLogger<StreamSource>.Instance);
        await source.StartAsync(Cancellation);
        while (!counted.ContainsKey("Signature") || counted.GetValueOrDefault("Heartbeat") < 2)
        {
            await Task.Delay(20, Cancellation);
        }

        Assert.Equal(1, counted.GetValueOrDefault("TrustAnchors"));
        Assert.Null(cache.Current);
        Assert.Contains(health.Problems, p => p.StartsWith("heartbeats rejected: invalid signature: not signed by a pinned key", StringComparison.Ordinal));
        Assert.Contains(health.Problems, p => p.Contains("refused: invalid signature: not signed by a pinned key", StringComparison.Ordinal));
        Assert.Contains($"trust anchors rejected: {PinnedKeys.NotSigned}", health.Problems);
        await source.StopAsync(Cancellation);

        static void Enable(Instrument instrument, MeterListener listener)
        {
            if (instrument.Name == "authsidecar.sync.refused")
            {
                listener.EnableMeasurementEvents(instrument);
            }
        }
    }

    /// <summary>Answers a gRPC stream with messages, and keeps it open.</summary>
    private static async Task StreamAsync(HttpContext context, params SyncResponse[] messages)
    {
        context.Response.ContentType = "application/grpc";
        foreach (var message in messages)
        {
            var content = message.ToByteArray();
            var frame = new byte[5 + content.Length];
            BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(1), content.Length);
            content.CopyTo(frame, 5);
            await context.Response.Body.WriteAsync(frame, context.RequestAborted);
        }

        await context.Response.Body.FlushAsync(context.RequestAborted);
        await Task.Delay(Timeout.Infinite, context.RequestAborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private static ControlPlaneOptions OptionsOf(TemporaryFolder folder, TlsServer server)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=sidecar", key, HashAlgorithmName.SHA256);
        using var certificate = request.CreateSelfSigned(DateTimeOffset.UnixEpoch.AddYears(50), DateTimeOffset.UnixEpoch.AddYears(99));
        var file = folder.Write("certificate.pem", $"{certificate.ExportCertificatePem()}\n{key.ExportPkcs8PrivateKeyPem()}\n");
        return new ControlPlaneOptions
        {
            Addresses = [server.UrlOf("")],
            Placement = TestControlPlane.Placement,
            Certificate = file,
            CertificateKey = file,
            Ca = server.CaFile,
            PinnedKeys = folder["none"],
        };
    }
}
