using System.Text.RegularExpressions;

namespace EndToEnd.Tests;

/// <summary>The document service of <c>samples/documents</c>, asked as its README says.</summary>
public sealed partial class SampleTests(QuickstartTests.RunningSample sample) : IClassFixture<QuickstartTests.RunningSample>
{
    [Fact]
    public async Task Readme_EachLine_IsAnsweredAsItSays()
    {
        var port = Fleet.FreePort();
        var address = $"http://127.0.0.1:{port}";
        using var service = Binary.Start(Binary.DocumentService, ["--urls", address, "--AUTHSIDECAR_ADDRESS", sample.Address]);
        try
        {
            using var http = new HttpClient { BaseAddress = new Uri(address) };
            await QuickstartTests.EventuallyAsync(async () =>
            {
                try
                {
                    return (await http.GetAsync("documents/none", TestContext.Current.CancellationToken)).StatusCode == System.Net.HttpStatusCode.NotFound;
                }
                catch (HttpRequestException)
                {
                    return false;
                }
            });

            var readme = await File.ReadAllTextAsync(Path.Combine(Binary.Root, "samples", "documents", "README.md"), TestContext.Current.CancellationToken);
            var lines = readme.Split('\n').Where(l => l.StartsWith("    ", StringComparison.Ordinal)).Select(l => l.Trim()).SkipWhile(l => !l.StartsWith("token=", StringComparison.Ordinal)).ToList();
            var script = string.Join('\n', lines)
                .Replace(".quickstart/authsidecar.sock", sample.Address["unix:".Length..], StringComparison.Ordinal)
                .Replace(".quickstart", sample.Folder, StringComparison.Ordinal)
                .Replace("http://127.0.0.1:5080", address, StringComparison.Ordinal)
                .Replace("$(authsidecar ", $"$({Binary.Sidecar} ", StringComparison.Ordinal);
            var answered = await Binary.ShellAsync(script);
            var statuses = Status().Matches(answered.Output).Select(m => m.Groups[1].Value).ToList();
            var expected = lines.Where(l => l.StartsWith("curl ", StringComparison.Ordinal)).Select(l => Expected().Match(l).Groups[1].Value).ToList();
            Assert.Equal(["200", "403", "401", "401", "204"], expected);
            Assert.True(expected.SequenceEqual(statuses), $"{script}\n{answered.Output}\n{answered.Error}\n{sample.Log}");
            Assert.Contains("WWW-Authenticate: Bearer error=\"insufficient_user_authentication\", max_age=300", answered.Output, StringComparison.Ordinal);
            Assert.Contains("We will ship on Monday.", answered.Output, StringComparison.Ordinal);
        }
        finally
        {
            service.Kill(entireProcessTree: true);
        }
    }

    // A body without an end of line comes before the next status.
    [GeneratedRegex(@"HTTP/1\.1 (\d+)")]
    private static partial Regex Status();

    [GeneratedRegex(@"# (\d+)")]
    private static partial Regex Expected();
}
