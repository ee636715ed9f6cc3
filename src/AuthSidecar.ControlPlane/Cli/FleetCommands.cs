using System.CommandLine;
using System.Globalization;
using AuthSidecar.Common;
using AuthSidecar.ControlPlane.Hosting;
using AuthSidecar.ControlPlane.V1;
using Google.Protobuf;

namespace AuthSidecar.ControlPlane.Cli;

/// <summary>The commands about sidecars.</summary>
internal static class FleetCommands
{
    /// <summary><c>authsidecar-control fleet</c>.</summary>
    public static Command Fleet()
    {
        var application = new Option<string>("--application") { Description = "Only sidecars of this application.", DefaultValueFactory = _ => "" }.NotEmpty();
        var tenant = new Option<string>("--tenant") { Description = "Only sidecars of this tenant.", DefaultValueFactory = _ => "" }.NotEmpty();
        var name = new Option<string>("--name") { Description = "Only the sidecars of this name.", DefaultValueFactory = _ => "" }.NotEmpty();
        var state = new Option<string?>("--state") { Description = "Only sidecars in this state: `current`, `stale` (connected, not current) or `away` (not connected)." };
        state.AcceptOnlyFromAmong("current", "stale", "away");
        var without = new Option<string>("--without-revision") { Description = "Only sidecars that do not serve this revision or a later one yet.", DefaultValueFactory = _ => "" }.NotEmpty();
        var json = new Option<bool>("--json") { Description = "One line of JSON per sidecar, without a summary." };
        return AdminCommand.Create("fleet", "Lists all sidecars of all nodes with the revisions they serve.", [application, tenant, name, state, without, json], async (parsed, channel, output, cancellation) =>
        {
            var client = new FleetService.FleetServiceClient(channel);
            var request = new ListSidecarsRequest
            {
                Application = parsed.GetValue(application)!,
                Tenant = parsed.GetValue(tenant)!,
                Name = parsed.GetValue(name)!,
                State = parsed.GetValue(state) switch { "current" => SidecarState.Current, "stale" => SidecarState.Stale, "away" => SidecarState.Away, _ => SidecarState.Unspecified },
                WithoutRevision = parsed.GetValue(without)!,
            };
            ListSidecarsResponse page;
            do
            {
                page = await client.ListSidecarsAsync(request, cancellationToken: cancellation);
                foreach (var sidecar in page.Sidecars)
                {
                    if (parsed.GetValue(json))
                    {
                        output.WriteLine(JsonFormatter.Default.Format(sidecar));
                    }
                    else
                    {
                        Write(output, sidecar);
                    }
                }

                request.PageToken = page.NextPageToken;
            }
            while (page.NextPageToken.Length > 0);

            if (!parsed.GetValue(json))
            {
                output.WriteLine($"{Count.Of(page.Current + page.Stale + page.Away, "sidecar")}: {page.Current} current, {page.Stale} stale, {page.Away} away");
            }

            if (page.LostRevision.Length > 0)
            {
                (parsed.GetValue(json) ? Console.Error : output).WriteLine($"{LostHistory(page.LostRevision)}; streams of sidecars that have it are refused");
            }
        });
    }

    private static void Write(TextWriter output, Sidecar sidecar)
    {
        var scope = sidecar.Tenant.Length == 0 ? sidecar.Application : $"{sidecar.Application}/{sidecar.Tenant}";
        var state = sidecar.State switch { SidecarState.Current => "current", SidecarState.Away => "away", _ => $"stale for {sidecar.StaleSeconds} s" };
        output.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{scope} {sidecar.Name}  version {(sidecar.Version.Length == 0 ? "unknown" : sidecar.Version)}, {sidecar.DecisionsPerSecond:F1} decisions/s, {state}, revision {(sidecar.Revision.Length == 0 ? "none" : sidecar.Revision)}{Clock(sidecar)}, heard {(sidecar.HeardAt is { } heard ? $"{heard.ToDateTimeOffset():u}" : "never")}"));
        if (sidecar.Resources.Any(r => r.AppliedRevision.Length > 0))
        {
            output.WriteLine($"  {string.Join("  ", sidecar.Resources.Where(r => r.AppliedRevision.Length > 0).Select(r => $"{r.Type} {r.AppliedRevision}"))}");
        }

        foreach (var problem in sidecar.Problems)
        {
            output.WriteLine($"  problem: {problem}");
        }

        foreach (var refused in sidecar.Resources.Where(r => r.RefusedRevision.Length > 0))
        {
            output.WriteLine($"  refused {refused.Type} {refused.RefusedRevision}: {string.Join("; ", refused.Faults)}");
        }
    }

