using AuthSidecar.Cedar;

namespace Benchmarks.Cedar;

/// <summary>
/// An application with its policies, a random world of entities, and questions about them, in the manner of the evaluation in Cutler et al.,
/// "Cedar: A New Language for Expressive, Fast, Safe, and Analyzable Authorization", OOPSLA 2024: N entities of every kind, any edge that may
/// be there is there with a probability of 1/20, and the questions are spread evenly over all that make sense.
/// </summary>
/// <param name="Policies">The policies.</param>
/// <param name="Entities">The entities.</param>
/// <param name="Questions">Questions, in no order.</param>
internal sealed record Model(PolicySet Policies, EntityStore Entities, IReadOnlyList<Question> Questions)
{
    public const int QuestionCount = 2000;

    public static readonly string[] Names = ["drive", "github", "todo", "drive-links", "github-links"];

    public static Model Create(string name, int n) => name switch
    {
        "drive" => DriveModel.Create(n, linked: false),
        "drive-links" => DriveModel.Create(n, linked: true),
        "github" => GitHubModel.Create(n, linked: false),
        "github-links" => GitHubModel.Create(n, linked: true),
        "todo" => TodoModel.Create(n),
        _ => throw new ArgumentOutOfRangeException(nameof(name), name, null),
    };
}

/// <summary>A request, all in strings: as it comes from outside.</summary>
internal readonly record struct Question(string PrincipalType, string Principal, string Action, string ResourceType, string Resource);

/// <summary>Makes a world: entities with random edges, and questions about them.</summary>
internal sealed class World(int n)
{
    // The same world every time.
    private readonly Random _random = new(20241020);
    private readonly Dictionary<string, (List<string> Parents, string Attributes)> _entities = [];

    public int Count => n;

    /// <summary>Whether an edge is there.</summary>
    public bool Edge() => _random.NextDouble() < 0.05;

    public bool Coin() => _random.Next(2) == 0;

    public T Choose<T>(IReadOnlyList<T> items) => items[_random.Next(items.Count)];

    /// <summary>A random choice of the entities <c>type_0</c> to <c>type_(below - 1)</c>, as elements of a JSON array.</summary>
    public IEnumerable<string> SomeOf(string type, int below) => Enumerable.Range(0, below).Where(_ => Edge()).Select(i => Uid(type, i)).ToList();

    public static string Id(string type, int i) => $"{type.ToLowerInvariant()}_{i}";

    public static string Uid(string type, int i) => $$"""{"type":"{{type}}","id":"{{Id(type, i)}}"}""";

    public static string Reference(string type, int i) => $$"""{"__entity":{{Uid(type, i)}}}""";

    public void Add(string type, int i, IEnumerable<string> parents, string attributes = "") => _entities.Add(Uid(type, i), ([.. parents], attributes));

    /// <summary>Makes an entity, which was added before, a member of something more.</summary>
    public void AddParent(string type, int i, string parent) => _entities[Uid(type, i)].Parents.Add(parent);

    private string ToJson() => $"[{string.Join(',', _entities.Select(e =>
        $$"""{ "uid": {{e.Key}}, "parents": [{{string.Join(',', e.Value.Parents)}}], "attrs": { {{e.Value.Attributes}} } }"""))}]";

    public Model ToModel(PolicySetBuilder policies, params (string Action, string PrincipalType, string ResourceType)[] actions)
    {
        var set = policies.TryBuild(out var built, out var faults) ? built : throw new InvalidOperationException(faults[0].ToString());
        foreach (var (action, _, _) in actions)
        {
            _entities.Add($$"""{ "type": "Action", "id": "{{action}}" }""", ([], ""));
        }

        var store = EntityStore.TryParse(SourceText.Of(ToJson()), out var parsed, out faults)
            ? parsed
            : throw new InvalidOperationException(faults[0].ToString());
        var questions = new List<Question>();
        for (var i = 0; i < Model.QuestionCount; i++)
        {
            var (action, principal, resource) = Choose(actions);
            questions.Add(new Question(principal, Id(principal, _random.Next(n)), action, resource, Id(resource, _random.Next(n))));
        }

        return new Model(set, store, questions);
    }

    public static PolicySetBuilder Parse(string policies)
    {
        var builder = new PolicySetBuilder();
        builder.Add(SourceText.Of(policies), (i, annotations) => annotations.Count > 0 ? annotations[0].Value! : $"policy{i}");
        return builder;
    }
}
