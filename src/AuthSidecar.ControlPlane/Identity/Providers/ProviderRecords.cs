using AuthSidecar.ControlPlane.V1;

namespace AuthSidecar.ControlPlane.Identity.Providers;

/// <summary>Providers as they are in the store, their secrets under a data key.</summary>
internal static class ProviderRecords
{
    /// <summary>Every provider, by id.</summary>
    public static Task<List<ProviderRow>> ListAsync(StoreContext context, CancellationToken cancellation) =>
        context.Providers.AsNoTracking().OrderBy(u => u.Id).ToListAsync(cancellation);

    /// <summary>One provider, with the name that it is called by.</summary>
    public static IdentityProvider Read(ProviderRow row)
    {
        var provider = IdentityProvider.Parser.ParseJson(row.Json);
        provider.DisplayName = provider.HasDisplayName ? provider.DisplayName : ProviderKinds.NameOf(provider);
        return provider;
    }

    public static string SecretOf(ProviderRow row, SecretStore secrets) => Encoding.UTF8.GetString(
        secrets.Open(row.Sealed, PurposeOf(row.Id)));

    /// <summary>Writes one.</summary>
    /// <param name="id">Which.</param>
    /// <param name="change">What is to become of what there is, which may be null.</param>
    /// <param name="secret">Its secret; null: the stored secret is kept.</param>
    /// <param name="expected">The revision that there is to be; null: whatever it is.</param>
    /// <param name="secrets">What seals it.</param>
    public static async Task<Refusal?> WriteAsync(
        StoreTransaction transaction, string id, Func<IdentityProvider?, IdentityProvider> change, string? secret, Revision? expected,
        SecretStore secrets, CancellationToken cancellation)
    {
        var row = await transaction.Context.Providers.SingleOrDefaultAsync(u => u.Id == id, cancellation);
        if (transaction.Expect(expected, row?.Revision ?? 0) is { } stale)
            return stale;

        var provider = change(row is null ? null : IdentityProvider.Parser.ParseJson(row.Json));
        // It is new, or somewhere else than the one that the secret was given for.
        if (secret is null && (row is null || !ProviderKinds.AreAlike(Read(row), provider)))
            return new Refusal.Invalid([new Fault("client_secret", 0, 0, "required: no previous secret for this provider")]);

        var (before, json) = (row?.Json, JsonFormatter.Default.Format(provider));
        if (secret is null && before == json)
            return new Refusal.NothingToDo(row!.Revision);

        var sealedSecret = secret is null ? row!.Sealed : secrets.Seal(Encoding.UTF8.GetBytes(secret), PurposeOf(id));
        if (row is null)
        {
            transaction.Context.Providers.Add(
                new ProviderRow { Id = provider.Id, Json = json, Sealed = sealedSecret, Revision = transaction.Revision });
        }
        else
        {
            (row.Json, row.Sealed, row.Revision) = (json, sealedSecret, transaction.Revision);
        }

        transaction.Audit(secret is null ? "identity-providers.write" : "identity-providers.write-with-secret", id, Placement.ControlPlane,
            before, json);
        return null;
    }

    /// <summary>Takes one away; false when there is none.</summary>
    public static async Task<bool> TryRemoveAsync(StoreTransaction transaction, string id, CancellationToken cancellation)
    {
        if (await transaction.Context.Providers.SingleOrDefaultAsync(u => u.Id == id, cancellation) is not { } row)
            return false;

        transaction.Context.Providers.Remove(row);
        transaction.Audit("identity-providers.remove", id, Placement.ControlPlane, row.Json, after: null);
        return true;
    }

    private static string PurposeOf(string id) => $"identity provider {id}";
}
