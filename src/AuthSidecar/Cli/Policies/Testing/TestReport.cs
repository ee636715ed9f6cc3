using System.Xml;

namespace AuthSidecar.Cli.Policies.Testing;

/// <summary>How a test came out.</summary>
/// <param name="File">The file it is in.</param>
/// <param name="Name">What it is called.</param>
/// <param name="Failure">In what it failed; null: it passed.</param>
/// <param name="IsError">Whether there is no answer to compare, because the test cannot be read.</param>
/// <param name="Duration">How long it took.</param>
internal sealed record TestResult(string File, string Name, string? Failure, bool IsError, TimeSpan Duration);

/// <summary>Results as JUnit's XML, which build servers read.</summary>
internal static class TestReport
{
    public static void WriteJUnit(string path, IReadOnlyList<TestResult> results)
    {
        using var xml = XmlWriter.Create(
            path, new XmlWriterSettings { Indent = true, Encoding = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false) });
        xml.WriteStartElement("testsuites");
        foreach (var suite in results.GroupBy(r => r.File))
        {
            xml.WriteStartElement("testsuite");
            xml.WriteAttributeString("name", Printable(suite.Key));
            xml.WriteAttributeString("tests", Number(suite.Count()));
            xml.WriteAttributeString("failures", Number(suite.Count(r => r.Failure is not null && !r.IsError)));
            xml.WriteAttributeString("errors", Number(suite.Count(r => r.IsError)));
            xml.WriteAttributeString("time", Seconds(suite.Sum(r => r.Duration.TotalSeconds)));
            foreach (var result in suite)
                Write(xml, result);

            xml.WriteEndElement();
        }

        xml.WriteEndElement();
    }

    private static void Write(XmlWriter xml, TestResult result)
    {
        xml.WriteStartElement("testcase");
        xml.WriteAttributeString("classname", Printable(Path.GetFileNameWithoutExtension(result.File)));
        xml.WriteAttributeString("name", Printable(result.Name));
        xml.WriteAttributeString("time", Seconds(result.Duration.TotalSeconds));
        if (result.Failure is { } failure)
        {
            xml.WriteStartElement(result.IsError ? "error" : "failure");
            xml.WriteAttributeString("message", Printable(failure));
            xml.WriteEndElement();
        }

        xml.WriteEndElement();
    }

    private static string Number(int number) => number.ToString(CultureInfo.InvariantCulture);
    private static string Seconds(double seconds) => seconds.ToString("F3", CultureInfo.InvariantCulture);

    /// <summary>XML has no way to say some characters, not even escaped.</summary>
    private static string Printable(string text) => string.Concat(
        text.EnumerateRunes().Select(r => r.IsBmp && !XmlConvert.IsXmlChar((char)r.Value) ? "\uFFFD" : r.ToString()));
}
