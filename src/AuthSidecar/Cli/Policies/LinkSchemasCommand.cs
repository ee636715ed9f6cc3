namespace AuthSidecar.Cli.Policies;

/// <summary><c>policies link-schemas</c>: makes one schema of several that declare each other's entity types and actions as
/// <c>external</c>.</summary>
internal static class LinkSchemasCommand
{
    public static Command Create()
    {
        var files = new Argument<string[]>("file")
        {
            Description = "The files with the schemas, in Cedar syntax or in JSON.",
            Arity = ArgumentArity.OneOrMore,
        };
        var command = new Command("link-schemas",
            "Link schemas with `external` declarations (RFC 116), and print the resulting schema in Cedar syntax.") { files }
            .WithExamples("authsidecar policies link-schemas users.cedarschema documents.cedarschema");
        command.SetAction(parsed => CliErrors.Guard(() =>
        {
            var linked = Sources.Link([.. parsed.GetValue(files)!.Select(Sources.ReadPartialSchema)]);
            Console.Out.Write(linked.ToString());
            foreach (var external in linked.ExternalEntityTypes.Concat(linked.ExternalActions.Select(a => a.ToString())))
                Console.Error.WriteLine($"warning: `{external}` is external, and none of these schemas defines it");

            return ExitCode.Success;
        }));
        return command;
    }
}
