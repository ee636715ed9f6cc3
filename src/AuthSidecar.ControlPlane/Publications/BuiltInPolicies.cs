using AuthSidecar.ControlPlane.V1;

namespace AuthSidecar.ControlPlane.Publications;

/// <summary>The policies by which the control plane itself is administered, until others are published for it.</summary>
internal static partial class BuiltInPolicies
{
    /// <summary>The entity type of administrators.</summary>
    public const string AdministratorType = "AuthSidecar::Administrator";

    /// <summary>The documents, as they could be published.</summary>
    public static IReadOnlyList<Document> Documents { get; } =
    [
        Read("policies/administration.cedar", "access/administration.cedar"),
        Read(SchemaFile.Name, "access/administration.cedarschema"),
    ];

    /// <summary>The roles that these policies know.</summary>
    public static IReadOnlyList<string> Roles { get; } =
        [.. RoleNames().Matches(Documents[0].Content.ToStringUtf8()).Select(m => m.Value).Distinct()];

    public static Schema Schema { get; } = PolicyDocuments.ReadSchema(Documents, [])
        ?? throw new InvalidOperationException("built-in schema not found");

    /// <summary>The schema that an application's entities are held against: that of its documents, and for ourselves always one.</summary>
    public static Schema? SchemaOf(string application, IReadOnlyList<Document> documents) =>
        PolicyDocuments.ReadSchema(documents, []) ?? (application == Placement.ControlPlaneApplication ? Schema : null);

    [GeneratedRegex("(?<=Role::\")[a-z_]+")]
    private static partial Regex RoleNames();

    private static Document Read(string path, string resource)
    {
        using var stream = typeof(BuiltInPolicies).Assembly.GetManifestResourceStream(resource)
            ?? throw new InvalidOperationException($"built-in resource `{resource}` not found");
        return new Document { Path = path, Content = ByteString.FromStream(stream) };
    }
}
