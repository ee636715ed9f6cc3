using System.CommandLine;
using System.Net;
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
        var database = new Option<string>("--database") { Description = "`sqlite:PATH`, or `postgres:CONNECTION`.", Required = true };
        var keyVault = new Option<string?>("--key-vault") { Description = "Who has the master key: `file:PATH`, `env:NAME` or `vault:https://HOST:PORT/KEY`. Without it, a file in the state folder." };
        var vaultToken = new Option<string?>("--vault-token") { Description = "The file with the token for Vault." };
        var state = new Option<string>("--state") { Description = "The folder for what is this node's own.", Required = true };
        var admin = new Option<string>("--admin-socket") { Description = "The Unix socket for administration; whoever may open it administers.", Required = true };
        var listen = new Option<string?>("--listen") { Description = "The address and port where sidecars connect." };
        var certificate = new Option<string?>("--certificate") { Description = "The certificate to show them, in PEM." };
        var key = new Option<string?>("--certificate-key") { Description = "Its key, in PEM." };
        var clientCa = new Option<string?>("--client-ca") { Description = "The CA of the sidecars' certificates, in PEM." };
        var command = new Command("serve", "Serves administrators and sidecars.") { database, keyVault, vaultToken, state, admin, listen, certificate, key, clientCa };
        command.SetAction(async (parsed, cancellation) =>
        {
            IPEndPoint? endPoint = null;
            if (parsed.GetValue(listen) is { } text && !IPEndPoint.TryParse(text, out endPoint))
            {
                return Fail([$"`{text}` is not an address and port such as `0.0.0.0:7443`"]);
            }

            try
            {
                return await ServeAsync(
                    new ServeOptions
                    {
                        Database = Database.Parse(parsed.GetValue(database)!),
                        KeyVault = parsed.GetValue(keyVault) is { } vault ? KeyVault.Parse(vault, parsed.GetValue(vaultToken)) : null,
                        State = parsed.GetValue(state)!,
                        AdminSocket = parsed.GetValue(admin)!,
                        Listen = endPoint,
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
