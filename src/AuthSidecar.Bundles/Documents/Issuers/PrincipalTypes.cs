namespace AuthSidecar.Bundles;

/// <summary>Compares the principals that tokens become with the schema: one that the schema does not declare is in no policy that was
/// validated with it, and what it does not declare of one cannot be read.</summary>
/// <remarks>Warnings, not faults: issuers and policies are written one after the other.</remarks>
internal static class PrincipalTypes
{
    /// <summary>What the schema lacks, of all issuers; nothing without a schema.</summary>
    public static IReadOnlyList<Fault> Check(IssuerSet issuers, Schema? schema) => schema is null ? []
        // The tenants of one template have one mapping.
        : [.. issuers.All.DistinctBy(i => i.Principal).SelectMany(i => Check(i.Principal, schema).Select(
            m => new Fault(IssuersFile.FileName, 0, 0, $"issuer `{i.Name}`: {m.Message}", m.Help)))];

    private static IEnumerable<(string Message, string? Help)> Check(PrincipalMapping mapping, Schema schema)
    {
        if (!schema.EntityTypes.TryGetValue(mapping.Type, out var type))
        {
            yield return ($"the schema does not declare the principal type `{mapping.Type}`: set `principal.type`",
                new Suggestions().For(mapping.Type, schema.EntityTypes.Keys));
            yield break;
        }

        if (!schema.Actions.Values.Any(a => a.Principals.Contains(mapping.Type)))
            yield return ($"no action of the schema applies to principals of type `{mapping.Type}`", null);

        foreach (var name in mapping.Attributes.Keys.Where(n => !type.Attributes.Attributes.ContainsKey(n)))
        {
            yield return ($"`principal.attributes`: the schema does not declare the attribute `{name}` of `{mapping.Type}`",
                new Suggestions().For(name, type.Attributes.Attributes.Keys));
        }

        foreach (var parent in mapping.Parents.Values.Distinct(StringComparer.Ordinal).Where(p => !type.MemberOf.Contains(p)))
        {
            yield return schema.EntityTypes.ContainsKey(parent)
                ? ($"`principal.parents`: in the schema, `{mapping.Type}` is not a member of `{parent}`",
                    $"declare `entity {mapping.Type} in [{parent}]`")
                : ($"`principal.parents`: the schema does not declare the entity type `{parent}`",
                    new Suggestions().For(parent, schema.EntityTypes.Keys));
        }
    }
}
