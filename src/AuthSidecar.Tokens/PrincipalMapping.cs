using System.Buffers;

namespace AuthSidecar.Tokens;

/// <summary>How a token's subject becomes a Cedar principal.</summary>
internal sealed record PrincipalMapping
{
    private static readonly SearchValues<char> ListSeparators = SearchValues.Create(" \t\r\n,;");

    /// <summary>The entity type of the principal.</summary>
    public string Type { get; init; } = "User";

    /// <summary>The claim that has the principal's id; null: <c>sub</c>.</summary>
    public ClaimPath? Id { get; init; }

    /// <summary>Attributes of a principal, by the claim each is taken from. They never override what the snapshot knows.</summary>
    public IReadOnlyDictionary<string, ClaimPath> Attributes { get; init; } = new Dictionary<string, ClaimPath>();

    /// <summary>Types of parent, by the claim that lists their ids. Only for principals that the snapshot does not know.</summary>
    public IReadOnlyDictionary<ClaimPath, string> Parents { get; init; } = new Dictionary<ClaimPath, string>();

    /// <summary>The mapped claims that a token must have.</summary>
    public IReadOnlyList<ClaimPath> Required { get; init; } = [];

    /// <summary>Whether an attribute or a parent is taken from a claim.</summary>
    public bool Maps(ClaimPath claim) => Parents.ContainsKey(claim) || Attributes.Values.Contains(claim);

    /// <summary>The claims that become attributes and parents of the principal. One that cannot is a fault of the token: passed over, it
    /// would take with it whatever policies forbid by it.</summary>
    public void Check(ref ClaimReader claims)
    {
        foreach (var path in Required)
        {
            if (path.Find(claims.Claims, out _) == ClaimLookup.Absent)
                claims.Fail(TokenRejection.ClaimMissing, path.Text);
        }

        foreach (var (_, path) in Attributes)
            Check(ref claims, path, IsValue);

        foreach (var (path, _) in Parents)
            Check(ref claims, path, IsIds);
    }

    /// <summary>The ids that a claim lists: a string, an array of strings, or the names of an object's members. A member that is false is
    /// not one of them.</summary>
    public static IEnumerable<string> IdsOf(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Array => element.EnumerateArray().Select(item => item.GetString()!),
        JsonValueKind.Object => element.EnumerateObject().Where(m => m.Value.ValueKind != JsonValueKind.False).Select(m => m.Name),
        _ => [element.GetString()!],
    };

    /// <summary>How many values an array or object has.</summary>
    public static int CountOf(JsonElement element) =>
        element.ValueKind == JsonValueKind.Array ? element.GetArrayLength() : element.GetPropertyCount();

    private static void Check(ref ClaimReader claims, ClaimPath path, Func<JsonElement, bool> fits)
    {
        var lookup = path.Find(claims.Claims, out var element);
        if (lookup == ClaimLookup.Found ? !fits(element) : lookup == ClaimLookup.Unusable || IsElsewhere(claims.Claims, path.Claim))
            claims.Fail(TokenRejection.ClaimMalformed, path.Text);
    }

    /// <summary>Whether the issuer leaves out a claim that there is: a distributed claim (OpenID Connect Core 1.0, section 5.6.2), as
    /// Microsoft Entra ID sends for members of many groups, or in its place `hasgroups`.</summary>
    private static bool IsElsewhere(JsonElement claims, string claim) =>
        (claims.TryGetProperty("_claim_names", out var names)
            && (names.ValueKind != JsonValueKind.Object || names.TryGetProperty(claim, out _)))
        || (claim == "groups" && claims.TryGetProperty("hasgroups", out var has) && has.ValueKind != JsonValueKind.False);

    /// <summary>What Cedar has a value for: a string, a Boolean, a whole number of 64 bits, a set or a record of such.</summary>
    private static bool IsValue(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.String or JsonValueKind.True or JsonValueKind.False => true,
        JsonValueKind.Number => element.TryGetInt64(out _),
        JsonValueKind.Array => element.EnumerateArray().All(IsValue),
        JsonValueKind.Object => element.EnumerateObject().All(member => IsValue(member.Value)),
        _ => false,
    };

    /// <summary>One id, an array of them, or an object whose members are named by them and say more about each (`{"admin": {"org":
    /// "acme"}}`) or whether it counts (`{"admin": true}`). A string that could be a list of several is not one id to be sure of.</summary>
    private static bool IsIds(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Array => element.EnumerateArray().All(item => item.ValueKind == JsonValueKind.String),
        JsonValueKind.Object => element.EnumerateObject().All(
            member => member.Value.ValueKind is JsonValueKind.Object or JsonValueKind.True or JsonValueKind.False),
        JsonValueKind.String => element.GetString()!.AsSpan().IndexOfAny(ListSeparators) < 0,
        _ => false,
    };
}
