namespace AuthSidecar.Cli.Policies;

/// <summary><c>policies validate</c>: checks policies against a schema, and reports faults with their positions, as compilers do.</summary>
internal static class ValidateCommand
{
    public static Command Create()
    {
        var policies = new PolicyOptions();
        var permissive = CliOption.Flag("--permissive", "Use permissive validation, not strict: report only what may err when evaluated.");
        var level = CliOption.Of<int?>(
            "--level", "LEVEL", "The maximum level: how many entity dereferences in a row a policy may make (RFC 76). Default: unlimited.");
        var failOnWarnings = Options.FailOnWarnings();
        var command = Batch.Command("validate",
            "Validate policies against a schema. `bundles validate` checks the other documents of a bundle as well.",
            "authsidecar policies validate --bundle app",
            ValidateBatch.Answer, parsed =>
            parsed.GetValue(level) is null or >= 0
                ? Validate(policies.ReadWithSchema(parsed), new ValidationOptions
                {
                    Mode = parsed.GetValue(permissive) ? ValidationMode.Permissive : ValidationMode.Strict,
                    Level = parsed.GetValue(level),
                }, parsed.GetValue(failOnWarnings))
                : throw new UsageException("--level must be 0 or more"));
        policies.AddTo(command);
        command.Add(permissive);
        command.Add(level);
        command.Add(failOnWarnings);
        return command.WithExitCodes((0, "valid"), (1, "not valid, or warnings with --fail-on-warnings"), (2, "error"));
    }

    private static int Validate(PolicyInput input, ValidationOptions options, bool isFailingOnWarnings)
    {
        var result = new Validator(input.Schema!, options).Validate(input.Policies);
        var faults = new List<Fault>();
        ContextContract.Check(input.Schema!, input.SchemaName, faults);
        var errors = faults.Select(f => f.ToString()).Concat(result.Errors.Select(Describe)).ToList();
        var warnings = result.Warnings.Select(Describe)
            .Concat(input.UnlinkedTemplates)
            .ToList();
        Print(errors, "error");
        Print(warnings, "warning");
        Console.Out.WriteLine(
            $"{(errors.Count == 0 ? "valid" : "not valid")}: {Count.Of(errors.Count, "error")}, {Count.Of(warnings.Count, "warning")}");
        return errors.Count == 0 && (warnings.Count == 0 || !isFailingOnWarnings) ? ExitCode.Success : ExitCode.Deny;
    }

    private static string Describe(ValidationFinding finding) => $"{finding.Fault} [{finding.Kind}, {finding.PolicyId}]";

    private static void Print(IEnumerable<string> findings, string kind)
    {
        foreach (var finding in findings)
            Console.Out.WriteLine($"{kind}: {finding}");
    }
}
