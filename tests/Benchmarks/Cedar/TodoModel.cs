namespace Benchmarks.Cedar;

/// <summary>In the manner of TinyTodo: a list has an owner, and a team that may read it and one that may change it.</summary>
internal static class TodoModel
{
    private const string Policies = """
        permit (principal, action in [Action::"createList", Action::"getLists"], resource == Application::"application_0");

        permit (principal, action, resource is List)
        when { resource.owner == principal };

        permit (principal, action == Action::"getList", resource is List)
        when { principal in resource.readers || principal in resource.editors };

        permit (
          principal,
          action in [Action::"updateList", Action::"createTask", Action::"updateTask", Action::"deleteTask"],
          resource is List)
        when { principal in resource.editors };
        """;

    public static Model Create(int n)
    {
        var world = new World(n);
        var all = Enumerable.Range(0, n).ToList();
        for (var i = 0; i < n; i++)
        {
            world.Add("User", i, world.SomeOf("Team", n).Append("""{"type":"Application","id":"application_0"}"""));
            world.Add("Team", i, world.SomeOf("Team", i));
            var tasks = Enumerable.Range(0, world.Choose(all)).Select(t => $$"""{ "name": "task {{t}}", "id": {{t}}, "isDone": {{(world.Coin() ? "true" : "false")}} }""");
            world.Add("List", i, [], $"""
                "name":"list {i}","owner":{World.Reference("User", world.Choose(all))},"readers":{World.Reference("Team", world.Choose(all))},
                "editors":{World.Reference("Team", world.Choose(all))},"tasks":[{string.Join(',', tasks)}]
                """);
        }

        world.Add("Application", 0, []);
        return world.ToModel(
            World.Parse(Policies),
            [.. new[] { "getList", "updateList", "deleteList", "createTask", "updateTask", "deleteTask", "editShares" }.Select(a => (a, "User", "List"))]);
    }
}
