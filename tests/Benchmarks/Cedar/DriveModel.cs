using AuthSidecar.Cedar;

namespace Benchmarks.Cedar;

/// <summary>In the manner of Google Drive: documents lie in folders, and either can be shown to users and to groups of groups of users.</summary>
internal static class DriveModel
{
    private const string OwnersAndPublic = """
        permit (
          principal,
          action in [Action::"readDocument", Action::"writeDocument", Action::"editIsPublic", Action::"deleteDocument"],
          resource is Document)
        when { resource in principal.ownedDocuments || resource in principal.ownedFolders };

        permit (principal, action in [Action::"readFolder", Action::"createDocument", Action::"deleteFolder"], resource is Folder)
        when { resource in principal.ownedFolders };

        permit (principal, action == Action::"readDocument", resource)
        when { resource.isPublic };

        forbid (principal, action in [Action::"writeDocument", Action::"deleteDocument"], resource)
        when { resource.isLocked };

        """;

    // A view holds what was shown to its owner; a group's view lies in the views of its members.
    private const string Viewers = """
        permit (principal, action in [Action::"readDocument", Action::"readFolder"], resource)
        when { resource in principal.view };
        """;

    private const string ViewerLinks = """
        @id("viewer")
        permit (principal in ?principal, action in [Action::"readDocument", Action::"readFolder"], resource in ?resource);
        """;

    public static Model Create(int n, bool linked)
    {
        var world = new World(n);
        var policies = World.Parse(OwnersAndPublic + (linked ? ViewerLinks : Viewers));
        for (var i = 0; i < n; i++)
        {
            world.Add("User", i, [], $"""
                "ownedDocuments": [{Owned("Document")}], "ownedFolders": [{Owned("Folder")}], "view": {World.Reference("UserView", i)}
                """);
            world.Add("Group", i, []);
            world.Add("UserView", i, []);
            world.Add("GroupView", i, []);
        }

        AddMemberships(world, "User", _ => n);
        AddMemberships(world, "Group", i => i);
        AddFiles(world, policies, n, linked);
        return world.ToModel(
            policies,
            ("readDocument", "User", "Document"),
            ("writeDocument", "User", "Document"),
            ("editIsPublic", "User", "Document"),
            ("deleteDocument", "User", "Document"),
            ("readFolder", "User", "Folder"),
            ("createDocument", "User", "Folder"),
            ("deleteFolder", "User", "Folder"));

        string Owned(string type) => string.Join(',', world.SomeOf(type, n).Select(uid => $$"""{"__entity":{{uid}}}"""));
    }

    /// <summary>Views run against membership: whoever is in a group sees what the group sees.</summary>
    private static void AddMemberships(World world, string type, Func<int, int> groupsBelow)
    {
        for (var i = 0; i < world.Count; i++)
        {
            for (var group = 0; group < groupsBelow(i); group++)
            {
                if (world.Edge())
                {
                    world.AddParent(type, i, World.Uid("Group", group));
                    world.AddParent("GroupView", group, World.Uid($"{type}View", i));
                }
            }
        }
    }

    private static void AddFiles(World world, PolicySetBuilder policies, int n, bool linked)
    {
        foreach (var type in new[] { "Folder", "Document" })
        {
            for (var i = 0; i < n; i++)
            {
                var parents = world.SomeOf("Folder", type == "Folder" ? i : n).ToList();
                foreach (var viewer in new[] { "User", "Group" })
                {
                    for (var j = 0; j < n; j++)
                    {
                        if (!world.Edge())
                        {
                            continue;
                        }

                        if (linked)
                        {
                            policies.Link("viewer", $"{type}{i}-{viewer}{j}", new EntityUid(viewer, World.Id(viewer, j)), new EntityUid(type, World.Id(type, i)));
                        }
                        else
                        {
                            parents.Add(World.Uid($"{viewer}View", j));
                        }
                    }
                }

                world.Add(type, i, parents, $"""
                    "isPublic": {(world.Coin() ? "true" : "false")}, "isLocked": {(world.Edge() ? "true" : "false")}
                    """);
            }
        }
    }
}
