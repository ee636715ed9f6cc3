using System.Text.Json.Serialization;
using AuthSidecar.Cedar;

namespace AuthSidecar.State;

/// <summary>Reads and writes the sidecar's own JSON files.</summary>
internal static class SidecarFile
{
    private static readonly StrictJsonFiles Files = new(SidecarJson.Default);

    /// <summary>Null beside faults.</summary>
    public static T? Read<T>(string name, byte[] utf8, List<Fault> faults)
        where T : class => Files.Read<T>(name, utf8, faults);

    public static byte[] Write<T>(T value) => Files.Write(value);
}

[JsonSerializable(typeof(Sync.Stream.LastKnownGoodIndex))]
[JsonSerializable(typeof(Tokens.StoredKeySet))]
[JsonSerializable(typeof(Dictionary<string, Tokens.IntrospectionCredentials>))]
internal sealed partial class SidecarJson : JsonSerializerContext;
