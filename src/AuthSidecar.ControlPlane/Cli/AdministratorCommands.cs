using System.CommandLine;
using AuthSidecar.Common;
using AuthSidecar.ControlPlane.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Grpc.Net.Client;

namespace AuthSidecar.ControlPlane.Cli;

/// <summary>The commands about who administers, and about what they did.</summary>
internal static class AdministratorCommands
{
    /// <summary><c>authsidecar-control claim</c>.</summary>
    public static Command Claim()
    {
        var (url, name, ca, file) = (Url(), Name(), Ca(), CredentialsFile());
        var codeFile = new Option<string?>("--code-file") { Description = "A file with the code: `claim-code` in the state folder of the control plane. Without it, the code is read from standard input." };
        var command = new Command("claim", "Creates the first administrator, with the claim code of the control plane and a new local private key.") { url, name, ca, file, codeFile };
        command.SetAction((parsed, cancellation) => AdminCommand.RunAsync(parsed.GetValue(url)!, async () =>
        {
            var credentials = Create(parsed, url, name, ca);
            var code = parsed.GetValue(codeFile) is { } codePath ? await File.ReadAllTextAsync(codePath, cancellation) : AskForCode();
            // Kept before it is used, beside where it will be: a key without an office is better than an office without a key.
            var path = parsed.GetValue(file)!;
            var pending = path + ".pending";
            if (File.Exists(path))
            {
                throw new InvalidDataException($"`{path}` exists: it may hold the key of an administrator; specify another with `{file.Name}`, or remove it");
            }

            if (File.Exists(pending))
            {
                File.Delete(pending);
            }

            credentials.Save(pending);
            try
            {
                using var channel = GrpcChannel.ForAddress(credentials.Url, new GrpcChannelOptions { HttpHandler = credentials.CreateHandler() });
                await new AdministratorService.AdministratorServiceClient(channel).ClaimControlPlaneAsync(
                    new ClaimControlPlaneRequest { Code = code.Trim(), Name = credentials.Name, Jwks = credentials.ToJwks() }, cancellationToken: cancellation);
            }
            catch (RpcException e) when (e.StatusCode is StatusCode.Unauthenticated or StatusCode.InvalidArgument or StatusCode.PermissionDenied or StatusCode.AlreadyExists or StatusCode.FailedPrecondition || AdminCommand.WasNotSent(e))
            {
                // For certain it was not taken.
                File.Delete(pending);
                throw;
            }
            catch (RpcException)
            {
                Console.Error.WriteLine($"authsidecar-control: claim result unknown; the key is in `{pending}`");
                throw;
            }

            File.Move(pending, path);
            Console.WriteLine($"{credentials.Name} is an owner; the key is in {parsed.GetValue(file)}");
        }));
        return command;
    }

    /// <summary><c>authsidecar-control credentials</c>.</summary>
    public static Command Credentials()
    {
        var (url, name, ca, file) = (Url(), Name(), Ca(), CredentialsFile());
        var command = new Command("credentials", "Creates a private key for an administrator in a local file, and prints its public key for `administrators write --jwks`.") { url, name, ca, file };
        command.SetAction((parsed, _) => AdminCommand.RunAsync(parsed.GetValue(url)!, () =>
        {
            var credentials = Create(parsed, url, name, ca);
            credentials.Save(parsed.GetValue(file)!);
            Console.WriteLine(credentials.ToJwks());
            return Task.CompletedTask;
        }));
        return command;
    }

    /// <summary><c>authsidecar-control token</c>.</summary>
    public static Command Token()
    {
        var file = CredentialsFile();
        var command = new Command("token", "Prints an access token for HTTP clients.") { file };
        command.SetAction((parsed, cancellation) => AdminCommand.RunAsync(parsed.GetValue(file)!, async () =>
        {
            var credentials = Cli.Credentials.Load(parsed.GetValue(file)!);
            return await AdminCommand.RunAsync(credentials.Url.ToString(), async () =>
            {
                using var http = new HttpMessageInvoker(credentials.CreateHandler());
                Console.WriteLine(await credentials.GetTokenAsync(http, TimeProvider.System, cancellation));
            });
        }));
        return command;
    }

