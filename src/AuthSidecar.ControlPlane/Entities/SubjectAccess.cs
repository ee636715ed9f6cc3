namespace AuthSidecar.ControlPlane.Entities;

/// <summary>Whether a caller may do something to a subject, and not only to a tenant: a sidecar that serves all tenants takes what is
/// written for each of them.</summary>
internal static class SubjectAccess
{
    /// <summary>What a write demands beside its own placement: that of the subject, as the directory has it. One that is not in there is of
    /// all tenants.</summary>
    public static Func<StoreContext, EntryRow?, Task<Refusal?>> Of(Caller caller, string action, EntityUid subject, string application,
        CancellationToken cancellation) => async (context, _) =>
    {
        var tenant = await context.Entities.Where(e => e.Type == subject.Type && e.Id == subject.Id && !e.IsRemoved).Select(e => e.Tenant)
            .SingleOrDefaultAsync(cancellation) ?? "";
        // Where the subject is may not be theirs to know.
        return caller.IsAllowed(action, new Placement(application, tenant)) ? null : new Refusal.NotPermitted(action, null);
    };
}
