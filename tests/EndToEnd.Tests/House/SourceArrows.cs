using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace EndToEnd.Tests.House;

/// <summary>A use of what one file declares by another; paths are relative to the project's folder.</summary>
internal readonly record struct SourceArrow(string From, string To, string Symbol);

/// <summary>Finds which files of a project use which others, as the compiler understands them: constants, enums and type arguments included.</summary>
internal static class SourceArrows
{
    public static IReadOnlyList<SourceArrow> Of(string project)
    {
        var folder = Path.Combine(Binary.Root, "src", project);
        var options = new CSharpParseOptions(LanguageVersion.Latest);
        // Migrations are generated and refer to nothing but the store.
        var files = Directory.EnumerateFiles(folder, "*.cs", SearchOption.AllDirectories).Where(f => !f.Contains("/Migrations/", StringComparison.Ordinal)).ToList();
        var shared = Directory.EnumerateFiles(Path.Combine(Binary.Root, "src", "Common"), "*.cs");
        var usings = Directory.EnumerateFiles(Path.Combine(Binary.Root, "artifacts", "obj", project, "debug"), "*.GlobalUsings.g.cs");
        var compilation = CSharpCompilation.Create(
            project,
            files.Concat(shared).Concat(usings).Select(f => CSharpSyntaxTree.ParseText(File.ReadAllText(f), options, f)),
            References(project),
            new CSharpCompilationOptions(OutputKind.ConsoleApplication, nullableContextOptions: NullableContextOptions.Enable, allowUnsafe: true));

        var arrows = new HashSet<SourceArrow>();
        foreach (var tree in compilation.SyntaxTrees.Where(t => t.FilePath.StartsWith(folder, StringComparison.Ordinal)))
        {
            var model = compilation.GetSemanticModel(tree);
            foreach (var name in tree.GetRoot().DescendantNodes(n => n is not UsingDirectiveSyntax).OfType<SimpleNameSyntax>())
            {
                foreach (var file in FilesOf(model.GetSymbolInfo(name).Symbol).Where(f => f != tree.FilePath && f.StartsWith(folder, StringComparison.Ordinal)))
                {
                    arrows.Add(new SourceArrow(Path.GetRelativePath(folder, tree.FilePath), Path.GetRelativePath(folder, file), name.Identifier.Text));
                }
            }
        }

        return [.. arrows];
    }

    private static IEnumerable<string> FilesOf(ISymbol? symbol) => symbol is null or INamespaceSymbol or ILocalSymbol or IParameterSymbol or IRangeVariableSymbol or ITypeParameterSymbol
        ? []
        : symbol.OriginalDefinition.DeclaringSyntaxReferences.Select(r => r.SyntaxTree.FilePath);

    // What the tests run with has the framework; what the project was built with, the rest.
    private static IEnumerable<MetadataReference> References(string project) => ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!)
        .Split(Path.PathSeparator)
        .Concat(Directory.EnumerateFiles(Path.Combine(Binary.Root, "artifacts", "bin", project, "debug"), "*.dll"))
        .DistinctBy(Path.GetFileName)
        .Where(IsManaged)
        .Where(f => !Path.GetFileNameWithoutExtension(f).Equals(project, StringComparison.OrdinalIgnoreCase))
        .Select(f => MetadataReference.CreateFromFile(f));

    private static bool IsManaged(string file)
    {
        using var reader = new System.Reflection.PortableExecutable.PEReader(File.OpenRead(file));
        return reader.HasMetadata;
    }
}
