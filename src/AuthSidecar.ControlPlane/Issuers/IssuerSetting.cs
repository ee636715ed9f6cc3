namespace AuthSidecar.ControlPlane.Issuers;

/// <summary>What we are called as an issuer of tokens: by all nodes alike, and so in the store.</summary>
internal static class IssuerSetting
{
    private const string Name = "issuer";

    /// <summary>An address; null: nothing has ever been issued.</summary>
    public static Task<string?> FindAsync(StoreContext context, CancellationToken cancellation) =>
        context.Settings.Where(s => s.Name == Name).Select(s => s.Value).SingleOrDefaultAsync(cancellation);

    /// <summary>Sets it, in a write that does what follows from it.</summary>
    public static async Task SetAsync(StoreContext context, string issuer, CancellationToken cancellation)
    {
        if (await context.Settings.SingleOrDefaultAsync(s => s.Name == Name, cancellation) is { } row)
            row.Value = issuer;
        else
            context.Settings.Add(new SettingRow { Name = Name, Value = issuer });
    }
}
