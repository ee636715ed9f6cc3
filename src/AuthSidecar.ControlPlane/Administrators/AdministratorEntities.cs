using AuthSidecar.ControlPlane.Administrators.Access;
using AuthSidecar.ControlPlane.Entities;
using AuthSidecar.ControlPlane.Publications;
using AuthSidecar.ControlPlane.V1;

namespace AuthSidecar.ControlPlane.Administrators;

/// <summary>Administrators as entities that policies speak of, and back.</summary>
internal static class AdministratorEntities
{
    private const string Applications = "applications";
    private const string Tenants = "tenants";

    public static Entity ToEntity(Administrator administrator)
    {
        // Confined to none is not confined: an empty set would be to nothing at all.
        var attributes = new ValueRecordBuilder(2);
        if (administrator.Applications.Count > 0)
        {
            attributes.Add(
                Applications, SetOf(administrator.Applications.Select(a => Value.Of(new EntityUid(AccessSnapshot.ApplicationType, a)))));
        }

        if (administrator.Tenants.Count > 0)
            attributes.Add(Tenants, SetOf(administrator.Tenants.Select(Value.Of)));

        return new Entity(
            new EntityUid(BuiltInPolicies.AdministratorType, administrator.Name),
            attributes.ToRecord(),
            ValueRecord.Empty,
            [.. administrator.Roles.Select(r => new EntityUid(AccessSnapshot.RoleType, r))]);
    }

    /// <param name="jwks">Its keys.</param>
    /// <param name="revision">The row's.</param>
    public static Administrator Read(EntityRow row, string jwks, Revision revision)
    {
        var administrator = new Administrator { Name = row.Id, Jwks = jwks, Revision = revision == default ? "" : revision.ToString() };
        if (!Entity.TryParse(SourceText.Of(row.Json, row.Id), out var entity, out var faults))
            throw new InvalidDataException($"failed to read the administrator `{row.Id}`: {faults[0]}");

        foreach (var parent in entity.Parents)
            administrator.Roles.Add(parent.Id);

        administrator.Applications.AddRange(
            ItemsOf(entity, Applications).Select(v => v.TryGet(out EntityUid? uid) ? uid.Id : v.ToString()));
        administrator.Tenants.AddRange(ItemsOf(entity, Tenants).Select(v => v.TryGet(out string? text) ? text : v.ToString()));
        return administrator;
    }

    private static Value SetOf(IEnumerable<Value> values) => Value.Of(ValueSet.Create([.. values]));

    private static IEnumerable<Value> ItemsOf(Entity entity, string name) =>
        entity.Attributes.TryGet(name, out var value) && value.TryGet(out ValueSet? set) ? set.Items.ToArray() : [];
}
