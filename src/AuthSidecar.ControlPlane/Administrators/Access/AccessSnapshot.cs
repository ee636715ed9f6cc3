namespace AuthSidecar.ControlPlane.Administrators.Access;

/// <summary>Who may administer what, as of a revision of the store. Immutable.</summary>
internal sealed record AccessSnapshot(PolicySet Policies, EntityStore Entities, Tokens.Revocations Revocations)
{
    public const string RoleType = "AuthSidecar::Role";
    public const string ApplicationType = "AuthSidecar::Application";
    private const string ActionType = "AuthSidecar::Action";

    private static readonly EntityUid AllApplications = new(ApplicationType, "");

    public bool Knows(EntityUid administrator) => Entities.TryGetEntity(administrator, out _);

    /// <summary>Whether policies allow it. What goes wrong does not.</summary>
    public bool Allows(EntityUid administrator, string action, Placement placement)
    {
        var application = new EntityUid(ApplicationType, placement.Application);
        // With whatever is known of it: a policy may forbid by an application's groups or attributes.
        var known = Entities.TryGetEntity(application, out var stored) ? stored
            : new Entity(application, ValueRecord.Empty, ValueRecord.Empty);
        Entity given = new(application, known.Attributes, known.Tags,
            [.. known.Parents, .. placement.Application.Length == 0 ? Array.Empty<EntityUid>() : [AllApplications]]);
        if (!Entities.TryUpdate([given], [], schema: null, out var entities, out _))
            return false;

        var context = ValueRecord.Create([KeyValuePair.Create("tenant", Value.Of(placement.Tenant))]);
        var response = Authorizer.IsAuthorized(
            Policies, entities, new Request(administrator, new EntityUid(ActionType, action), application, context));
        // A forbid that errs may well have forbidden.
        return response.Decision == Decision.Allow && !response.Errors.Any(e => e.Policy.Effect == Effect.Forbid);
    }
}
