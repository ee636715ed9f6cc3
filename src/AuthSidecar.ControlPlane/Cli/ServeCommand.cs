using System.CommandLine;
using AuthSidecar.ControlPlane.Hosting;
using AuthSidecar.ControlPlane.Secrets;
using AuthSidecar.ControlPlane.Store;

namespace AuthSidecar.ControlPlane.Cli;

/// <summary><c>authsidecar-control serve</c>.</summary>
internal static class ServeCommand
{
    /// <summary>The exit code of what could not be done.</summary>
    public const int Failed = 2;

    public static Command Create()
    {
        var database = new Option<string?>("--database") { Description = "`sqlite:PATH`, or `postgres:CONNECTION`. Without it, SQLite in the state folder." };
        var keyVault = new Option<string?>("--key-vault") { Description = "Who has the master key: `file:PATH`, `env:NAME` or `vault:https://HOST:PORT/KEY`. Without it, a file in the state folder." };
        var vaultToken = new Option<string?>("--vault-token") { Description = "The file with the token for Vault." };
        var state = new Option<string>("--state") { Description = "The folder for what is this node's own.", Required = true };
        var admin = new Option<string>("--admin-socket")
        {
            Description = "The Unix socket for administration; whoever may open it administers.",
            DefaultValueFactory = _ => ServeOptions.DefaultAdminSocket,
        };
        var listen = new Option<string?>("--listen") { Description = "The address and port where sidecars connect." };
        var name = new Option<string[]>("--name") { Description = "A name or address by which sidecars reach this node; may be repeated. For the certificate that the control plane's own CA gives it." };
        var certificate = new Option<string?>("--certificate") { Description = "A certificate of another CA to show them instead, in PEM." };
        var key = new Option<string?>("--certificate-key") { Description = "Its key, in PEM." };
        var clientCa = new Option<string?>("--client-ca") { Description = "A CA of sidecars' certificates beside the control plane's own, in PEM." };
        var command = new Command("serve", "Serves administrators and sidecars.") { database, keyVault, vaultToken, state, admin, listen, name, certificate, key, clientCa };
        command.SetAction(async (parsed, cancellation) =>
        {
            var endPoint = parsed.GetValue(listen) is { } text ? StrictAddress.TryParseEndPoint(text) : null;
            if (endPoint is null && parsed.GetValue(listen) is { } unread)
            {
                return Fail([$"`{unread}` is not an address and port such as `0.0.0.0:7443`"]);
            }

            try
            {
                return await ServeAsync(
                    new ServeOptions
                    {
                        Database = Database.Parse(parsed.GetValue(database) ?? $"sqlite:{Path.Combine(parsed.GetValue(state)!, "control.db")}"),
                        KeyVault = parsed.GetValue(keyVault) is { } vault ? KeyVault.Parse(vault, parsed.GetValue(vaultToken)) : null,
                        State = parsed.GetValue(state)!,
                        AdminSocket = parsed.GetValue(admin)!,
                        Listen = endPoint,
                        Names = parsed.GetValue(name) ?? [],
                        Certificate = parsed.GetValue(certificate),
                        CertificateKey = parsed.GetValue(key),
                        ClientCa = parsed.GetValue(clientCa),
                    },
                    cancellation);
            }
            catch (Exception e) when (e is FormatException or IOException or InvalidDataException or UnauthorizedAccessException or System.Data.Common.DbException or KeyVaultException)
            {
                // What an operator can mend: an address in use, a database that is not there, missing permissions.
                return Fail([e.Message]);
            }
        });
        return command;
    }

    private static async Task<int> ServeAsync(ServeOptions options, CancellationToken cancellation)
    {
        var faults = options.Validate().ToList();
        if (faults.Count > 0)
        {
            return Fail(faults);
        }

        await using var app = ControlPlaneHost.Build(options);
        await app.PrepareAsync(cancellation);
        await app.RunAsync(cancellation);
        return 0;
    }

    private static int Fail(IEnumerable<string> faults)
    {
        foreach (var fault in faults)
        {
            Console.Error.WriteLine($"authsidecar-control: {fault}");
        }

        return Failed;
    }
}
