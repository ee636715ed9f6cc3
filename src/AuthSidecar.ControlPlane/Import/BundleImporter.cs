using AuthSidecar.ControlPlane.Entities;
using AuthSidecar.ControlPlane.Issuers;
using AuthSidecar.ControlPlane.Policies;
using AuthSidecar.ControlPlane.Publications;
using AuthSidecar.ControlPlane.Revocations;
using AuthSidecar.ControlPlane.Risk;
using AuthSidecar.ControlPlane.V1;

namespace AuthSidecar.ControlPlane.Import;

/// <summary>Writes what a bundle holds: read as sidecars read it, checked against its own schema, in one transaction, and only what
/// differs.</summary>
internal sealed class BundleImporter(ControlStore store, EntityCache directory, EntityWriter entities, PolicyPublisher publisher)
{
    private const string PublishPolicies = "policies.publish";
    private const string WriteIssuers = "issuers.write";
    private const string Revoke = "revocations.write";
    private const string WriteRiskSettings = "risk-settings.write";
    private const string WriteRiskProfiles = "risk-profiles.write";

    /// <summary>A revocation of a bundle that does not say until when it counts does so for good; here everything has an end.</summary>
    private static readonly TimeSpan ForGood = TimeSpan.FromDays(3650);

    private static readonly JsonParser Parser = new(JsonParser.Settings.Default);

    /// <summary>A caller imports what they might write bit by bit.</summary>
    /// <exception cref="Grpc.Core.RpcException">PERMISSION_DENIED.</exception>
    public static void RequirePermission(Caller caller, string application)
    {
        var placement = new Placement(application, "");
        foreach (var action in new[] { EntityWriter.Write, PublishPolicies, WriteIssuers, Revoke, WriteRiskSettings, WriteRiskProfiles })
        {
            if (!caller.IsAllowed(action, placement))
                throw ApiErrors.PermissionDenied(action, placement);
        }
    }

    /// <exception cref="Grpc.Core.RpcException">It was refused, and nothing of it was written.</exception>
    public async Task<ImportBundleResponse> ImportAsync(
        Caller caller, string application, BundleFiles files, string message, CancellationToken cancellation)
    {
        RequirePermission(caller, application);
        var bundle = Read(application, files);
        var response = new ImportBundleResponse();
        response.LeftOut.AddRange(bundle.LeftOut);
        var result = await store.WriteAsync(
            caller.Name,
            async transaction =>
            {
                response.Changes.Clear();
                return await WriteAsync(transaction, caller, application, bundle, message, response.Changes, cancellation)
                    // Nothing differs, and so there is no revision to make.
                    ?? (response.Changes.Count == 0 ? new Refusal.NothingToDo() : null);
            },
            cancellation);
        response.Revision = result.Refusal is Refusal.NothingToDo ? "" : ApiErrors.Committed(result);
        return response;
    }

    /// <summary>What a bundle holds, valid in itself.</summary>
    private sealed record ReadBundle(
        byte[] Policies, bool HasPolicies, List<Entity> Entities, List<(Issuer Issuer, string Jwks)> Issuers, List<Revocation> Revocations,
        string? RiskSettings,
        Dictionary<EntityUid, string> RiskProfiles, List<string> LeftOut);

