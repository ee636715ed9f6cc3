using System.Xml.Linq;

namespace EndToEnd.Tests.House;

/// <summary>Arrows between projects point one way.</summary>
public sealed class ProjectTests
{
    [Theory]
    [InlineData("AuthSidecar.Cedar", "")]
    [InlineData("AuthSidecar.Protos", "")]
    [InlineData("AuthSidecar.Tokens", "AuthSidecar.Cedar")]
    [InlineData("AuthSidecar.Bundles", "AuthSidecar.Cedar AuthSidecar.Tokens")]
    [InlineData("AuthSidecar", "AuthSidecar.Bundles AuthSidecar.Cedar AuthSidecar.Protos AuthSidecar.Tokens")]
    [InlineData("AuthSidecar.ControlPlane", "AuthSidecar.Bundles AuthSidecar.Cedar AuthSidecar.Protos AuthSidecar.Tokens")]
    public void Project_References_NoneButTheseProjects(string project, string allowed)
    {
        var references = Items(project, "ProjectReference").Select(Path.GetFileNameWithoutExtension);
        Assert.Equal(allowed.Split(' ', StringSplitOptions.RemoveEmptyEntries), references.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Cedar_HasNoPackageOfOthers() => Assert.Empty(Items("AuthSidecar.Cedar", "PackageReference"));

    private static IEnumerable<string> Items(string project, string name) =>
        XDocument.Load(Path.Combine(Binary.Root, "src", project, $"{project}.csproj")).Descendants(name).Select(i => i.Attribute("Include")!.Value);
}
