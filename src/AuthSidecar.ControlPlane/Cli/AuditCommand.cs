using AuthSidecar.ControlPlane.V1;

namespace AuthSidecar.ControlPlane.Cli;

/// <summary><c>authsidecar-control audit</c>: who wrote what, and when.</summary>
internal static class AuditCommand
{
    public static Command Create()
    {
        var application = CliOption.Of<string>("--application", "NAME", "Only records of this application.").WithDefault(() => "");
        var tenant = CliOption.Of<string>("--tenant", "NAME", "Only records of this tenant.").WithDefault(() => "");
        var actor = CliOption.Of<string>("--actor", "ACTOR", "Only records of this actor, such as `administrator:alice` or `uid:0`.")
            .WithDefault(() => "");
        var action = CliOption.Of<string>(
            "--action", "ACTION", "Only this action, such as `policies.publish`, or all that begin with `policies.`").WithDefault(() => "");
        var target = CliOption.Of<string>("--target", "TARGET", "Only records of this target.").WithDefault(() => "");
        var count = CliOption.Of<int>("--count", "COUNT", "Maximum number of records, 1 to 1000.").WithDefault(() => 100).Range(1, 1_000);
        var list = AdminCommand.Create("list", "List audit records, newest first.",
            "authsidecar-control audit list --action policies.publish --count 20", [application, tenant, actor, action, target, count],
            async (parsed, channel, output, cancellation) =>
        {
            var response = await new AuditService.AuditServiceClient(channel).ListAuditRecordsAsync(
                new ListAuditRecordsRequest
                {
                    Application = parsed.GetValue(application)!,
                    Tenant = parsed.GetValue(tenant)!,
                    Actor = parsed.GetValue(actor)!,
                    Action = parsed.GetValue(action)!,
                    Target = parsed.GetValue(target)!,
                    PageSize = parsed.GetValue(count),
                },
                cancellationToken: cancellation);
            foreach (var record in response.Records)
            {
                output.WriteLine(
                    $"{record.Revision}.{record.Number}  {record.At.ToDateTimeOffset():u}  {record.Actor}  {record.Action}  "
                        + $"{record.Target}{PlaceOf(record)}");
                foreach (var (sign, text) in new[] { ('-', record.HasBefore ? record.Before : null),
                    ('+', record.HasAfter ? record.After : null) }.Where(l => l.Item2 is not null))
                {
                    output.WriteLine($"  {sign} {text}");
                }
            }
        });
        return new Command("audit", "List audit records.") { list };
    }

    private static string PlaceOf(AuditRecord record) =>
        $"{(record.Application.Length > 0 ? $"  application {record.Application}" : "")}"
            + $"{(record.Tenant.Length > 0 ? $"  tenant {record.Tenant}" : "")}";
}
