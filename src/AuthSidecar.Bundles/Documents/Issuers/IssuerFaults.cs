namespace AuthSidecar.Bundles;

/// <summary>What is wrong with an entry of `issuers.json`, field by field.</summary>
/// <param name="entry">The entry.</param>
/// <param name="index">Its place in the file, from 0.</param>
/// <param name="faults">Gets what it is refused for.</param>
/// <param name="warnings">Gets what is only warned of.</param>
internal sealed class IssuerFaults(IssuerEntry entry, int index, List<Fault> faults, List<Fault> warnings)
{
    public int Count => faults.Count;
    private string Title => entry.Name.Length > 0 ? $"issuer `{entry.Name}`" : $"issuers[{index}]";

    public void Fail(string field, string message) =>
        faults.Add(new Fault(IssuersFile.FileName, 0, 0, $"{Title}: {message}") { Field = field });

    public void Warn(string message) => warnings.Add(new Fault(IssuersFile.FileName, 0, 0, $"{Title}: {message}"));

    /// <summary>Reads a file of the bundle that the entry names.</summary>
    public KeySet ReadKeySet(string name, byte[] utf8, KeySetRules rules)
    {
        var keys = KeySetReader.ReadFile(name, utf8, rules, faults);
        warnings.AddRange(keys.Ignored);
        return keys;
    }

    /// <summary>An `https:` URL; null: there is none, or it is not one.</summary>
    public Uri? Address(string field, string text)
    {
        if (Uri.TryCreate(text, UriKind.Absolute, out var url) && url.Scheme == Uri.UriSchemeHttps
            && url.UserInfo.Length == 0 && url.Fragment.Length == 0)
        {
            return url;
        }

        if (text.Length > 0)
        {
            Fail(field, url is { Scheme: "https" } ? $"`{field}` has credentials or a fragment: expected an `https:` URL without"
                : $"`{text}` is not an `https:` URL");
        }

        return null;
    }

    /// <summary>A claim; null: it is not one.</summary>
    public ClaimPath? Path(string field, string claim)
    {
        var path = ClaimPath.TryParse(claim);
        if (path is null)
            Fail(field, $"`{claim}` is not a claim: expected its name, or a JSON pointer such as `/realm_access/roles`");

        return path;
    }
}
