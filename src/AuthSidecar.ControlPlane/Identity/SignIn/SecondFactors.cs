using AuthSidecar.ControlPlane.Identity.Sessions;

namespace AuthSidecar.ControlPlane.Identity.SignIn;

/// <summary>The second factors of accounts, when they sign in: those that are for all applications. Verified where there is one truth, a
/// code is good once, at whatever node.</summary>
internal sealed class SecondFactors(Database database, EntryWriter entries, SecretStore secrets, TimeProvider time)
{
    private const int MaxCodeLength = 64;

    public async Task<bool> HasAnyAsync(string accountId, CancellationToken cancellation) =>
        (await ReadAsync(accountId, cancellation)).Count > 0;

    /// <summary>Whether this is a code of one of an account's factors, which it then is no longer.</summary>
    public async Task<bool> TryUseAsync(string accountId, string code, CancellationToken cancellation)
    {
        if (code.Length > MaxCodeLength)
            return false;

        foreach (var factor in await ReadAsync(accountId, cancellation))
        {
            if (factor.TotpSecret is null ? await TryUseBackupCodeAsync(accountId, factor, code, cancellation)
                : await TryUseTotpAsync(accountId, factor, code, cancellation))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Takes away every factor of an account, for whatever application, as a part of a write: another of its id has factors of its
    /// own.</summary>
    public static async Task RemoveAllAsync(StoreTransaction transaction, string accountId, CancellationToken cancellation)
    {
        var subject = SubjectOf(accountId).ToString();
        foreach (var row in await transaction.Context.Entries.Where(r => r.Type == DataType.Factors && r.Key == subject && !r.IsRemoved)
            .ToListAsync(cancellation))
        {
            var key = new EntryKey(row.Type, row.Key, new Placement(row.Application, row.Tenant));
            EntryWriter.Save(transaction, key, row, new EntryChange(null));
            transaction.Audit("factors.remove", row.Key, key.Placement, "factors of an account that was removed", after: null);
        }
    }

    private static EntityUid SubjectOf(string accountId) => new("User", accountId);
    private static EntryKey KeyOf(string accountId) => new(DataType.Factors, SubjectOf(accountId).ToString(), new Placement("", ""));

    private async Task<List<FactorEntry>> ReadAsync(string accountId, CancellationToken cancellation) =>
        FactorEntry.ReadAll((await entries.FindAsync(KeyOf(accountId), cancellation))?.Json ?? "");

    private async Task<bool> TryUseTotpAsync(string accountId, FactorEntry factor, string code, CancellationToken cancellation)
    {
        var secret = FactorEnrolment.OpenTotp(SubjectOf(accountId), factor, secrets.FactorWrappingKey);
        if (TotpCode.FindStep(secret, code, time.GetUtcNow()) is not { } step)
            return false;

        // The step and not the code, and only ever a later one.
        await using var context = database.Open();
        if (await context.UsedSteps.Where(u => u.AccountId == accountId && u.FactorId == factor.Id && u.Step < step).ExecuteUpdateAsync(
            u => u.SetProperty(s => s.Step, step), cancellation) == 1)
        {
            return true;
        }

        if (await context.UsedSteps.AnyAsync(u => u.AccountId == accountId && u.FactorId == factor.Id, cancellation))
            return false;

        context.UsedSteps.Add(new UsedStepRow { AccountId = accountId, FactorId = factor.Id, Step = step });
        try
        {
            await context.SaveChangesAsync(cancellation);
            return true;
        }
        catch (DbUpdateException)
        {
            // Somebody was faster, with the same code or another.
            return false;
        }
    }

    private async Task<bool> TryUseBackupCodeAsync(string accountId, FactorEntry factor, string code, CancellationToken cancellation)
    {
        var hash = BackupCode.Hash(code);
        var result = await entries.WriteAsync(
            SessionStore.ActorOf(accountId),
            "factors.use",
            KeyOf(accountId),
            row =>
            {
                // Read again where nobody else writes.
                var factors = FactorEntry.ReadAll(row?.Json ?? "");
                var index = factors.FindIndex(
                    f => f.Id == factor.Id && f.BackupCodeSha256?.Any(h => h.AsSpan().SequenceEqual(hash)) is true);
                if (index < 0)
                    return (null, new Refusal.NotFound("code"));

                factors[index] = factors[index] with
                {
                    BackupCodeSha256 = [.. factors[index].BackupCodeSha256!.Where(h => !h.AsSpan().SequenceEqual(hash))],
                };
                return (new EntryChange(FactorEntry.WriteAll(factors)), null);
            },
            expectedRevision: null,
            cancellation);
        return result.IsCommitted;
    }
}
