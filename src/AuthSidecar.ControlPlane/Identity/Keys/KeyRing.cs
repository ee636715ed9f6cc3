using AuthSidecar.ControlPlane.Issuers;
using AuthSidecar.Tokens;
using Microsoft.IdentityModel.Tokens;
using Issuer = AuthSidecar.Tokens.Issuer;

namespace AuthSidecar.ControlPlane.Identity.Keys;

/// <summary>The keys that our tokens are signed with: announced before they sign, kept until the last token they signed has expired, and
/// told to every sidecar.</summary>
/// <remarks>All nodes have the same, in the store; each reads them again when it hears of a change. What is in force now is a matter of the
/// clock alone: two nodes sign with the same key, as long as their clocks agree, and by either key where they do not.</remarks>
internal sealed partial class KeyRing(
    ControlStore store, SecretStore secrets, StoreWatcher watcher, IdentityServerOptions options, IHostApplicationLifetime lifetime,
    TimeProvider time, ILogger<KeyRing> logger)
    : OptionsFromStore<OpenIddictServerOptions>(watcher, time, logger)
{
    public const string AccessTokenType = "at+jwt";

    /// <summary>For how long a key signs.</summary>
    public static readonly TimeSpan SignsFor = TimeSpan.FromDays(90);

    /// <summary>How long before that the next one is announced: whoever reads key sets now and then has it in time.</summary>
    public static readonly TimeSpan AnnouncedFor = TimeSpan.FromDays(14);

    /// <summary>How long a key is kept once the next one signs: longer than any token it signed, by any clock.</summary>
    public static readonly TimeSpan KeptFor = TimeSpan.FromHours(1);

    private readonly SemaphoreSlim _loading = new(1);
    private SigningKey[] _keys = [];
    private string _signing = "";

    /// <summary>Ourselves, as the issuer of administrators' access tokens.</summary>
    public IssuerSet Issuers { get; private set; } = IssuerSet.Empty;

    /// <summary>The keys, the next one first; and the one that signs.</summary>
    public (IReadOnlyList<SigningKey> Keys, string Signing) Current => (_keys, _signing);

    protected override string What => "signing keys";
    protected override DateTimeOffset? ChangesAt => KeySchedule.NextOf(_keys, Now);
    private DateTimeOffset Now => Time.GetUtcNow();
    private string OwnName => options.Url!.AbsoluteUri;

    /// <summary>Makes the first key when there is none, and reads what there is.</summary>
    /// <exception cref="InvalidDataException">The other nodes issue tokens by another name.</exception>
    public async Task OpenAsync(CancellationToken cancellation)
    {
        if (options.Url is not null)
        {
            await BecomeIssuerAsync(cancellation);
            await KeepAsync(cancellation);
            await LoadAsync(cancellation);
        }
    }

    /// <summary>Announces the next key when it is time, and takes those away that nothing is signed with any more. For one node to do now
    /// and then.</summary>
    public async Task KeepAsync(CancellationToken cancellation)
    {
        if (options.Url is not null && Plan(
            await store.ReadAsync((context, _) => context.SigningKeys.ToListAsync(cancellation), cancellation)) is { IsNothing: false })
        {
            await ChangeAsync("system", Plan, cancellation);
        }
    }

    /// <summary>Signs with a new key from now on.</summary>
    /// <param name="actor">Who wants it.</param>
    /// <param name="revoke">Whether the keys of before are good for nothing any more, and what they signed with them.</param>
    public async Task<WriteResult> RotateAsync(string actor, bool revoke, CancellationToken cancellation)
    {
        if (options.Url is null)
            return new WriteResult(default, new Refusal.NotFound("signing key of this node (it has no `--url`)"));

        var result = await ChangeAsync(
            actor,
            // One that was announced and did not sign yet would sign soon: it goes either way.
            keys => new KeyPlan(
                SigningKey.Create(secrets, Now), revoke ? keys : [.. keys.Where(k => k.SignsFromMs > Now.ToUnixTimeMilliseconds())]),
            cancellation);
        await LoadAsync(cancellation);
        return result;
    }

    public override void Configure(OpenIddictServerOptions options)
    {
        // The first that fits signs; all of them are in the key set.
        foreach (var key in _keys.OrderByDescending(k => k.KeyId == _signing))
            options.SigningCredentials.Add(new SigningCredentials(key.Private, SecurityAlgorithms.RsaSha256));

        options.EncryptionCredentials.Add(new EncryptingCredentials(
            new SymmetricSecurityKey(secrets.TokenEncryptionKey), SecurityAlgorithms.Aes256KW, SecurityAlgorithms.Aes256CbcHmacSha512));
    }

    protected override async Task LoadAsync(CancellationToken cancellation)
    {
        // Serialized: an older read must not replace a newer one.
        await _loading.WaitAsync(cancellation);
        try
        {
            await LoadAloneAsync(cancellation);
        }
        finally
        {
            _loading.Release();
        }
    }

    private async Task LoadAloneAsync(CancellationToken cancellation)
    {
        await secrets.ReadPeppersAsync(cancellation);
        var (issuer, rows) = await store.ReadAsync(
            async (context, _) => (await IssuerSetting.FindAsync(context, cancellation),
                await context.SigningKeys.OrderByDescending(k => k.SignsFromMs).ToListAsync(cancellation)),
            cancellation);
        if (issuer != OwnName)
        {
            // What this node would issue, nobody would take.
            Log.Replaced(logger, issuer);
            lifetime.StopApplication();
            return;
        }

        var known = _keys.ToDictionary(k => (k.KeyId, k.SignsFrom.ToUnixTimeMilliseconds()));
        SigningKey[] keys = [.. rows.Select(r => known.GetValueOrDefault((r.KeyId, r.SignsFromMs)) ?? SigningKey.Open(r, secrets))];
        var signing = KeySchedule.ActiveAt(rows, Now)?.KeyId ?? "";
        if (signing == _signing && keys.SequenceEqual(_keys))
            return;

        // Keys that have gone are not disposed of: somebody may be signing with them at this moment.
        (_keys, _signing) = (keys, signing);
        Issuers = new IssuerSet(
        [
            new Issuer
            {
                Name = OwnName,
                Keys = KeySet.Of(keys.Select(k => k.Public)),
                Audiences = FrozenSet.Create(StringComparer.Ordinal, Placement.ControlPlaneApplication),
                Types = FrozenSet.Create(StringComparer.Ordinal, AccessTokenType),
            },
        ]);
        if (known.Count > 0)
        {
            LogChange(string.Join("; ", keys.Select(k =>
                k.KeyId == signing ? $"{k.KeyId} active"
                : k.SignsFrom > Now ? $"{k.KeyId} announced, active from {k.SignsFrom:u}"
                : $"{k.KeyId} retiring")));
        }

        await ChangedAsync();
    }

    /// <summary>Takes the name that this node is given, unless others have another.</summary>
    private async Task BecomeIssuerAsync(CancellationToken cancellation)
    {
        if (await store.ReadAsync((context, _) => IssuerSetting.FindAsync(context, cancellation), cancellation) == OwnName)
            return;

        await store.WriteAsync(
            "system",
            async transaction =>
            {
                var before = await IssuerSetting.FindAsync(transaction.Context, cancellation);
                if (before is not null && before != OwnName && !options.ReplaceIssuer)
                {
                    throw new InvalidDataException(
                        $"the issuer in the database is `{before}`: use `--url {before}`, or `--replace-issuer` to replace it by "
                            + $"`{OwnName}` (all tokens issued so far become invalid)");
                }

                if (await transaction.Context.Entries.Where(r => r.Type == DataType.Keys && r.Key == OwnName && r.Application != ""
                    && !r.IsRemoved).FirstOrDefaultAsync(cancellation) is { } other)
                {
                    throw new InvalidDataException(
                        $"`{OwnName}` is an issuer of the application `{other.Application}` already: remove that one first");
                }

                if (before is not null)
                    await EntryWriter.SaveAsync(transaction, ResourceOf(before), new EntryChange(null), cancellation);

                await IssuerSetting.SetAsync(transaction.Context, OwnName, cancellation);
                transaction.Audit("issuer.set", OwnName, Placement.ControlPlane, before, OwnName);
                if (await transaction.Context.SigningKeys.ToListAsync(cancellation) is { Count: > 0 } keys)
                    await TellSidecarsAsync(transaction, keys, cancellation);

                return null;
            },
            cancellation);
    }

    /// <summary>What the calendar wants of these keys.</summary>
    private KeyPlan Plan(IReadOnlyList<SigningKeyRow> keys)
    {
        var (now, newest) = (Now, keys.MaxBy(k => k.SignsFromMs));
        if (newest is null)
            return new KeyPlan(SigningKey.Create(secrets, now), []);

        var signsUntil = DateTimeOffset.FromUnixTimeMilliseconds(newest.SignsFromMs) + SignsFor;
        var next = now >= signsUntil - AnnouncedFor ? SigningKey.Create(secrets, Later(signsUntil, now)) : null;
        return new KeyPlan(next, [.. keys.Where(k => KeySchedule.EndOf(k, keys, KeptFor) <= now)]);
    }

    private Task<WriteResult> ChangeAsync(string actor, Func<IReadOnlyList<SigningKeyRow>, KeyPlan> plan, CancellationToken cancellation) =>
        store.WriteAsync(
            actor,
            async transaction =>
            {
                // Planned again where nobody else writes: another node may have been faster.
                var keys = await transaction.Context.SigningKeys.ToListAsync(cancellation);
                var (added, removed) = plan(keys);
                if (added is null && removed.Count == 0)
                    return new Refusal.NotFound("signing key");

                foreach (var key in removed)
                {
                    transaction.Context.SigningKeys.Remove(key);
                    transaction.Audit("keys.remove", key.KeyId, Placement.ControlPlane,
                        $"signs from {DateTimeOffset.FromUnixTimeMilliseconds(key.SignsFromMs):u}", after: null);
                }

                if (added is not null)
                {
                    transaction.Context.SigningKeys.Add(added);
                    transaction.Audit("keys.add", added.KeyId, Placement.ControlPlane, before: null,
                        $"signs from {DateTimeOffset.FromUnixTimeMilliseconds(added.SignsFromMs):u}");
                }

                await TellSidecarsAsync(transaction, [.. keys.Except(removed), .. added is null ? Array.Empty<SigningKeyRow>() : [added]],
                    cancellation);
                return null;
            },
            cancellation);

    /// <summary>Our key set is a resource like any issuer's, of every application.</summary>
    private Task TellSidecarsAsync(StoreTransaction transaction, IReadOnlyList<SigningKeyRow> rows, CancellationToken cancellation)
    {
        var jwks = rows.OrderByDescending(r => r.SignsFromMs).Select(r =>
        {
            using var key = SigningKey.Open(r, secrets);
            return key.ToJwk();
        });
        var json = IssuerRecords.Write(
            new V1.Issuer { Issuer_ = OwnName, Types_ = { AccessTokenType } }, $$"""{"keys":[{{string.Join(',', jwks)}}]}""");
        return EntryWriter.SaveAsync(transaction, ResourceOf(OwnName), new EntryChange(json), cancellation);
    }

    private static EntryKey ResourceOf(string issuer) => new(DataType.Keys, issuer, new Placement("", ""));
    private static DateTimeOffset Later(DateTimeOffset a, DateTimeOffset b) => a > b ? a : b;

    /// <summary>What is to become of the keys.</summary>
    private readonly record struct KeyPlan(SigningKeyRow? Added, IReadOnlyList<SigningKeyRow> Removed)
    {
        public bool IsNothing => Added is null && Removed.Count == 0;
    }

    private static partial class Log
    {
        [LoggerMessage(36, LogLevel.Critical, "the issuer was replaced by {Issuer}: shutting down; restart this node with that `--url`",
            EventName = "IssuerReplaced")]
        public static partial void Replaced(ILogger logger, string? issuer);
    }
}
