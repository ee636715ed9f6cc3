using AuthSidecar.Cedar;

namespace Benchmarks.Cedar;

/// <summary>In the manner of GitHub: a repository has five roles, each holding the one below, given to users, to teams of teams, and to organizations.</summary>
internal static class GitHubModel
{
    private static readonly string[] Roles = ["readers", "triagers", "writers", "maintainers", "admins"];

    private static readonly (string Action, string Role)[] Actions =
    [
        ("pull", "readers"), ("fork", "readers"), ("assign_issue", "triagers"), ("push", "writers"), ("edit_issue", "writers"),
        ("delete_issue", "maintainers"), ("add_reader", "admins"), ("add_writer", "admins"),
    ];

    public static Model Create(int n, bool linked)
    {
        var world = new World(n);
        var policies = World.Parse(linked ? Templates() : Policies());
        for (var i = 0; i < n; i++)
        {
            world.Add("User", i, world.SomeOf("Team", n).Concat(world.SomeOf("Organization", n)));
            world.Add("Team", i, world.SomeOf("Team", i));
            world.Add("Organization", i, []);
        }

        for (var i = 0; i < n; i++)
        {
            AddRepository(world, policies, i, linked);
        }

        return world.ToModel(policies, [.. Actions.Select(a => (a.Action, "User", "Repository"))]);
    }

    private static string Policies() => string.Join('\n', Actions.Select(a => $$"""
        permit (principal, action == Action::"{{a.Action}}", resource)
        when { principal in resource.{{a.Role}} };
        """));

    private static string Templates() => string.Join('\n', Roles.Select((role, rank) => $$"""
        @id("{{role}}")
        permit (
          principal in ?principal,
          action in [{{string.Join(", ", Actions.Where(a => Array.IndexOf(Roles, a.Role) <= rank).Select(a => $"Action::\"{a.Action}\""))}}],
          resource == ?resource);
        """));

    private static void AddRepository(World world, PolicySetBuilder policies, int i, bool linked)
    {
        if (linked)
        {
            world.Add("Repository", i, []);
        }
        else
        {
            // A role is a group of the repository's own, a member of the one below.
            world.Add("Repository", i, [], string.Join(',', Roles.Select((role, rank) => $"\"{role}\":{World.Reference("Role", RoleOf(i, rank))}")));
            for (var rank = 0; rank < Roles.Length; rank++)
            {
                world.Add("Role", RoleOf(i, rank), rank == 0 ? [] : [World.Uid("Role", RoleOf(i, rank - 1))]);
            }
        }

        foreach (var holder in new[] { "User", "Team", "Organization" })
        {
            for (var j = 0; j < world.Count; j++)
            {
                if (!world.Edge())
                {
                    continue;
                }

                var rank = Array.IndexOf(Roles, world.Choose(Roles));
                if (linked)
                {
                    policies.Link(Roles[rank], $"{i}-{holder}{j}", new EntityUid(holder, World.Id(holder, j)), new EntityUid("Repository", World.Id("Repository", i)));
                }
                else
                {
                    world.AddParent(holder, j, World.Uid("Role", RoleOf(i, rank)));
                }
            }
        }
    }

    private static int RoleOf(int repository, int rank) => (repository * Roles.Length) + rank;
}
