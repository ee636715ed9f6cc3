using System.Diagnostics.Metrics;
using AuthSidecar.ControlPlane.Tests.Testing;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;

namespace AuthSidecar.ControlPlane.Tests.Telemetry;

public abstract class AuthenticationLogTests(TestDatabase database) : SignInTest(database)
{
    [Fact]
    public async Task AuthenticationLog_TellsOfEachKindWithoutNamesAndWithoutEnd()
    {
        var time = new FakeTimeProvider(DateTimeOffset.UnixEpoch.AddYears(56));
        var parts = await StartWithAliceAsync(time);
        var counted = new List<string>();
        using var listener = new MeterListener { InstrumentPublished = (instrument, l) => { if (instrument.Meter.Scope == parts.Meters) { l.EnableMeasurementEvents(instrument); } } };
        listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => counted.Add($"{instrument.Name} {string.Join(' ', tags.ToArray().Select(t => t.Value))}"));
        listener.Start();
        await parts.SignIn.TryAsync("hunter2 typed into the wrong field", "x", Here, Cancellation);
        for (var i = 0; i < 30; i++)
        {
            await TryAsync(parts, "wrong", Here);
        }

        parts.Log.SignedIn("alice", "pwd", "192.0.2.1", isKnown: true);
        parts.Log.TokenRequest("token", "web", "refresh_token", "invalid_grant", "used already", "192.0.2.1");
        parts.Log.TokenRequest("token", "web", "refresh_token", null, null, "192.0.2.1");
        parts.Log.AdministratorRefused("expired", "192.0.2.1");
        Assert.Equal(
            ["authsidecar.sign_ins failure UnknownName", .. Enumerable.Repeat("authsidecar.sign_ins failure WrongPassword", 6), .. Enumerable.Repeat("authsidecar.sign_ins failure TooManyAttempts", 24),
                "authsidecar.sign_ins success ", "authsidecar.token_requests token failure invalid_grant", "authsidecar.token_requests token success ", "authsidecar.administrator_authentications failure expired"],
            counted);
        var events = parts.Logger.Collector.GetSnapshot();
        Assert.Equal(
            ["SignInFailed", .. Enumerable.Repeat("SignInFailed", 5), .. Enumerable.Repeat("SignInFailed", 5), "SignInSucceeded", "TokenRequestFailed", "TokenRequestSucceeded", "AdministratorRefused"],
            events.Select(e => e.Id.Name));
        Assert.DoesNotContain(events, e => e.Message.Contains("hunter2", StringComparison.Ordinal));
        Assert.Contains(events, e => e.Message == "sign-in of account alice failed from 192.0.2.1: WrongPassword" && e.Level == LogLevel.Warning);
        var shown = await parts.Failed.ListAsync("alice", 10, Cancellation);
        Assert.Equal([("TooManyAttempts", 24), ("WrongPassword", 6)], shown.Select(f => (f.Reason, f.Count)).Order());
        Assert.All(shown, f => Assert.Equal("192.0.2.1", f.Address));
    }
}

public sealed class SqliteAuthenticationLogTests() : AuthenticationLogTests(new SqliteTestDatabase());

public sealed class PostgresAuthenticationLogTests(PostgresServer server) : AuthenticationLogTests(new PostgresTestDatabase(server));