    /// <summary><c>authsidecar-control ca</c>.</summary>
    public static Command Ca()
    {
        var state = new Option<string>("--state") { Description = "The state folder of a node.", Required = true }.NotEmpty();
        var command = new Command("ca", "Prints the CA of the control plane in PEM, for `--ca` of sidecars and of administrators' commands.") { state };
        command.SetAction(parsed =>
        {
            try
            {
                Console.Out.Write(StateFolder.ReadCa(parsed.GetValue(state)!));
                return 0;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                Console.Error.WriteLine($"authsidecar-control: {e.Message}");
                return ServeCommand.Failed;
            }
        });
        return command;
    }

    /// <summary><c>authsidecar-control join-token</c>.</summary>
    public static Command JoinToken()
    {
        var application = Application();
        var tenant = Tenant();
        var uses = new Option<int>("--uses") { Description = "How many sidecars may use it: 1 to 10000.", DefaultValueFactory = _ => 1 }.Range(1, 10_000);
        var lifetime = new Option<int>("--lifetime-seconds") { Description = "Lifetime in seconds, 1 to 2592000.", DefaultValueFactory = _ => 3_600 };
        var name = new Option<string>("--for") { Description = "The only sidecar name that may enrol with it. Default: any.", DefaultValueFactory = _ => "" }.NotEmpty();
        var replace = new Option<bool>("--replace") { Description = "Allow it to replace a connected sidecar of the same name." };
        return AdminCommand.Create("join-token", "Creates a join token for sidecars and prints it; it cannot be shown again.", [application, tenant, uses, lifetime, name, replace], async (parsed, channel, output, cancellation) =>
        {
            var response = await new FleetService.FleetServiceClient(channel).CreateJoinTokenAsync(
                new CreateJoinTokenRequest
                {
                    Application = parsed.GetValue(application)!,
                    Tenant = parsed.GetValue(tenant)!,
                    Uses = parsed.GetValue(uses),
                    LifetimeSeconds = parsed.GetValue(lifetime),
                    Name = parsed.GetValue(name)!,
                    Replace = parsed.GetValue(replace),
                },
                cancellationToken: cancellation);
            output.WriteLine(response.Token);
        });
    }

    /// <summary><c>authsidecar-control join-tokens</c>.</summary>
    public static Command JoinTokens()
    {
        var id = new Argument<string>("id") { Description = "The token's id, as `list` shows it." };
        return new Command("join-tokens", "Lists and removes join tokens.")
        {
            AdminCommand.Create("list", "Lists join tokens with remaining uses and expiry, newest first.", [], async (_, channel, output, cancellation) =>
            {
                var response = await new FleetService.FleetServiceClient(channel).ListJoinTokensAsync(new ListJoinTokensRequest(), cancellationToken: cancellation);
                foreach (var token in response.Tokens)
                {
                    var scope = token.Tenant.Length == 0 ? token.Application : $"{token.Application}/{token.Tenant}";
                    output.WriteLine(
                        $"{token.Id}  {scope}  {token.UsesLeft} of {Count.Of(token.Uses, "use")} left, expires {token.ExpiresAt.ToDateTimeOffset():u}{(token.Name.Length > 0 ? $", for `{token.Name}`" : "")}{(token.Replace ? ", replaces" : "")}");
                }

                output.WriteLine(Count.Of(response.Tokens.Count, "join token"));
            }),
            AdminCommand.Create("remove", "Removes a join token; sidecars that have enrolled with it stay enrolled.", [id], async (parsed, channel, output, cancellation) =>
            {
                await new FleetService.FleetServiceClient(channel).RemoveJoinTokenAsync(new RemoveJoinTokenRequest { Id = parsed.GetValue(id)! }, cancellationToken: cancellation);
                output.WriteLine("removed");
            }),
        };
    }

