using AuthSidecar.ControlPlane.Entities;
using AuthSidecar.ControlPlane.Identity.Clients;
using AuthSidecar.ControlPlane.Identity.Sessions;
using AuthSidecar.ControlPlane.Publications;
using AuthSidecar.ControlPlane.V1;

namespace AuthSidecar.ControlPlane.Administrators;

/// <summary>Adds administrators and takes them away: an entity of our own application, which policies speak of, and a client with a key,
/// which gets tokens.</summary>
internal sealed class AdministratorAccounts(ControlStore store, EntityWriter directory, EntityCache state, TimeProvider time)
{
    private const string Owner = "owner";
    private const int CodeBytes = 32;

    /// <summary>For how long a code to claim the control plane with is good.</summary>
    public static readonly TimeSpan CodeLifetime = TimeSpan.FromHours(1);

    /// <summary>Makes a code for whoever is to be the first administrator; null when there is one.</summary>
    /// <param name="previous">The code that this node created before, which is revoked; null: none.</param>
    public async Task<string?> TryCreateCodeAsync(string? previous, CancellationToken cancellation)
    {
        if (await store.ReadAsync((context, _) => AnyAsync(context, cancellation), cancellation))
            return null;

        var code = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(CodeBytes));
        var expires = (time.GetUtcNow() + CodeLifetime).ToUnixTimeMilliseconds();
        var ended = previous is null ? null : TextHash.Of(previous);
        await store.WriteAsync(
            "system",
            async transaction =>
            {
                await transaction.Context.BootstrapCodes.Where(c => c.CodeSha256 == ended).ExecuteDeleteAsync(cancellation);
                transaction.Context.BootstrapCodes.Add(new BootstrapCodeRow { CodeSha256 = TextHash.Of(code), ExpiresAtMs = expires });
                transaction.Audit("bootstrap-code.create", "first administrator", Placement.ControlPlane, before: null, after: null);
                return null;
            },
            cancellation);
        return code;
    }

    /// <summary>Whether somebody can become the first administrator with this code.</summary>
    public Task<bool> IsGoodAsync(string code, CancellationToken cancellation)
    {
        var hash = TextHash.Of(code);
        return store.ReadAsync((context, _) => IsGoodAsync(context, hash, cancellation), cancellation);
    }

    /// <summary>Makes the first administrator; null when the code is not, or no longer, good.</summary>
    public async Task<WriteResult?> TryBootstrapAsync(string code, string name, string jwks, CancellationToken cancellation)
    {
        var hash = TextHash.Of(code);
        var result = await store.WriteAsync(
            $"administrator:{name}",
            async transaction =>
            {
                await state.CatchUpAsync(transaction.Context, cancellation);
                if (!await IsGoodAsync(transaction.Context, hash, cancellation))
                    return new Refusal.NotFound("code");

                return await WriteAsync(transaction, "administrators.bootstrap",
                    new Administrator { Name = name, Roles = { Owner }, Jwks = jwks }, cancellation);
            },
            cancellation);
        return result.Refusal is Refusal.NotFound ? null : result;
    }

    /// <summary>Adds an administrator, or changes it.</summary>
    /// <param name="actor">Who writes.</param>
    /// <param name="name">Which administrator.</param>
    /// <param name="change">What is to become of what there is, which may be null.</param>
    /// <param name="expectedRevision">The administrator's, the default where there is none; null: whatever it is.</param>
    public Task<WriteResult> WriteAsync(string actor, string name, Func<Administrator?, Administrator> change, Revision? expectedRevision,
        CancellationToken cancellation) => store.WriteAsync(
        actor,
        async transaction =>
        {
            await state.CatchUpAsync(transaction.Context, cancellation);
            var row = await Of(transaction.Context).SingleOrDefaultAsync(e => e.Id == name, cancellation);
            var before = row is null ? null : AdministratorEntities.Read(
                row, await ClientRecords.FindKeysAsync(transaction.Context, name, cancellation) ?? "", revision: default);
            return transaction.Expect(expectedRevision, row?.Revision ?? 0)
                ?? await WriteAsync(transaction, "administrators.write", change(before), cancellation)
                ?? transaction.RequireChange(row?.Revision ?? 0);
        },
        cancellation);

    public Task<WriteResult> RemoveAsync(string actor, string name, CancellationToken cancellation) => store.WriteAsync(
        actor,
        async transaction =>
        {
            await state.CatchUpAsync(transaction.Context, cancellation);
            if (!state.TryGetPlace(UidOf(name), out _, out _))
                return new Refusal.NotFound($"administrator `{name}`");

            await ClientRecords.RemoveAsync(transaction.Context, name, cancellation);
            await TokenRevocations.SubjectAsync(transaction, Placement.ControlPlaneApplication, name, cancellation);
            transaction.Audit("administrators.remove", name, Placement.ControlPlane, before: null, after: null);
            return await directory.ApplyAsync(transaction, (_, _) => true, new EntityChange([], [UidOf(name)]), cancellation);
        },
        cancellation);

    public Task<List<Administrator>> ListAsync(CancellationToken cancellation) => store.ReadAsync(
        async (context, _) =>
        {
            var rows = await Of(context).OrderBy(e => e.Id).ToListAsync(cancellation);
            var keys = await ClientRecords.KeysOfAsync(context, [.. rows.Select(r => r.Id)], cancellation);
            return rows.ConvertAll(r => AdministratorEntities.Read(r, keys.GetValueOrDefault(r.Id, ""), store.At(r.Revision)));
        },
        cancellation);

    private async Task<Refusal?> WriteAsync(
        StoreTransaction transaction, string action, Administrator administrator, CancellationToken cancellation)
    {
        if (await ClientRecords.IsOfAnotherAsync(transaction.Context, administrator.Name, Placement.ControlPlaneApplication, cancellation))
            return new Refusal.AlreadyThere($"client `{administrator.Name}` of an application");

        if (await FindUnknownRoleAsync(transaction.Context, administrator, cancellation) is { } fault)
            return new Refusal.Invalid([fault]);

        // Whoever made the first one, no code is good any more, whatever becomes of them.
        await transaction.Context.BootstrapCodes.ExecuteDeleteAsync(cancellation);
        var keys = await ClientRecords.FindKeysAsync(transaction.Context, administrator.Name, cancellation);
        if (keys is not null && keys != administrator.Jwks)
        {
            // A key is replaced because somebody else may have it: what it bought goes with it.
            await TokenRevocations.SubjectAsync(transaction, Placement.ControlPlaneApplication, administrator.Name, cancellation);
        }

        if (keys != administrator.Jwks)
        {
            await ClientRecords.WriteAdministratorAsync(transaction.Context, administrator.Name, administrator.Jwks, cancellation);
            transaction.Audit(action, administrator.Name, Placement.ControlPlane, keys, administrator.Jwks);
        }

        return await directory.ApplyAsync(transaction, (_, _) => true,
            new EntityChange([(AdministratorEntities.ToEntity(administrator), Placement.ControlPlane)], []), cancellation);
    }

    /// <summary>A role that no policy knows, which would give no permission. Of policies that were published for the control plane nobody
    /// can tell: roles may be members of others.</summary>
    private static async Task<Fault?> FindUnknownRoleAsync(
        StoreContext context, Administrator administrator, CancellationToken cancellation) =>
        administrator.Roles.FirstOrDefault(r => !BuiltInPolicies.Roles.Contains(r, StringComparer.Ordinal)) is { } unknown
        && !await context.Publications.AnyAsync(
            p => p.Application == Placement.ControlPlaneApplication && p.Type == DataType.Policies, cancellation)
            ? new Fault("administrator.roles", 0, 0, $"unknown role `{unknown}`",
                new Suggestions().For(unknown, BuiltInPolicies.Roles) ?? $"known roles: {string.Join(", ", BuiltInPolicies.Roles)}")
            : null;

    private async Task<bool> IsGoodAsync(StoreContext context, string hash, CancellationToken cancellation)
    {
        var now = time.GetUtcNow().ToUnixTimeMilliseconds();
        return await context.BootstrapCodes.AnyAsync(c => c.CodeSha256 == hash && c.ExpiresAtMs > now, cancellation)
            && !await AnyAsync(context, cancellation);
    }

    private static Task<bool> AnyAsync(StoreContext context, CancellationToken cancellation) => Of(context).AnyAsync(cancellation);

    private static IQueryable<EntityRow> Of(StoreContext context) =>
        context.Entities.Where(e => e.Type == BuiltInPolicies.AdministratorType && e.Application == Placement.ControlPlaneApplication
            && e.Tenant == "" && !e.IsRemoved);

    private static EntityUid UidOf(string name) => new(BuiltInPolicies.AdministratorType, name);
}
