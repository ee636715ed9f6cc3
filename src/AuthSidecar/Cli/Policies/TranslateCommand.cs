namespace AuthSidecar.Cli.Policies;

/// <summary><c>policies translate</c>: policies and schemas between Cedar syntax and Cedar's JSON formats. What a file is in, its first
/// character tells.</summary>
internal static class TranslateCommand
{
    public static Command Create()
    {
        var policies = CliOption.Of<string>("--policies", "FILE", "A file of policies, in Cedar syntax or a policy set in JSON.");
        var schema = CliOption.Of<string>("--schema", "FILE", "A file with a schema, in Cedar syntax or in JSON.");
        var compat = CompatOption.Create(ofBundle: false);
        var command = new Command("translate", "Translate policies or a schema from Cedar syntax to JSON, or from JSON to Cedar syntax.")
        {
            policies, schema, compat,
        }.WithExamples("authsidecar policies translate --schema app/schema.cedarschema");
        command.SetAction(parsed => CliErrors.Guard(() =>
        {
            Console.Out.WriteLine((parsed.GetValue(policies), parsed.GetValue(schema)) switch
            {
                ({ } file, null) => TranslatePolicies(file, CompatOption.Read(parsed, compat) ?? CedarReleases.Latest),
                (null, { } file) when parsed.GetValue(compat) is null => TranslateSchema(file),
                (null, { }) => throw new UsageException($"{compat.Name} is for policies: schemas are the same in all releases"),
                _ => throw new UsageException("specify either --policies or --schema"),
            });
            return ExitCode.Success;
        }));
        return command;
    }

    private static string TranslatePolicies(string file, CedarRelease release)
    {
        var source = Sources.Read(file);
        var isJson = Sources.IsJson(source);
        var policies = Sources.ParsePolicies(source, isJson, release);
        if (!isJson)
            return policies.ToJson();

        // Cedar syntax has no links: they stay what only JSON can say.
        return policies.Policies.All(p => p.TemplateId is null)
            ? string.Join('\n', policies.Policies.Select(p => p.ToString()).Concat(policies.Templates.Select(t => t.ToString())))
            : throw new UsageException($"{file}: the policy set has links, for which Cedar has no syntax");
    }

    private static string TranslateSchema(string file)
    {
        var source = Sources.Read(file);
        var isJson = Sources.IsJson(source);
        var schema = Sources.Complete(Sources.ParsePartialSchema(source, isJson));
        return isJson ? schema.ToString().TrimEnd() : schema.ToJson();
    }
}