    /// <summary><c>authsidecar-control administrators</c>.</summary>
    public static Command Administrators()
    {
        var name = new Argument<string>("name") { Description = "The administrator's name." };
        var jwks = new Option<string?>("--jwks") { Description = "A file with their public keys, as `authsidecar-control credentials` prints them. Required for a new administrator." }.NotEmpty();
        var roles = new Option<string[]>("--role") { Description = "A role: `owner`, `policy_author`, `user_manager`, `operator` or `auditor`; may be repeated. Replaces the previous roles." }.NotEmpty();
        var applications = new Option<string[]>("--application") { Description = "An application to which they are confined; may be repeated. Replaces the previous applications." }.NotEmpty();
        var tenants = new Option<string[]>("--tenant") { Description = "A tenant to which they are confined; may be repeated. Replaces the previous tenants." }.NotEmpty();
        var unconfined = new Option<bool>("--unconfined") { Description = "Removes the confinement to applications and tenants." };
        return new Command("administrators", "Creates, lists and removes administrators.")
        {
            AdminCommand.Create("write", "Creates an administrator, or updates the given fields.", [name, jwks, roles, applications, tenants, unconfined], async (parsed, channel, output, cancellation) =>
            {
                var client = new AdministratorService.AdministratorServiceClient(channel);
                var current = (await client.ListAdministratorsAsync(new ListAdministratorsRequest(), cancellationToken: cancellation)).Administrators.FirstOrDefault(a => a.Name == parsed.GetValue(name));
                var administrator = current?.Clone() ?? new Administrator { Name = parsed.GetValue(name)! };
                if (parsed.GetValue(jwks) is { } file)
                {
                    administrator.Jwks = await File.ReadAllTextAsync(file, cancellation);
                }
                else if (current is null)
                {
                    throw new InvalidDataException($"administrator `{administrator.Name}` does not exist: specify the public keys of a new one with `{jwks.Name}`");
                }

                var lists = new[] { (roles, administrator.Roles), (applications, administrator.Applications), (tenants, administrator.Tenants) };
                if (parsed.GetValue(unconfined))
                {
                    if (parsed.GetValue(applications) is { Length: > 0 } || parsed.GetValue(tenants) is { Length: > 0 })
                    {
                        throw new InvalidDataException($"`{unconfined.Name}` excludes `{applications.Name}` and `{tenants.Name}`");
                    }

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
                    new WriteAdministratorRequest { Administrator = administrator, ExpectedRevision = current?.Revision ?? "", UpdateMask = new FieldMask { Paths = { "*" } } }, cancellationToken: cancellation);
                AdminCommand.WriteResult(output, current is null, response.Revision);
            }),
            AdminCommand.Create("remove", "Removes an administrator and revokes their tokens.", [name], async (parsed, channel, output, cancellation) =>
            {
                var response = await new AdministratorService.AdministratorServiceClient(channel).RemoveAdministratorAsync(
                    new RemoveAdministratorRequest { Name = parsed.GetValue(name)! }, cancellationToken: cancellation);
                output.WriteLine($"removed: revision {response.Revision}");
            }),
            AdminCommand.Create("list", "Lists administrators.", [], async (_, channel, output, cancellation) =>
            {
                var response = await new AdministratorService.AdministratorServiceClient(channel).ListAdministratorsAsync(new ListAdministratorsRequest(), cancellationToken: cancellation);
                foreach (var administrator in response.Administrators)
                {
                    var confined = administrator.Applications.Concat(administrator.Tenants.Select(t => $"tenant {t}")).ToList();
                    output.WriteLine($"{administrator.Name}  {string.Join(", ", administrator.Roles)}{(confined.Count == 0 ? "" : $"  confined to {string.Join(", ", confined)}")}");
                }
            }),
        };
    }

    /// <summary><c>authsidecar-control audit</c>.</summary>
    public static Command Audit()
    {
        var application = new Option<string>("--application") { Description = "Only records of this application.", DefaultValueFactory = _ => "" };
        var tenant = new Option<string>("--tenant") { Description = "Only records of this tenant.", DefaultValueFactory = _ => "" };
        var actor = new Option<string>("--actor") { Description = "Only records of this actor, such as `administrator:alice` or `uid:0`.", DefaultValueFactory = _ => "" };
        var action = new Option<string>("--action") { Description = "Only this action, such as `policies.publish`, or all that begin with `policies.`", DefaultValueFactory = _ => "" };
        var target = new Option<string>("--target") { Description = "Only records of this target.", DefaultValueFactory = _ => "" };
        var count = new Option<int>("--count") { Description = "Maximum number of records.", DefaultValueFactory = _ => 100 };
        return AdminCommand.Create("audit", "Lists audit records, newest first.", [application, tenant, actor, action, target, count], async (parsed, channel, output, cancellation) =>
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
                output.WriteLine($"{record.Revision}.{record.Number}  {record.At.ToDateTimeOffset():u}  {record.Actor}  {record.Action}  {record.Target}{PlaceOf(record)}");
                foreach (var (sign, text) in new[] { ('-', record.HasBefore ? record.Before : null), ('+', record.HasAfter ? record.After : null) }.Where(l => l.Item2 is not null))
                {
                    output.WriteLine($"  {sign} {text}");
                }
            }
        });
    }

    private static string PlaceOf(AuditRecord record) =>
        $"{(record.Application.Length > 0 ? $"  application {record.Application}" : "")}{(record.Tenant.Length > 0 ? $"  tenant {record.Tenant}" : "")}";

    /// <exception cref="InvalidDataException">The address is none.</exception>
    private static Credentials Create(ParseResult parsed, Argument<string> url, Option<string> name, Option<string?> ca) =>
        Uri.TryCreate(parsed.GetValue(url)!, UriKind.Absolute, out var address) && address.Scheme == Uri.UriSchemeHttps
            ? Cli.Credentials.Create(address, parsed.GetValue(name)!, parsed.GetValue(ca) is { } path ? File.ReadAllText(path) : null)
            : throw new InvalidDataException($"`{parsed.GetValue(url)}` is not an address such as `https://control.example:8443`");

    private static string AskForCode()
    {
        if (!Console.IsInputRedirected)
        {
            Console.Error.Write("code: ");
        }

        return Console.In.ReadLine() ?? "";
    }

    private static Argument<string> Url() => new("url") { Description = "The control plane's address, such as `https://control.example:8443`." };

    private static Option<string> Name() => new("--name") { Description = "The administrator's name.", Required = true };

    private static Option<string?> Ca() => new("--ca") { Description = "The CA of the control plane's certificate, in PEM, such as `ca.pem` of its state folder. Default: the CAs that this machine trusts." };

    private static Option<string> CredentialsFile() => new("--credentials") { Description = "The file for the key.", DefaultValueFactory = _ => Cli.Credentials.DefaultPath };
}
