using AuthSidecar.ControlPlane.Sidecars.Trust;

namespace AuthSidecar.ControlPlane.Sidecars.Enrolment;

/// <summary>What a join token permits.</summary>
/// <param name="Uses">For how many sidecars.</param>
/// <param name="Lifetime">For how long.</param>
/// <param name="Name">For which name; empty: any.</param>
/// <param name="IsReplacing">Whether for that of a sidecar that is connected, too.</param>
internal sealed record JoinTokenTerms(int Uses, TimeSpan Lifetime, string Name = "", bool IsReplacing = false);

/// <summary>The tokens that sidecars enrol with.</summary>
internal sealed class JoinTokens(ControlStore store, TrustRing trust, TimeProvider time)
{
    /// <summary>Makes a token to enrol with.</summary>
    public async Task<string> CreateAsync(string actor, Placement placement, JoinTokenTerms terms, CancellationToken cancellation)
    {
        var token = JoinToken.Create();
        await store.NoteAsync(
            actor,
            transaction =>
            {
                transaction.Context.JoinTokens.Add(new JoinTokenRow
                {
                    Id = token.Id,
                    SecretSha256 = token.SecretSha256,
                    Application = placement.Application,
                    Tenant = placement.Tenant,
                    ExpiresAtMs = (time.GetUtcNow() + terms.Lifetime).ToUnixTimeMilliseconds(),
                    UsesLeft = terms.Uses,
                    Uses = terms.Uses,
                    CreatedAtMs = transaction.NowMs,
                    IsReplacing = terms.IsReplacing,
                    Name = terms.Name,
                });
                var name = terms.Name.Length > 0 ? $", for `{terms.Name}`" : "";
                var replacing = terms.IsReplacing ? ", replacing" : "";
                transaction.Audit(
                    "join-tokens.create",
                    token.Id,
                    placement,
                    before: null,
                    $"{Count.Of(terms.Uses, "use")}, {terms.Lifetime.TotalSeconds} s{name}{replacing}");
                return Task.FromResult<Refusal?>(null);
            },
            cancellation);
        return token.ToText(trust.Current.Authority);
    }

    /// <summary>The tokens that there are, the newest first: those that have expired or are used up, for some days.</summary>
    public Task<List<JoinTokenRow>> ListAsync(CancellationToken cancellation) =>
        store.ReadAsync(
            (context, _) => context.JoinTokens.OrderByDescending(t => t.CreatedAtMs).ThenBy(t => t.Id).ToListAsync(cancellation),
            cancellation);

    /// <summary>Takes a token away: nobody enrols with it any more.</summary>
    public Task<WriteResult> RemoveAsync(string actor, string id, Func<Placement, bool> may, CancellationToken cancellation) =>
        store.NoteAsync(
            actor,
            async transaction =>
            {
                if (await transaction.Context.JoinTokens.SingleOrDefaultAsync(t => t.Id == id, cancellation) is not { } row
                    || !may(new Placement(row.Application, row.Tenant)))
                {
                    return new Refusal.NotFound($"join token `{id}`");
                }

                transaction.Context.JoinTokens.Remove(row);
                transaction.Audit("join-tokens.remove", row.Id, new Placement(row.Application, row.Tenant),
                    $"{Count.Of(row.UsesLeft, "use")} left", after: null);
                return null;
            },
            cancellation);
}
