using AuthSidecar.ControlPlane.V1;
using Grpc.Net.Client;

namespace AuthSidecar.ControlPlane.Cli;

/// <summary>The commands about what an entity is a member of.</summary>
internal static class MembershipCommands
{
    /// <summary><c>authsidecar-control memberships</c>.</summary>
    public static Command Memberships()
    {
        var entity = new Argument<string>("entity") { Description = "The entity, as in Cedar: 'User::\"alice\"'." };
        var groups = new Argument<string[]>("group")
        {
            Description = "A group or role, as in Cedar: 'Role::\"admin\"'.",
            Arity = ArgumentArity.OneOrMore,
        };
        return new Command("memberships", "Add and remove group and role memberships of entities.")
        {
            AdminCommand.Create(
                "add",
                "Add an entity to groups and roles, and print the revision.",
                "authsidecar-control memberships add 'User::\"alice\"' 'Role::\"admin\"'",
                [entity, groups],
                (parsed, channel, output, cancellation) => ChangeAsync(channel, new ChangeMembershipsRequest
                {
                    Entity = parsed.GetValue(entity)!,
                    Added = { parsed.GetValue(groups)! },
                }, output, cancellation)),
            AdminCommand.Create(
                "remove",
                "Remove an entity from groups and roles, and print the revision.",
                "authsidecar-control memberships remove 'User::\"alice\"' 'Role::\"admin\"'",
                [entity, groups],
                (parsed, channel, output, cancellation) => ChangeAsync(channel, new ChangeMembershipsRequest
                {
                    Entity = parsed.GetValue(entity)!,
                    Removed = { parsed.GetValue(groups)! },
                }, output, cancellation))
                .WithExitCodes((0, "success"), (AdminCommand.Faulty, "not a direct member of one of the groups"), (2, "error")),
        };
    }

    /// <summary>Changes, and prints the revision. To remove a membership that there is not is a mistyped name, as a rule: whoever does it
    /// believes afterwards that access was taken away.</summary>
    private static async Task<int> ChangeAsync(
        GrpcChannel channel, ChangeMembershipsRequest request, TextWriter output, CancellationToken cancellation)
    {
        var response = await new EntityService.EntityServiceClient(channel)
            .ChangeMembershipsAsync(request, cancellationToken: cancellation);
        output.WriteLine(response.Revision);
        if (request.Removed.Count == 0 || response.Unchanged.Count == 0)
            return 0;

        foreach (var group in response.Unchanged)
            Console.Error.WriteLine($"authsidecar-control: {request.Entity} is not a direct member of {group}");

        return AdminCommand.Faulty;
    }
}
