namespace AuthSidecar.ControlPlane.Store;

/// <summary>Up to which revision removals are forgotten: whoever has not heard of them by then gets everything, and not what has
/// changed.</summary>
internal static class ForgottenSetting
{
    private const string Name = "forgotten";

    public static async Task<long> FindAsync(StoreContext context, CancellationToken cancellation) =>
        await context.Settings.Where(s => s.Name == Name).Select(s => s.Value).SingleOrDefaultAsync(cancellation) is { } text
            ? long.Parse(text, CultureInfo.InvariantCulture) : 0;

    public static async Task RaiseAsync(StoreContext context, long revision, CancellationToken cancellation)
    {
        var text = revision.ToString(CultureInfo.InvariantCulture);
        if (await context.Settings.SingleOrDefaultAsync(s => s.Name == Name, cancellation) is not { } row)
            context.Settings.Add(new SettingRow { Name = Name, Value = text });
        else if (long.Parse(row.Value, CultureInfo.InvariantCulture) < revision)
            row.Value = text;

        await context.SaveChangesAsync(cancellation);
    }
}
