using System.Net;
using AuthSidecar.ControlPlane.Secrets;
using AuthSidecar.ControlPlane.Store;

namespace AuthSidecar.ControlPlane.Hosting;

/// <summary>What <c>serve</c> is told.</summary>
internal sealed record ServeOptions
{
    public required Database Database { get; init; }

    /// <summary>Who has the master key; null: it is in the state folder, which does for a single node.</summary>
    public KeyVault? KeyVault { get; init; }

    /// <summary>The folder for what is this node's own, and for the keys that sidecars are given.</summary>
    public required string State { get; init; }

    /// <summary>The Unix socket for administration, open to its owner and group.</summary>
    public required string AdminSocket { get; init; }

    /// <summary>Where sidecars connect; null: nowhere.</summary>
    public IPEndPoint? Listen { get; init; }

    /// <summary>The certificate that sidecars are shown, and its key, in PEM; required beside <see cref="Listen"/>.</summary>
    public string? Certificate { get; init; }

    public string? CertificateKey { get; init; }

    /// <summary>Whose certificates make a sidecar, in PEM; required beside <see cref="Listen"/>.</summary>
    public string? ClientCa { get; init; }

    /// <summary>Every reason why these options cannot be served with.</summary>
    public IEnumerable<string> Validate()
    {
        if (KeyVault is null && Database.IsShared)
        {
            yield return "nodes that share a database share a master key as well: give `--key-vault`";
        }

        if (Listen is null)
        {
            yield break;
        }

        foreach (var (option, path) in new[] { ("--certificate", Certificate), ("--certificate-key", CertificateKey), ("--client-ca", ClientCa) })
        {
            if (path is null)
            {
                yield return $"`--listen` wants `{option}`: sidecars and control plane know each other by certificates";
            }
            else if (!File.Exists(path))
            {
                yield return $"the file `{path}` of `{option}` does not exist";
            }
        }
    }
}
