using AuthSidecar.Cedar;
using AuthSidecar.ControlPlane.V1;
using Google.Protobuf;

namespace AuthSidecar.ControlPlane.Publications;

/// <summary>The policies by which the control plane itself is administered, until others are published for it.</summary>
internal static class BuiltInPolicies
{
    /// <summary>The control plane as an application of its own: its policies say who administers, and its entities who there is.</summary>
    public const string Application = "authsidecar";

    /// <summary>The documents, as they could be published.</summary>
    public static IReadOnlyList<Document> Documents { get; } =
    [
        Read("policies/administration.cedar", "access/administration.cedar"),
        Read(Bundles.PolicyFiles.Schema, "access/administration.cedarschema"),
    ];

    public static Schema Schema { get; } = PolicyDocuments.ReadSchema(Documents, []) ?? throw new InvalidOperationException("the built-in schema is none");

    /// <summary>The schema that an application's entities are held against: that of its documents, and for ourselves always one.</summary>
    public static Schema? SchemaOf(string application, IReadOnlyList<Document> documents) =>
        PolicyDocuments.ReadSchema(documents, []) ?? (application == Application ? Schema : null);

    private static Document Read(string path, string resource)
    {
        using var stream = typeof(BuiltInPolicies).Assembly.GetManifestResourceStream(resource) ?? throw new InvalidOperationException($"`{resource}` is not built in");
        return new Document { Path = path, Content = ByteString.FromStream(stream) };
    }
}