    private static ReadBundle Read(string application, BundleFiles files)
    {
        var (faults, leftOut) = (new List<Fault>(), new List<string>());
        var manifest = BundleReader.ReadManifest(files, faults);
        RequestChecks.None(faults);
        if (BundleSeal.IsIn(files))
        {
            BundleSeal.Verify(files, key: null, faults);
            RequestChecks.None(faults);
        }

        // As a sidecar reads a folder; and the policies once more, as one reads what is published.
        var snapshot = new BundleReader(factorKey: null).Read(files, default, DateTimeOffset.UnixEpoch, faults)!;
        RequestChecks.None(faults);
        var documents = PolicyFiles.DocumentsOf(
            files, manifest!.Packs).Select(d => new Document { Path = d.Key, Content = ByteString.CopyFrom(d.Value) }).ToList();
        RequestChecks.None(PolicyDocuments.Validate(application, documents).Faults);

        if (files.TryRead(FactorsFile.FileName, out _))
        {
            leftOut.Add(
                $"{FactorsFile.FileName}: its secrets are wrapped with a sidecar's own key; enrol second factors with `authsidecar-control "
                    + "factors`");
        }

        if (snapshot.Risk.Value.Geo is not null)
            leftOut.Add("the GeoIP database: a control plane does not stream it");

        if (manifest.Release != CedarReleases.Latest)
        {
            leftOut.Add(
                $"`compat: {manifest.Compat}`: sidecars that follow a control plane evaluate policies as Cedar {CedarReleases.Names[^1]}");
        }

        if (!manifest.StrictForbid)
            leftOut.Add("`strictForbid: false`: sidecars that follow a control plane deny when a forbid errs");

        return new ReadBundle(
            PolicyPublisher.ToBytes(documents),
            documents.Count > 0,
            [.. snapshot.Entities.Value.Store.Entities.Where(e => !EntityType.IsAction(e.Uid.Type))],
            [.. Entries(files, IssuersFile.FileName, "issuers").Select(e => ToIssuer(e, files))],
            [.. RevocationData.Lists.SelectMany(
                l => Entries(files, RevocationsFile.FileName, l.List).Select(e => RevocationRecords.Parse(l.List, e)))],
            Document(files, RiskFile.FileName) is { } risk ? ToSettings(risk) : null,
            Document(files, ProfilesFile.FileName)?["profiles"]?.AsObject().ToDictionary(
                p => ToUid(p.Key), p => RiskRecords.Write(Parser.Parse<V1.RiskProfile>(p.Value!.ToJsonString()))) ?? [],
            leftOut);
    }

    private async Task<Refusal?> WriteAsync(
        StoreTransaction transaction, Caller caller, string application, ReadBundle bundle, string message, ICollection<string> changes,
        CancellationToken cancellation)
    {
        await directory.CatchUpAsync(transaction.Context, cancellation);
        return await WriteEntitiesAsync(transaction, caller, application, bundle, changes, cancellation)
            ?? await PublishAsync(transaction, application, bundle, message, changes, cancellation)
            ?? await WriteIssuersAsync(transaction, application, bundle.Issuers, changes, cancellation)
            ?? await RevokeAsync(transaction, application, bundle.Revocations, changes, cancellation)
            ?? await WriteRiskAsync(transaction, application, bundle, changes, cancellation);
    }

    private async Task<Refusal?> WriteEntitiesAsync(StoreTransaction transaction, Caller caller, string application, ReadBundle bundle,
        ICollection<string> changes, CancellationToken cancellation)
    {
        var written = new List<(Entity, Placement)>();
        var (added, faults) = (0, new List<Fault>());
        foreach (var entity in bundle.Entities)
        {
            if (entity.Uid.Type == BuiltInPolicies.AdministratorType)
            {
                faults.Add(
                    new Fault(EntitiesFile.FileName, 0, 0, $"{entity.Uid} is an administrator: use `authsidecar-control administrators`"));
            }
            else if (!directory.TryGetPlace(entity.Uid, out var place, out _))
            {
                added++;
                written.Add((entity, new Placement(application, "")));
            }
            else if (!place.IsFor(application))
            {
                // To take it from there would be a surprise to them.
                faults.Add(new Fault(EntitiesFile.FileName, 0, 0, $"{entity.Uid} belongs to another application"));
            }
            else if (directory.Entities.TryGetEntity(entity.Uid, out var before) && !before.SaysTheSameAs(entity))
            {
                written.Add((entity, place));
            }
        }

        if (faults.Count > 0)
            return new Refusal.Invalid(faults);

        AddCount(changes, added, "entity", "entities", "added");
        AddCount(changes, written.Count - added, "entity", "entities", "replaced");
        return written.Count == 0
            ? null
            : await entities.ApplyAsync(
                transaction, caller.IsAllowed, new EntityChange(written, []), cancellation, republished: application);
    }

