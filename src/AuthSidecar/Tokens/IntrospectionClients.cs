using AuthSidecar.Cedar;
using AuthSidecar.Sync.Bundles;

namespace AuthSidecar.Tokens;

/// <summary>What we are to an issuer that is asked about tokens.</summary>
internal sealed record IntrospectionCredentials
{
    /// <summary>Where they are for, and nowhere else: a bundle may say that it is asked at another address by now.</summary>
    public required string Url { get; set; }

    public required string ClientId { get; set; }

    public required string ClientSecret { get; set; }
}

/// <summary>What each issuer is asked with, by its name: given to the sidecar by its operator, and never in a bundle.</summary>
internal sealed class IntrospectionClients(IReadOnlyDictionary<string, IntrospectionCredentials> byIssuer)
{
    public static readonly IntrospectionClients None = new(new Dictionary<string, IntrospectionCredentials>());

    public IntrospectionCredentials? Find(Issuer issuer) =>
        byIssuer.GetValueOrDefault(issuer.Name) is { } found && Uri.TryCreate(found.Url, UriKind.Absolute, out var url) && url == issuer.IntrospectionUrl ? found : null;

    /// <param name="path">The file; null: there is none, and nobody is asked.</param>
    /// <exception cref="InvalidDataException">It is not what it should be.</exception>
    public static IntrospectionClients Read(string? path)
    {
        if (path is null)
        {
            return None;
        }

        var faults = new List<Fault>();
        var read = JsonFile.Read<Dictionary<string, IntrospectionCredentials>>(path, File.ReadAllBytes(path), faults);
        return faults.Count == 0 && read is not null ? new IntrospectionClients(read) : throw new InvalidDataException(string.Join(' ', faults));
    }
}
