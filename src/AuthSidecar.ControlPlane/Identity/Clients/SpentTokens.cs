namespace AuthSidecar.ControlPlane.Identity.Clients;

/// <summary>Remembers what is good once, where all nodes see it: client assertions by their `jti` (OpenID Connect Core, section 9), DPoP
/// proofs (RFC 9449, section 11.1).</summary>
internal sealed class SpentTokens(Database database)
{
    /// <summary>Uses something up.</summary>
    /// <param name="kind">What it is.</param>
    /// <param name="key">Which of its kind.</param>
    /// <param name="expiresAt">From when on nobody takes it any more.</param>
    /// <returns>Whether it was not used up before.</returns>
    public async Task<bool> TrySpendAsync(string kind, string key, DateTimeOffset expiresAt, CancellationToken cancellation)
    {
        var (hash, expires) = (TextHash.Of($"{kind} {key}"), expiresAt.ToUnixTimeMilliseconds());
        await using var context = database.Open();
        return await context.Database.ExecuteSqlAsync(
            $"""INSERT INTO spent_tokens ("KeySha256", "ExpiresAtMs") VALUES ({hash}, {expires}) ON CONFLICT DO NOTHING""",
            cancellation) == 1;
    }
}
