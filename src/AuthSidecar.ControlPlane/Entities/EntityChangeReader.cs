using AuthSidecar.ControlPlane.Publications;
using AuthSidecar.ControlPlane.V1;

namespace AuthSidecar.ControlPlane.Entities;

/// <summary>Reads changes of entities. Where two speak of the same entity, the later one counts.</summary>
internal sealed class EntityChangeReader
{
    private readonly Dictionary<EntityUid, (Entity Entity, string? Application, string? Tenant)?> _changes = [];

    public int Count => _changes.Count;

    /// <exception cref="RpcException">INVALID_ARGUMENT with every fault.</exception>
    public void Add(IReadOnlyList<StoredEntity> written, IReadOnlyList<string> removed)
    {
        var faults = new List<Fault>();
        for (var i = 0; i < written.Count; i++)
        {
            var given = written[i];
            var source = SourceText.Of(given.Json, $"entities[{i}]");
            var (application, tenant) = (RequestChecks.NameOrEmpty(given.Application, $"entities[{i}].application"),
                RequestChecks.NameOrEmpty(given.Tenant, $"entities[{i}].tenant"));
            if (Entity.TryParse(source, out var entity, out var found))
            {
                _changes[NoAdministrator(entity.Uid, $"entities[{i}]")] = (entity, given.HasApplication ? application : null,
                    given.HasTenant ? tenant : null);
            }

            faults.AddRange(found);
        }

        RequestChecks.None(faults);
        foreach (var uid in RequestChecks.Uids(removed, "removed"))
            _changes[NoAdministrator(uid, "removed")] = null;
    }

    /// <summary>An administrator is more than an entity: the key goes with it, and the tokens.</summary>
    public static EntityUid NoAdministrator(EntityUid uid, string field) =>
        uid.Type != BuiltInPolicies.AdministratorType ? uid
            : throw ApiErrors.InvalidField(field, $"{uid} is an administrator: use AdministratorService");

    /// <param name="placeOf">Where an entity is now; null: there is none. What is not said of its placement stays as it is.</param>
    public EntityChange ToChange(Func<EntityUid, Placement?> placeOf) => new(
        [.. _changes.Values.Where(c => c is not null).Select(
            c => c!.Value).Select(c => (c.Entity, PlacementOf(c, placeOf(c.Entity.Uid) ?? new Placement("", ""))))],
        [.. _changes.Where(c => c.Value is null).Select(c => c.Key)]);

    private static Placement PlacementOf((Entity Entity, string? Application, string? Tenant) given, Placement current) =>
        new(given.Application ?? current.Application, given.Tenant ?? current.Tenant);
}
