using AuthSidecar.ControlPlane.V1;
using Google.Protobuf.WellKnownTypes;

namespace AuthSidecar.ControlPlane.Cli;

/// <summary>The commands about administrators.</summary>
internal static class AdministratorCommands
{
    /// <summary><c>authsidecar-control administrators</c>.</summary>
    public static Command Administrators()
    {
        var name = new Argument<string>("name") { Description = "The administrator's name." };
        var jwks = CliOption.Of<string?>("--jwks", "FILE",
            "A file with their public keys, as `credentials create` prints them. Required for a new administrator.");
        var roles = CliOption.Of<string[]>("--role", "ROLE",
            "A role: `owner`, `policy_author`, `user_manager`, `operator` or `auditor`; may be repeated. Required for a "
                + "new administrator. Replaces the previous roles.");
        var applications = CliOption.Of<string[]>("--application", "NAME",
            "An application to which they are confined; may be repeated. Replaces the previous applications.");
        var tenants = CliOption.Of<string[]>(
            "--tenant", "NAME", "A tenant to which they are confined; may be repeated. Replaces the previous tenants.");
        var unconfined = CliOption.Flag("--unconfined", "Remove the confinement to applications and tenants.");
        return new Command("administrators", "Create, list and remove administrators.")
        {
            AdminCommand.Create("write", "Create an administrator, or update the given fields.",
                "authsidecar-control administrators write bob --role auditor --jwks bob.jwks", [name, jwks, roles, applications, tenants,
                    unconfined], async (parsed, channel, output, cancellation) =>
            {
                var client = new AdministratorService.AdministratorServiceClient(channel);
                var current = (await client.ListAdministratorsAsync(new ListAdministratorsRequest(),
                    cancellationToken: cancellation)).Administrators.FirstOrDefault(a => a.Name == parsed.GetValue(name));
                var administrator = current?.Clone() ?? new Administrator { Name = parsed.GetValue(name)! };
                if (parsed.GetValue(jwks) is { } file)
                {
                    administrator.Jwks = await File.ReadAllTextAsync(file, cancellation);
                }
                else if (current is null)
                {
                    throw new InvalidDataException(
                        $"administrator `{administrator.Name}` does not exist: specify the public keys of a new one with `{jwks.Name}`");
                }

                if (current is null && parsed.GetValue(roles) is not { Length: > 0 })
                    throw new InvalidDataException($"administrator `{administrator.Name}` is new: specify `{roles.Name}`");

                var lists = new[] { (roles, administrator.Roles), (applications, administrator.Applications),
                    (tenants, administrator.Tenants) };
                if (parsed.GetValue(unconfined))
                {
                    if (parsed.GetValue(applications) is { Length: > 0 } || parsed.GetValue(tenants) is { Length: > 0 })
                        throw new InvalidDataException($"`{unconfined.Name}` excludes `{applications.Name}` and `{tenants.Name}`");

                    administrator.Applications.Clear();
                    administrator.Tenants.Clear();
                }

                foreach (var (option, list) in lists)
                {
                    if (parsed.GetValue(option) is { Length: > 0 } given)
                    {
                        list.Clear();
                        list.AddRange(given);
                    }
                }

                // All of it, as it was read and changed: with the revision that was read, nobody has changed it meanwhile.
                var response = await client.WriteAdministratorAsync(
                    new WriteAdministratorRequest
                    {
                        Administrator = administrator,
                        ExpectedRevision = current?.Revision ?? "",
                        UpdateMask = new FieldMask { Paths = { "*" } },
                    }, cancellationToken: cancellation);
                AdminCommand.WriteResult(output, current is null, response.Revision);
            }),
            AdminCommand.Create("remove", "Remove an administrator and revoke their tokens.",
                "authsidecar-control administrators remove bob", [name], async (parsed, channel, output, cancellation) =>
            {
                var response = await new AdministratorService.AdministratorServiceClient(channel).RemoveAdministratorAsync(
                    new RemoveAdministratorRequest { Name = parsed.GetValue(name)! }, cancellationToken: cancellation);
                output.WriteLine($"removed: revision {response.Revision}");
            }),
            AdminCommand.Create(
                "list", "List administrators.", "authsidecar-control administrators list", [], async (_, channel, output, cancellation) =>
            {
                var response = await new AdministratorService.AdministratorServiceClient(channel)
                    .ListAdministratorsAsync(new ListAdministratorsRequest(), cancellationToken: cancellation);
                foreach (var administrator in response.Administrators)
                {
                    var confined = administrator.Applications.Concat(administrator.Tenants.Select(t => $"tenant {t}")).ToList();
                    output.WriteLine(
                        $"{administrator.Name}  {string.Join(", ", administrator.Roles)}"
                            + $"{(confined.Count == 0 ? "" : $"  confined to {string.Join(", ", confined)}")}");
                }
            }),
        };
    }
}
