using System.CommandLine;
using AuthSidecar.Cedar;

namespace AuthSidecar.Cli.Policies;

/// <summary><c>policy validate</c>: checks files of policies against a schema, and tells like a compiler what is wrong where.</summary>
internal static class ValidateCommand
{
    public static Command Create()
    {
        var policies = new Option<string[]>("--policies") { Description = "A file of policies, in Cedar syntax or a policy set in JSON; may be repeated." };
        var schema = new Option<string>("--schema") { Description = "The file with the schema, in Cedar syntax or in JSON." };
        var permissive = new Option<bool>("--permissive") { Description = "Mind only what cannot be evaluated; without it validation is strict." };
        var level = new Option<int?>("--level") { Description = "How many entities in a row a policy may look into. Default: however many." };
        var command = Batch.Command("validate", "Checks policies against a schema.", ValidateBatch.Answer, parsed =>
            parsed.GetValue(schema) is { } schemaFile && parsed.GetValue(policies) is { Length: > 0 } files && parsed.GetValue(level) is null or >= 0
                ? Validate(files, schemaFile, new ValidationOptions { Mode = parsed.GetValue(permissive) ? ValidationMode.Permissive : ValidationMode.Strict, Level = parsed.GetValue(level) })
                : throw new UsageException("give --policies and --schema, or --batch; a --level is 0 or more"));
        command.Add(policies);
        command.Add(schema);
        command.Add(permissive);
        command.Add(level);
        return command;
    }

    private static int Validate(IEnumerable<string> files, string schemaFile, ValidationOptions options)
    {
        var schema = Sources.Read(schemaFile);
        var validator = new Validator(Sources.ParseSchema(schema, Sources.IsJson(schema)), options);
        int errors = 0, warnings = 0;
        foreach (var file in files)
        {
            var source = Sources.Read(file);
            var result = validator.Validate(Sources.ParsePolicies(source, Sources.IsJson(source)));
            Print(result.Errors, "error");
            Print(result.Warnings, "warning");
            errors += result.Errors.Count;
            warnings += result.Warnings.Count;
        }

        Console.Out.WriteLine($"{(errors == 0 ? "valid" : "not valid")}: {errors} errors, {warnings} warnings");
        return errors == 0 ? ExitCode.Success : ExitCode.Deny;
    }

    private static void Print(IEnumerable<ValidationFinding> findings, string kind)
    {
        foreach (var finding in findings)
        {
            Console.Out.WriteLine($"{kind}: {finding.Fault} [{finding.Kind}, {finding.PolicyId}]");
        }
    }
}
