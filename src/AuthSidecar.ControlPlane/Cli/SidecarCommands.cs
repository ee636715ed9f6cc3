using AuthSidecar.ControlPlane.V1;

namespace AuthSidecar.ControlPlane.Cli;

/// <summary>The commands about sidecars.</summary>
internal static class SidecarCommands
{
    /// <summary><c>authsidecar-control sidecars</c>.</summary>
    public static Command Sidecars() => new("sidecars", "List and remove sidecars.") { ListSidecars(), RemoveSidecar() };

    private static Command ListSidecars()
    {
        var application = CliOption.Of<string>("--application", "NAME", "Only sidecars of this application.").WithDefault(() => "");
        var tenant = CliOption.Of<string>("--tenant", "NAME", "Only sidecars of this tenant.").WithDefault(() => "");
        var name = CliOption.Of<string>("--name", "NAME", "Only the sidecars of this name.").WithDefault(() => "");
        var state = CliOption.Of<string?>(
            "--state", null, "Only sidecars in this state: `current`, `stale` (connected, not current) or `away` (not connected).");
        state.AcceptOnlyFromAmong("current", "stale", "away");
        var without = CliOption.Of<string>("--without-revision", "REVISION",
            "Only sidecars that do not serve this revision or a later one yet.").WithDefault(() => "");
        var json = CliOption.Flag("--json", "One line of JSON per sidecar, without a summary.");
        return AdminCommand.Create("list", "List all sidecars of all nodes with the revisions they serve.",
            "authsidecar-control sidecars list --state stale", [application, tenant, name, state, without, json],
            async (parsed, channel, output, cancellation) =>
        {
            var client = new SidecarService.SidecarServiceClient(channel);
            var request = new ListSidecarsRequest
            {
                Application = parsed.GetValue(application)!,
                Tenant = parsed.GetValue(tenant)!,
                Name = parsed.GetValue(name)!,
                State = parsed.GetValue(state) switch
                {
                    "current" => SidecarState.Current,
                    "stale" => SidecarState.Stale,
                    "away" => SidecarState.Away,
                    _ => SidecarState.Unspecified,
                },
                WithoutRevision = parsed.GetValue(without)!,
            };
            ListSidecarsResponse page;
            do
            {
                page = await client.ListSidecarsAsync(request, cancellationToken: cancellation);
                foreach (var sidecar in page.Sidecars)
                {
                    if (parsed.GetValue(json))
                        output.WriteLine(JsonFormatter.Default.Format(sidecar));
                    else
                        Write(output, sidecar);
                }

                request.PageToken = page.NextPageToken;
            }
            while (page.NextPageToken.Length > 0);

            if (!parsed.GetValue(json))
            {
                output.WriteLine(
                    $"{Count.Of(page.Current + page.Stale + page.Away, "sidecar")}: {page.Current} current, {page.Stale} stale, "
                        + $"{page.Away} away");
            }

            if (page.LostRevision.Length > 0)
            {
                (parsed.GetValue(json) ? Console.Error : output).WriteLine(
                    $"{RestoreCommand.LostHistory(page.LostRevision)}; streams of sidecars that have it are refused");
            }
        });
    }

    private static void Write(TextWriter output, Sidecar sidecar)
    {
        var placement = sidecar.Tenant.Length == 0 ? sidecar.Application : $"{sidecar.Application}/{sidecar.Tenant}";
        var state = sidecar.State switch
        {
            SidecarState.Current => "current",
            SidecarState.Away => "away",
            _ => $"stale for {sidecar.StaleSeconds} s",
        };
        output.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{placement} {sidecar.Name}  version {(sidecar.Version.Length == 0 ? "unknown" : sidecar.Version)}, "
                + $"{sidecar.DecisionsPerSecond:F1} decisions/s, {state}, revision "
                + $"{(sidecar.Revision.Length == 0 ? "none" : sidecar.Revision)}{Clock(sidecar)}, heard "
                + $"{(sidecar.HeardAt is { } heard ? $"{heard.ToDateTimeOffset():u}" : "never")}"));
        var applied = sidecar.DataTypes.Where(r => r.AppliedRevision.Length > 0).Select(r => $"{r.Type} {r.AppliedRevision}").ToList();
        if (applied.Count > 0)
            output.WriteLine($"  {string.Join("  ", applied)}");

        foreach (var problem in sidecar.Problems)
            output.WriteLine($"  problem: {problem}");

        foreach (var refused in sidecar.DataTypes.Where(r => r.RefusedRevision.Length > 0))
            output.WriteLine($"  refused {refused.Type} {refused.RefusedRevision}: {string.Join("; ", refused.Faults)}");
    }

    private static Command RemoveSidecar()
    {
        var name = new Argument<string>("name") { Description = "The sidecar's name." };
        var application = Application();
        var tenant = Tenant();
        return AdminCommand.Create("remove", "Remove a sidecar: end its stream, reject its certificate, and print the revision.",
            "authsidecar-control sidecars remove web-1 --application documents", [name, application, tenant],
            async (parsed, channel, output, cancellation) =>
        {
            var response = await new SidecarService.SidecarServiceClient(channel).RemoveSidecarAsync(
                new RemoveSidecarRequest
                {
                    Application = parsed.GetValue(application)!,
                    Tenant = parsed.GetValue(tenant)!,
                    Name = parsed.GetValue(name)!,
                }, cancellationToken: cancellation);
            output.WriteLine(response.WasEnrolled
                ? $"removed: revision {response.Revision}"
                : $"not enrolled in this database; blocked, because it may have enrolled after the backup that was restored: revision "
                    + $"{response.Revision}");
        });
    }

    /// <summary>A difference of clocks that is worth a look: a sidecar refuses what differs by more than a minute.</summary>
    private static string Clock(Sidecar sidecar)
    {
        var difference = TimeSpan.FromMilliseconds(sidecar.ClockAheadMs);
        var (sign, length) = (difference > TimeSpan.Zero ? '+' : '-', difference.Duration());
        return length < TimeSpan.FromSeconds(5) ? ""
            : length < TimeSpan.FromMinutes(1) ? string.Create(CultureInfo.InvariantCulture, $", clock {sign}{length.TotalSeconds:F0} s")
            : string.Create(CultureInfo.InvariantCulture, $", clock {sign}{length.TotalMinutes:F0} min");
    }

    internal static Option<string> Application() => CliOption.Of<string>(
        "--application", "NAME", "The application that the sidecar serves.")
        .Require();

    internal static Option<string> Tenant() => CliOption.Of<string>("--tenant", "NAME", "The tenant that the sidecar serves. Default: all.")
        .WithDefault(() => "");
}
