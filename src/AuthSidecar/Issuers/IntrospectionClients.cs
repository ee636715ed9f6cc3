using System.Text.Json.Serialization;

namespace AuthSidecar.Issuers;

/// <summary>What we are to an issuer that is asked about tokens.</summary>
internal sealed record IntrospectionCredentials
{
    /// <summary>Where they are for, and nowhere else: a bundle may say that it is asked at another address by now.</summary>
    public required string Url { get; set; }

    public required string ClientId { get; set; }
    public required string ClientSecret { get; set; }
}

/// <summary>What each issuer is asked with, by its name: given to the sidecar by its operator, and never in a bundle.</summary>
internal sealed partial class IntrospectionClients : IDisposable
{
    private static readonly StrictJsonFiles Json = new(IntrospectionCredentialsJson.Default);
    public static readonly IntrospectionClients None = new(new Dictionary<string, IntrospectionCredentials>());

    private readonly WatchedFiles<Dictionary<string, IntrospectionCredentials>> _byIssuer;

    public IntrospectionClients(Dictionary<string, IntrospectionCredentials> byIssuer)
        : this(new WatchedFiles<Dictionary<string, IntrospectionCredentials>>([], () => byIssuer, _ => { }))
    {
    }

    private IntrospectionClients(WatchedFiles<Dictionary<string, IntrospectionCredentials>> byIssuer) => _byIssuer = byIssuer;

    public IntrospectionCredentials? Find(Issuer issuer) =>
        _byIssuer.Current.GetValueOrDefault(issuer.Name) is { } found && Uri.TryCreate(found.Url, UriKind.Absolute, out var url)
            && url == issuer.IntrospectionUrl ? found : null;

    /// <summary>Those of a file, which may change.</summary>
    /// <param name="path">The file; null: there is none, and nobody is asked.</param>
    /// <param name="logger">Told when it is changed to something that cannot be used.</param>
    /// <exception cref="InvalidDataException">The file is invalid.</exception>
    public static IntrospectionClients Watch(string? path, ILogger<IntrospectionClients> logger) =>
        path is null ? None
            : new(new WatchedFiles<Dictionary<string, IntrospectionCredentials>>(
                [path], () => Read(path), e => Log.Kept(logger, path, e.Message)).Watch());

    public void Dispose() => _byIssuer.Dispose();

    private static Dictionary<string, IntrospectionCredentials> Read(string path)
    {
        var faults = new List<Fault>();
        var read = Json.Read<Dictionary<string, IntrospectionCredentials>>(path, File.ReadAllBytes(path), faults);
        return faults.Count == 0 && read is not null ? read : throw new InvalidDataException(string.Join(' ', faults));
    }

    private static partial class Log
    {
        [LoggerMessage(71, LogLevel.Error, "invalid introspection clients {File}, using the previous ones: {Error}",
            EventName = "IntrospectionClientsInvalid")]
        public static partial void Kept(ILogger logger, string file, string error);
    }
}

[JsonSerializable(typeof(Dictionary<string, IntrospectionCredentials>))]
internal sealed partial class IntrospectionCredentialsJson : JsonSerializerContext;
