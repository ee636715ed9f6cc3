using System.Text.Json;

namespace AuthSidecar.Bundles;

/// <summary><c>routes.json</c>: which HTTP requests are which actions on which resources. Reserved: no route can be written yet.</summary>
internal sealed record RoutesFile
{
    public const string FileName = "routes.json";

    private static readonly StrictJsonFiles Json = new(RoutesJson.Default);

    public required IReadOnlyList<JsonElement> Routes { get; set; }

    public static RouteTable Read(BundleFiles files, List<Fault> faults)
    {
        if (files.TryRead(FileName, out var utf8) && Json.Read<RoutesFile>(FileName, utf8, faults) is { Routes.Count: > 0 })
            faults.Add(new Fault(FileName, 0, 0, "`routes` is not supported by this version: expected an empty list") { Field = "routes" });

        return RouteTable.Empty;
    }
}

[JsonSerializable(typeof(RoutesFile))]
internal sealed partial class RoutesJson : JsonSerializerContext;
