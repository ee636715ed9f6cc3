namespace AuthSidecar.Bundles;

/// <summary>A schema, and its document: another one that is the same to the byte need not be read.</summary>
internal sealed record SchemaDocument(byte[] Utf8, Schema Schema);