    /// <summary><c>authsidecar-control remove-sidecar</c>.</summary>
    public static Command RemoveSidecar()
    {
        var name = new Argument<string>("name") { Description = "The sidecar's name." };
        var application = Application();
        var tenant = Tenant();
        return AdminCommand.Create("remove-sidecar", "Removes a sidecar: its stream ends, its certificate is rejected, and the revision is printed.", [name, application, tenant], async (parsed, channel, output, cancellation) =>
        {
            var response = await new FleetService.FleetServiceClient(channel).RemoveSidecarAsync(
                new RemoveSidecarRequest { Application = parsed.GetValue(application)!, Tenant = parsed.GetValue(tenant)!, Name = parsed.GetValue(name)! }, cancellationToken: cancellation);
            output.WriteLine(response.WasEnrolled
                ? $"removed: revision {response.Revision}"
                : $"not enrolled in this database; blocked, because it may have enrolled after the backup that was restored: revision {response.Revision}");
        });
    }

    /// <summary><c>authsidecar-control restore</c>.</summary>
    public static Command Restore()
    {
        var confirm = new Option<bool>("--confirm") { Description = "Begin a new history: all sidecars resynchronize in full, and data newer than the backup is discarded. Refused if no rollback was detected." };
        var force = new Option<bool>("--force") { Description = "With --confirm: also if no rollback was detected." };
        return AdminCommand.Create("restore", "Shows the history of the database; with --confirm, begins a new one after a restore from backup, and prints its first revision. Exit code: 0 no rollback detected, or confirmed; 1 rollback detected; 2 error.", [confirm, force], async (parsed, channel, output, cancellation) =>
        {
            if (parsed.GetValue(force) && !parsed.GetValue(confirm))
            {
                throw new InvalidDataException($"`{force.Name}` requires `{confirm.Name}`");
            }

            var client = new HistoryService.HistoryServiceClient(channel);
            var history = await client.GetHistoryAsync(new GetHistoryRequest(), cancellationToken: cancellation);
            if (parsed.GetValue(confirm))
            {
                var request = new BeginHistoryRequest { ExpectedHistory = history.History, Force = parsed.GetValue(force) };
                output.WriteLine((await client.BeginHistoryAsync(request, cancellationToken: cancellation)).Revision);
                return 0;
            }

            output.WriteLine($"history {history.History}, begun {history.BeganAt.ToDateTimeOffset():u}, newest revision {history.Revision}");
            output.WriteLine(history.LostRevision.Length == 0
                ? "no rollback detected"
                : LostHistory(history.LostRevision));
            return history.LostRevision.Length == 0 ? 0 : AdminCommand.Faulty;
        });
    }

    /// <summary>A difference of clocks that is worth a look: a sidecar refuses what differs by more than a minute.</summary>
    private static string Clock(Sidecar sidecar)
    {
        var difference = TimeSpan.FromMilliseconds(sidecar.ClockAheadMs);
        return difference.Duration() < TimeSpan.FromSeconds(5) ? "" : string.Create(
            CultureInfo.InvariantCulture, $", clock {(difference > TimeSpan.Zero ? '+' : '-')}{(difference.Duration() < TimeSpan.FromMinutes(1) ? $"{difference.Duration().TotalSeconds:F0} s" : $"{difference.Duration().TotalMinutes:F0} min")}");
    }

    private static string LostHistory(string lost) => $"database rollback detected: sidecars have revision {lost}, which the database does not have. Writes are refused until `authsidecar-control restore --confirm` begins a new history";

