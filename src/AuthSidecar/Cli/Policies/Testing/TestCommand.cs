using System.Diagnostics;

namespace AuthSidecar.Cli.Policies.Testing;

/// <summary><c>policies test</c>: decides the requests of test files, and tells where a decision is not the expected one and what was not
/// tested.</summary>
internal static class TestCommand
{
    private const string TestsFolder = "tests";

    public static Command Create()
    {
        var policies = new PolicyOptions();
        var tests = CliOption.Of<string[]>("--tests", "FILE",
            $"A file of tests, a JSON array; may be repeated. Default: the `.json` files of the bundle's `{TestsFolder}` folder.");
        var junit = CliOption.Of<string>("--junit", "FILE", "Also write the results to this file, as JUnit's XML.");
        var least = CliOption.Of<double>("--min-coverage", "PERCENT",
            "Fail when less was seen of the policies and the outcomes of their conditions, in percent, 0 to 100. Default: 0.");
        least.Validators.Add(result =>
        {
            if (result.Tokens is [{ Value: var text }] && double.TryParse(text, CultureInfo.InvariantCulture, out var percent)
                && percent is not (>= 0 and <= 100))
            {
                result.AddError($"`{least.Name}` must be 0 to 100");
            }
        });
        var command = new Command("test",
            "Test policies: decide the requests of test files as a sidecar does. With a schema, the policies must be valid under it, and "
                + "the tests conform to it.") { tests, junit, least }
            .WithExamples("authsidecar policies test --bundle app --junit results.xml --min-coverage 90")
            .WithExitCodes((0, "all passed"), (1, "some failed"), (2, "error"));
        policies.AddTo(command);
        command.SetAction(parsed => CliErrors.Guard(() =>
        {
            if (parsed.GetValue(junit) is { } report && FileStatus.Of(report) is { Kind: FileKind.Regular, Length: > 0 }
                && !File.ReadLines(report).First().StartsWith('<'))
            {
                throw new UsageException($"{junit.Name}: `{report}` exists and is not a report: remove it, or specify another file");
            }

            var input = policies.Read(parsed);
            var files = parsed.GetValue(tests) is { Length: > 0 } given ? given : TestsOf(policies.FolderOf(parsed));
            return new TestRun(input, Console.Out).Run(files, parsed.GetValue(junit), parsed.GetValue(least));
        }));
        return command;
    }

    /// <summary>The tests that are kept in a bundle folder.</summary>
    /// <exception cref="UsageException">No test files found.</exception>
    private static IReadOnlyList<string> TestsOf(string? bundle)
    {
        if (bundle is null)
            throw new UsageException("--tests is required");

        var folder = Path.Combine(bundle, TestsFolder);
        string[] files = System.IO.Directory.Exists(folder)
            ? [.. System.IO.Directory.GetFiles(folder, "*.json").Order(StringComparer.Ordinal)] : [];
        return files.Length > 0 ? files : throw new UsageException($"no tests found: `{folder}` has no `.json` file; specify --tests");
    }

    /// <summary>One run of all tests.</summary>
    private sealed class TestRun(PolicyInput input, TextWriter output)
    {
        private readonly Coverage _coverage = new(input.Policies);
        private readonly EntityStore? _entities = input.ReadBundleEntities();
        private readonly List<TestResult> _results = [];

        public int Run(IEnumerable<string> files, string? junit, double leastCoverage)
        {
            if (input.Schema is { } schema && new Validator(schema).Validate(input.Policies) is { IsValid: false } invalid)
                throw new UsageException(string.Join('\n', invalid.Errors.Select(e => e.Fault)));

            foreach (var file in files)
                RunFile(file);

            var failed = _results.Count(r => r.Failure is not null);
            output.WriteLine();
            output.WriteLine($"{_results.Count - failed} passed, {failed} failed");
            _coverage.Write(output);
            if (junit is not null)
                TestReport.WriteJUnit(junit, _results);

            if (_coverage.Percent < leastCoverage)
            {
                output.WriteLine($"coverage is less than {leastCoverage} %");
                return ExitCode.Deny;
            }

            return failed == 0 ? ExitCode.Success : ExitCode.Deny;
        }

        private void RunFile(string file)
        {
            var tests = Parse(file);
            output.WriteLine($"{file}: {Count.Of(tests.Count, "test")}");
            for (var i = 0; i < tests.Count; i++)
            {
                var name = TestCase.NameOf(tests[i], i);
                var started = Stopwatch.GetTimestamp();
                var (failure, isError) = RunTest(tests[i], name, Path.GetDirectoryName(Path.GetFullPath(file))!);
                _results.Add(new TestResult(file, name, failure, isError, Stopwatch.GetElapsedTime(started)));
                output.WriteLine(
                    $"  {(failure is null ? "ok    " : isError ? "ERROR " : "FAILED")}  {name}{(failure is null ? "" : $": {failure}")}");
            }
        }

        private (string? Failure, bool IsError) RunTest(JsonElement json, string name, string folder)
        {
            try
            {
                var test = TestCase.Read(json, name, input.Schema, _entities, folder);
                _coverage.Add(test.Entities, test.Request);
                var differences = string.Join(
                    "; ", test.Compare(Authorizer.IsAuthorized(input.Policies, test.Entities, test.Request), input.Rules));
                return (differences.Length == 0 ? null : differences, false);
            }
            catch (Exception e) when (e is UsageException or IOException or UnauthorizedAccessException)
            {
                return (e.Message, true);
            }
        }

        private static List<JsonElement> Parse(string file)
        {
            try
            {
                var json = JsonElement.Parse(File.ReadAllBytes(file));
                return json.ValueKind == JsonValueKind.Array && json.GetArrayLength() > 0 ? [.. json.EnumerateArray()]
                    : throw new UsageException($"{file}: expected an array of at least one test");
            }
            catch (JsonException e)
            {
                throw new UsageException($"{file}: invalid JSON: {e.Message}");
            }
        }
    }
}