    private async Task<Refusal?> PublishAsync(StoreTransaction transaction, string application, ReadBundle bundle, string message,
        ICollection<string> changes, CancellationToken cancellation)
    {
        var current = await PolicyPublisher.FindCurrentAsync(transaction.Context, application, cancellation);
        var written = bundle.Entities.Select(e => e.Uid).ToHashSet();
        var after = directory.EntitiesOf(application).Where(e => !written.Contains(e.Uid)).Concat(bundle.Entities);
        if (!bundle.HasPolicies || (current is not null && current.Documents.AsSpan().SequenceEqual(bundle.Policies)))
        {
            // The schema stays what it is, and the entities that were written were not held against it yet.
            var inForce = current is null ? null
                : BuiltInPolicies.SchemaOf(application, DocumentSet.Parser.ParseFrom(current.Documents).Documents);
            return inForce is not null && SchemaSource.Check(after, inForce) is { Count: > 0 } faults ? new Refusal.Invalid(faults) : null;
        }

        changes.Add(current is null ? "policies published" : $"policies published in place of revision {transaction.At(current.Revision)}");
        return await publisher.AddAsync(transaction, application, bundle.Policies,
            current is null ? default : transaction.At(current.Revision), message, restoredFrom: null, after, cancellation);
    }

    private static async Task<Refusal?> WriteIssuersAsync(StoreTransaction transaction, string application,
        List<(Issuer Issuer, string Jwks)> issuers, ICollection<string> changes, CancellationToken cancellation)
    {
        var entries = await EntriesOf.ReadAsync(transaction, DataType.Keys, application, cancellation);
        var own = await IssuerSetting.FindAsync(transaction.Context, cancellation);
        if (issuers.Exists(i => i.Issuer.Issuer_ == own))
            return new Refusal.Invalid([new Fault(IssuersFile.FileName, 0, 0, $"issuer `{own}` is reserved for the control plane")]);

        var written = issuers.ToDictionary(i => i.Issuer.Issuer_, i => IssuerRecords.Write(i.Issuer, i.Jwks), StringComparer.Ordinal);
        if (await IssuerRecords.FindConflictAsync(transaction.Context, application, written, cancellation) is { } conflict)
            return new Refusal.Invalid([conflict]);

        foreach (var (name, json) in written)
            entries.Save(name, WriteIssuers, json);

        entries.AddCounts(changes, "issuer", "issuers");
        return null;
    }

    private static async Task<Refusal?> RevokeAsync(StoreTransaction transaction, string application, List<Revocation> revocations,
        ICollection<string> changes, CancellationToken cancellation)
    {
        var entries = await EntriesOf.ReadAsync(transaction, DataType.Revocations, application, cancellation);
        foreach (var revocation in revocations)
        {
            // What is given twice is extended twice.
            var key = RevocationRecords.KeyOf(revocation, application).Key;
            RevocationRecords.Extend(revocation, entries.Find(key) is { } before ? RevocationRecords.Read(before) : null,
                DateTimeOffset.FromUnixTimeMilliseconds(transaction.NowMs), ForGood);
            entries.Save(key, Revoke, RevocationRecords.ToJson(revocation), revocation.ExpiresAt.ToDateTimeOffset());
        }

        entries.AddCounts(changes, "revocation", "revocations");
        return null;
    }

    private static async Task<Refusal?> WriteRiskAsync(
        StoreTransaction transaction, string application, ReadBundle bundle, ICollection<string> changes, CancellationToken cancellation)
    {
        var entries = await EntriesOf.ReadAsync(transaction, DataType.Risk, application, cancellation);
        if (bundle.RiskSettings is { } settings)
        {
            entries.Save(RiskData.SettingsKey, WriteRiskSettings, settings);
            entries.AddCounts(changes, "risk settings", "risk settings");
        }

        foreach (var (subject, profile) in bundle.RiskProfiles)
            entries.Save(subject.ToString(), WriteRiskProfiles, profile);

        entries.AddCounts(changes, "risk profile", "risk profiles");

        return null;
    }

