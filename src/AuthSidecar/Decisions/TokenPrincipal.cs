using AuthSidecar.Policies;

namespace AuthSidecar.Decisions;

/// <summary>Makes a principal of a token's subject, with what its issuer is trusted to say of it.</summary>
internal static class TokenPrincipal
{
    public static RequestEntity Of(VerifiedToken token)
    {
        var mapping = token.Issuer.Principal;
        var uid = new EntityUid(mapping.Type, token.Subject);
        if (mapping.Attributes.Count == 0 && mapping.Parents.Count == 0)
            return new RequestEntity(uid, ValueRecord.Empty, []);

        using var claims = token.ParseClaims();
        return new RequestEntity(uid, AttributesOf(claims.RootElement, mapping), ParentsOf(claims.RootElement, mapping));
    }

    private static ValueRecord AttributesOf(JsonElement claims, PrincipalMapping mapping)
    {
        var attributes = new List<KeyValuePair<string, Value>>();
        foreach (var (attribute, path) in mapping.Attributes)
        {
            if (path.Find(claims, out var element) == ClaimLookup.Found)
                attributes.Add(new(attribute, ValueOf(element)));
        }

        return ValueRecord.Create([.. attributes]);
    }

    /// <summary>The value of a claim. A token with a claim that has none was refused when it was verified.</summary>
    private static Value ValueOf(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.String => Value.Of(element.GetString()!),
        JsonValueKind.True => Value.True,
        JsonValueKind.False => Value.False,
        JsonValueKind.Number => Value.Of(element.GetInt64()),
        JsonValueKind.Array => Value.Of(ValueSet.Create([.. element.EnumerateArray().Select(ValueOf)])),
        JsonValueKind.Object => Value.Of(
            ValueRecord.Create([.. element.EnumerateObject().Select(m => KeyValuePair.Create(m.Name, ValueOf(m.Value)))])),
        _ => throw new InvalidOperationException($"a claim is {element.ValueKind}, which has no value"),
    };

    private static EntityUid[] ParentsOf(JsonElement claims, PrincipalMapping mapping)
    {
        var parents = new List<EntityUid>();
        foreach (var (path, type) in mapping.Parents)
        {
            if (path.Find(claims, out var element) == ClaimLookup.Found)
                parents.AddRange(PrincipalMapping.IdsOf(element).Select(id => new EntityUid(type, id)));
        }

        return [.. parents];
    }
}
