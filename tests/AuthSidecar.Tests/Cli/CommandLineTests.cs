using AuthSidecar.Cli;
using AuthSidecar.Testing;

namespace AuthSidecar.Tests.Cli;

public sealed class CommandLineTests
{
    [Fact]
    public void Help_OfEveryCommand_HasExamplesThatParseAndNamesOfValues() =>
        Assert.Equal("", string.Join('\n', CommandLineConformance.FaultsOfHelp(CommandLine.Create(), "authsidecar")));

    [Fact]
    public void Docs_LinesWithTheBinary_Parse()
    {
        Assert.Equal("", string.Join('\n', CommandLineConformance.FaultsOfDocs(CommandLine.Create(), "authsidecar", out var read)));
        Assert.True(read > 10, $"only {read} lines");
    }

    [Fact]
    public void Options_AreListedInTheDocumentation() =>
        Assert.True(CommandLineConformance.IsListed(CommandLine.Create(), "authsidecar"), "docs/configuration.md does not list the options as they are: run scripts/docs.sh");
}
