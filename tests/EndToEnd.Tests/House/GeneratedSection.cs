namespace EndToEnd.Tests.House;

/// <summary>A part of a document that is made of the code: <c>scripts/docs.sh</c> writes it, and a test compares it.</summary>
internal static class GeneratedSection
{
    // A document has several.
    private static readonly Lock Writing = new();

    /// <param name="document">The document, in <c>docs</c>.</param>
    /// <param name="name">The name of the part, which comments around it have.</param>
    /// <param name="content">What it is to be.</param>
    public static void Check(string document, string name, string content)
    {
        using var writing = Writing.EnterScope();
        var path = Path.Combine(Binary.Root, "docs", document);
        var text = File.ReadAllText(path);
        var (begin, end) = ($"<!-- {name}: written by scripts/docs.sh -->", $"<!-- /{name} -->");
        var (from, to) = (text.IndexOf(begin, StringComparison.Ordinal), text.IndexOf(end, StringComparison.Ordinal));
        var wanted = $"{text[..from]}{begin}\n\n{content}{text[to..]}";
        if (Environment.GetEnvironmentVariable("AUTHSIDECAR_WRITE_DOCS") == "1")
        {
            File.WriteAllText(path, wanted);
            return;
        }

        Assert.True(text == wanted, $"docs/{document} does not list the {name} as they are: run scripts/docs.sh");
    }
}