    /// <summary>The entries of one type that an application has, read at once; writes those that are not there yet, or say something
    /// else.</summary>
    private sealed class EntriesOf
    {
        private readonly StoreTransaction _transaction;
        private readonly DataType _type;
        private readonly Placement _placement;
        private readonly Dictionary<string, EntryRow> _rows;
        private int _added;
        private int _replaced;

        private EntriesOf(StoreTransaction transaction, DataType type, Placement placement, Dictionary<string, EntryRow> rows) =>
            (_transaction, _type, _placement, _rows) = (transaction, type, placement, rows);

        public static async Task<EntriesOf> ReadAsync(
            StoreTransaction transaction, DataType type, string application, CancellationToken cancellation)
        {
            var rows = await transaction.Context.Entries.Where(r => r.Type == type && r.Application == application && r.Tenant == "")
                .ToDictionaryAsync(r => r.Key, StringComparer.Ordinal, cancellation);
            return new EntriesOf(transaction, type, new Placement(application, ""), rows);
        }

        /// <summary>Null when there is none.</summary>
        public EntryRow? Find(string key) => _rows.GetValueOrDefault(key) is { IsRemoved: false } row ? row : null;

        public void Save(string key, string action, string json, DateTimeOffset? expiresAt = null)
        {
            var before = Find(key)?.Json;
            if (before == json)
                return;

            _transaction.Audit(action, key, _placement, before, json);
            _rows[key] = EntryWriter.Save(
                _transaction, new EntryKey(_type, key, _placement), _rows.GetValueOrDefault(key), new EntryChange(json, expiresAt));
            (_added, _replaced) = before is null ? (_added + 1, _replaced) : (_added, _replaced + 1);
        }

        /// <summary>Tells how many there were since it was asked last.</summary>
        public void AddCounts(ICollection<string> changes, string one, string several)
        {
            AddCount(changes, _added, one, several, "added");
            AddCount(changes, _replaced, one, several, "replaced");
            (_added, _replaced) = (0, 0);
        }
    }

    private static void AddCount(ICollection<string> changes, int count, string one, string several, string what)
    {
        if (count > 0)
            changes.Add($"{Count.Of(count, one, several)} {what}");
    }

    // ------------------------------------------------------------------ documents, which are valid

    private static JsonObject? Document(BundleFiles files, string name) => files.TryRead(name, out var utf8)
        ? JsonNode.Parse(Encoding.UTF8.GetString(utf8), documentOptions: new System.Text.Json.JsonDocumentOptions
        {
            CommentHandling = System.Text.Json.JsonCommentHandling.Skip,
        })!.AsObject()
        : null;

    private static IEnumerable<JsonObject> Entries(BundleFiles files, string name, string list) =>
        Document(files, name)?[list]?.AsArray().Select(e => e!.AsObject()) ?? [];

    private static (Issuer Issuer, string Jwks) ToIssuer(JsonObject entry, BundleFiles files)
    {
        var jwks = (string?)entry["jwks"] is { Length: > 0 } path && files.TryRead(path, out var keys) ? Encoding.UTF8.GetString(keys) : "";
        entry.Remove("jwks");
        var issuer = Parser.Parse<Issuer>(entry.ToJsonString());
        // An issuer of the API has its name, also where a preset says it.
        issuer.Issuer_ = new IssuerEntry { Preset = issuer.Preset, Issuer = issuer.Issuer_, TrustDomain = issuer.TrustDomain }.Name;
        return (issuer, jwks);
    }

    private static string ToSettings(JsonObject settings)
    {
        settings.Remove("geoDatabase");
        return RiskRecords.Write(Parser.Parse<V1.RiskSettings>(settings.ToJsonString()));
    }

    private static EntityUid ToUid(string text) => EntityUid.TryParse(text, out var uid, out _) ? uid
        : throw new InvalidOperationException($"`{text}` was read before");
}
