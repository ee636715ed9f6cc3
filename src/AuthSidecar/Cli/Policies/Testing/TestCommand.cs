using System.CommandLine;
using System.Diagnostics;
using System.Text.Json;
using AuthSidecar.Cedar;

namespace AuthSidecar.Cli.Policies.Testing;

/// <summary><c>policy test</c>: decides the requests of test files, and tells where a decision is not the expected one and what was not tested.</summary>
internal static class TestCommand
{
    public static Command Create()
    {
        var policies = new Option<string[]>("--policies") { Description = "A file of policies, in Cedar syntax or a policy set in JSON; may be repeated.", Required = true };
        var tests = new Option<string[]>("--tests") { Description = "A file of tests, a JSON array; may be repeated.", Required = true };
        var schema = new Option<string>("--schema") { Description = "The file with the schema. The policies must be valid under it, and the tests must conform to it." };
        var junit = new Option<string>("--junit") { Description = "Also write the results to this file, as JUnit's XML." };
        var least = new Option<double>("--min-coverage") { Description = "Fail when less was seen of the policies and the outcomes of their conditions, in percent. Default: 0." };
        var command = new Command("test", "Tests policies.") { policies, tests, schema, junit, least };
        command.SetAction(parsed => Failures.Guard(() =>
        {
            var schemaFile = parsed.GetValue(schema);
            var run = new TestRun(Sources.ReadPolicies(parsed.GetValue(policies)!), schemaFile is null ? null : Sources.ReadSchema(schemaFile), Console.Out);
            return run.Run(parsed.GetValue(tests)!, parsed.GetValue(junit), parsed.GetValue(least));
        }));
        return command;
    }

    /// <summary>One run of all tests.</summary>
    private sealed class TestRun(PolicySet policies, Schema? schema, TextWriter output)
    {
        private readonly Coverage _coverage = new(policies);
        private readonly List<TestResult> _results = [];

        public int Run(IEnumerable<string> files, string? junit, double leastCoverage)
        {
            if (schema is not null && new Validator(schema).Validate(policies) is { IsValid: false } invalid)
            {
                throw new UsageException(string.Join('\n', invalid.Errors.Select(e => e.Fault)));
            }

            foreach (var file in files)
            {
                RunFile(file);
            }

            var failed = _results.Count(r => r.Failure is not null);
            output.WriteLine();
            output.WriteLine($"{_results.Count - failed} passed, {failed} failed");
            _coverage.Write(output);
            if (junit is not null)
            {
                TestReport.WriteJUnit(junit, _results);
            }

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
            output.WriteLine($"{file}: {tests.Count} tests");
            for (var i = 0; i < tests.Count; i++)
            {
                var name = TestCase.NameOf(tests[i], i);
                var started = Stopwatch.GetTimestamp();
                var (failure, isError) = RunTest(tests[i], name, Path.GetDirectoryName(Path.GetFullPath(file))!);
                _results.Add(new TestResult(file, name, failure, isError, Stopwatch.GetElapsedTime(started)));
                output.WriteLine($"  {(failure is null ? "ok    " : isError ? "ERROR " : "FAILED")}  {name}{(failure is null ? "" : $": {failure}")}");
            }
        }

        private (string? Failure, bool IsError) RunTest(JsonElement json, string name, string folder)
        {
            try
            {
                var test = TestCase.Read(json, name, schema, folder);
                _coverage.Add(test.Entities, test.Request);
                var differences = string.Join("; ", test.Compare(Authorizer.IsAuthorized(policies, test.Entities, test.Request)));
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
                return json.ValueKind == JsonValueKind.Array ? [.. json.EnumerateArray()] : throw new UsageException($"{file}: expected an array of tests");
            }
            catch (JsonException e)
            {
                throw new UsageException($"{file}: this is not JSON: {e.Message}");
            }
        }
    }
}