    /// <summary><c>authsidecar-control keys</c>.</summary>
    public static Command Keys()
    {
        var revoke = new Option<bool>("--revoke") { Description = "Revoke the existing keys (compromise): all tokens that they signed are rejected." };
        return new Command("keys", "Lists and rotates token signing keys, trust anchors (CA, bundle-signing key) and the password pepper.")
        {
            AdminCommand.Create("list", "Lists token signing keys: the next one, the active one, and those whose tokens have not expired.", [], async (_, channel, output, cancellation) =>
            {
                var response = await new KeyService.KeyServiceClient(channel).ListSigningKeysAsync(new ListSigningKeysRequest(), cancellationToken: cancellation);
                foreach (var key in response.Keys)
                {
                    output.WriteLine($"{key.KeyId}  {key.Algorithm}  signs from {key.SignsFrom.ToDateTimeOffset():u}{(key.IsSigning ? "  (now)" : "")}");
                }
            }),
            AdminCommand.Create("list-trust-anchors", "Lists CAs and bundle-signing keys with their state: announced, active, retiring or revoked.", [], async (_, channel, output, cancellation) =>
            {
                foreach (var anchor in (await new KeyService.KeyServiceClient(channel).ListTrustAnchorsAsync(new ListTrustAnchorsRequest(), cancellationToken: cancellation)).Anchors)
                {
                    Write(output, anchor);
                }
            }),
            RotateTrustAnchor("rotate-ca", TrustAnchorUse.Ca, "Creates a CA and announces it to all sidecars; it becomes active when the announcement period ends."),
            RotateTrustAnchor("rotate-bundle-key", TrustAnchorUse.BundleSigning, "Creates a bundle-signing key and announces it to all sidecars; it becomes active when the announcement period ends."),
            AdminCommand.Create("rotate", "Rotates the token signing key immediately, and prints the revision.", [revoke], async (parsed, channel, output, cancellation) =>
            {
                var response = await new KeyService.KeyServiceClient(channel).RotateSigningKeysAsync(new RotateSigningKeysRequest { Revoke = parsed.GetValue(revoke) }, cancellationToken: cancellation);
                output.WriteLine(response.Revision);
            }),
            AdminCommand.Create("rotate-pepper", "Rotates the password pepper: passwords are rehashed when they are next used. Prints the revision.", [], async (_, channel, output, cancellation) =>
            {
                var response = await new KeyService.KeyServiceClient(channel).RotatePasswordPepperAsync(new RotatePasswordPepperRequest(), cancellationToken: cancellation);
                output.WriteLine(response.Revision);
            }),
        };
    }

    private static Command RotateTrustAnchor(string name, TrustAnchorUse use, string description)
    {
        var announce = new Option<int>("--announce-seconds")
        {
            Description = "Announcement period in seconds, 1 to 2592000. Default: 2 days. The previous key stays trusted for 2 more days, a CA for 31. Sidecars disconnected for the whole time have to enrol again.",
        }.Range(1, 2_592_000);
        var revoke = new Option<bool>("--revoke") { Description = "Revoke the active and any announced one (compromise): sidecars stop trusting it, and the new one becomes active immediately." };
        return AdminCommand.Create(name, description, [announce, revoke], async (parsed, channel, output, cancellation) =>
        {
            var response = await new KeyService.KeyServiceClient(channel).RotateTrustAnchorAsync(
                new RotateTrustAnchorRequest { Use = use, AnnounceSeconds = parsed.GetValue(announce), Revoke = parsed.GetValue(revoke) }, cancellationToken: cancellation);
            Write(output, response.Anchor);
            output.WriteLine(response.Revision);
        });
    }

    private static void Write(TextWriter output, TrustAnchor anchor)
    {
        var use = anchor.Use == TrustAnchorUse.Ca ? "CA" : "bundle-signing key";
        var removed = anchor.RemovedAt is { } at ? $", removed at {at.ToDateTimeOffset():u}" : "";
        output.WriteLine($"{anchor.KeyId}  {use}  {anchor.State.ToString().ToLowerInvariant()}, active from {anchor.ActiveFrom.ToDateTimeOffset():u}{removed}");
    }

    private static Option<string> Application() => new("--application") { Description = "The application that the sidecar serves.", Required = true };

    private static Option<string> Tenant() => new Option<string>("--tenant") { Description = "The tenant that the sidecar serves. Default: all.", DefaultValueFactory = _ => "" }.NotEmpty();
}
