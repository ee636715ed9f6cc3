using System.Text;
using System.Text.Json.Nodes;
using AuthSidecar.Bundles;
using AuthSidecar.Cedar;
using AuthSidecar.ControlPlane.Administration;
using AuthSidecar.ControlPlane.Administration.Access;
using AuthSidecar.ControlPlane.Directory;
using AuthSidecar.ControlPlane.Identity;
using AuthSidecar.ControlPlane.Publications;
using AuthSidecar.ControlPlane.Resources;
using AuthSidecar.ControlPlane.Store;
using AuthSidecar.ControlPlane.V1;
using Google.Protobuf;
using Microsoft.EntityFrameworkCore;

namespace AuthSidecar.ControlPlane.Import;

/// <summary>Writes what a bundle holds: read as sidecars read it, checked against its own schema, in one transaction, and only what differs.</summary>
internal sealed class BundleImporter(ControlStore store, DirectoryState directory, DirectoryWriter entities, PolicyPublisher publisher)
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
    public static void Demand(Caller caller, string application)
    {
        var placement = new Placement(application, "");
        foreach (var action in new[] { DirectoryWriter.Write, PublishPolicies, WriteIssuers, Revoke, WriteRiskSettings, WriteRiskProfiles })
        {
            if (!caller.May(action, placement))
            {
                throw Failures.PermissionDenied(action, placement);
            }
        }
    }

    /// <exception cref="Grpc.Core.RpcException">It was refused, and nothing of it was written.</exception>
    public async Task<ImportBundleResponse> ImportAsync(Caller caller, string application, BundleFiles files, string message, CancellationToken cancellation)
    {
        Demand(caller, application);
        var bundle = Read(files);
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
        response.Revision = result.Refusal is Refusal.NothingToDo ? 0 : Failures.Committed(result);
        return response;
    }

    /// <summary>What a bundle holds, valid in itself.</summary>
    private sealed record ReadBundle(
        byte[] Policies, bool HasPolicies, Schema? Schema, List<Entity> Entities, List<(Issuer Issuer, string Jwks)> Issuers, List<Revocation> Revocations, string? RiskSettings,
        Dictionary<EntityUid, string> RiskProfiles, List<string> LeftOut);

    private static ReadBundle Read(BundleFiles files)
    {
        var (faults, leftOut) = (new List<Fault>(), new List<string>());
        var manifest = BundleManifest.Read(files, faults);
        RequestChecks.None(faults);
        if (BundleSeal.IsIn(files))
        {
            BundleSeal.Verify(files, key: null, faults);
            RequestChecks.None(faults);
        }

        var schema = PolicyFiles.ReadSchema(files, faults);
        PolicyFiles.Build(manifest!.Packs, isStrict: true, files, schema, faults);
        var store = EntitiesFile.Read(files, schema, faults);
        IssuersFile.Read(files, faults);
        RevocationsFile.Read(files, faults);
        var settings = RiskFile.Read(files, faults);
        ProfilesFile.Read(files, faults);
        FactorsFile.Read(files, wrappingKey: null, faults);
        RequestChecks.None(faults);

        if (files.TryRead(FactorsFile.FileName, out _))
        {
            leftOut.Add($"{FactorsFile.FileName}: its secrets are wrapped with a sidecar's own key; enrol second factors with `authsidecar-control factors`");
        }

        if (settings.Geo is not null)
        {
            leftOut.Add("the GeoIP database: a control plane does not stream it");
        }

        if (!manifest.StrictForbid)
        {
            leftOut.Add("`strictForbid: false`: sidecars that follow a control plane deny when a forbid errs");
        }

        var documents = PolicyFiles.DocumentsOf(files, manifest.Packs).Select(d => new Document { Path = d.Key, Content = ByteString.CopyFrom(d.Value) }).ToList();
        RequestChecks.None(PolicyDocuments.Validate(documents).Faults);
        return new ReadBundle(
            PolicyPublisher.ToBytes(documents),
            documents.Count > 0,
            schema,
            [.. store!.Entities.Where(e => !EntityType.IsAction(e.Uid.Type))],
            [.. Entries(files, IssuersFile.FileName, "issuers").Select(e => ToIssuer(e, files))],
            [.. RevocationRecords.Lists.SelectMany(l => Entries(files, RevocationsFile.FileName, l.List).Select(e => RevocationRecords.Parse(l.List, e)))],
            Document(files, RiskFile.FileName) is { } risk ? ToSettings(risk) : null,
            Document(files, ProfilesFile.FileName)?["profiles"]?.AsObject().ToDictionary(p => ToUid(p.Key), p => RiskRecords.Write(Parser.Parse<V1.RiskProfile>(p.Value!.ToJsonString()))) ?? [],
            leftOut);
    }

    private async Task<Refusal?> WriteAsync(
        StoreTransaction transaction, Caller caller, string application, ReadBundle bundle, string message, ICollection<string> changes, CancellationToken cancellation)
    {
        await directory.CatchUpAsync(transaction.Context, cancellation);
        return await WriteEntitiesAsync(transaction, caller, application, bundle, changes, cancellation)
            ?? await PublishAsync(transaction, application, bundle, message, changes, cancellation)
            ?? await WriteIssuersAsync(transaction, application, bundle.Issuers, changes, cancellation)
            ?? await RevokeAsync(transaction, application, bundle.Revocations, changes, cancellation)
            ?? await WriteRiskAsync(transaction, application, bundle, changes, cancellation);
    }

    private async Task<Refusal?> WriteEntitiesAsync(StoreTransaction transaction, Caller caller, string application, ReadBundle bundle, ICollection<string> changes, CancellationToken cancellation)
    {
        var written = new List<(Entity, Placement)>();
        var (added, faults) = (0, new List<Fault>());
        foreach (var entity in bundle.Entities)
        {
            if (entity.Uid.Type == AccessSnapshot.AdministratorType)
            {
                faults.Add(new Fault(EntitiesFile.FileName, 0, 0, $"{entity.Uid} is an administrator: use `authsidecar-control administrators`"));
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
            else if (directory.Entities.TryGetEntity(entity.Uid, out var before) && before.ToJson() != entity.ToJson())
            {
                written.Add((entity, place));
            }
        }

        if (faults.Count > 0)
        {
            return new Refusal.Invalid(faults);
        }

        AddCount(changes, added, "entities added");
        AddCount(changes, written.Count - added, "entities replaced");
        return written.Count == 0
            ? null
            : await entities.ApplyAsync(transaction, placement => caller.May(DirectoryWriter.Write, placement), new DirectoryChange(written, []), cancellation, republished: application);
    }

    private async Task<Refusal?> PublishAsync(StoreTransaction transaction, string application, ReadBundle bundle, string message, ICollection<string> changes, CancellationToken cancellation)
    {
        var current = await PolicyPublisher.FindCurrentAsync(transaction.Context, application, cancellation);
        var written = bundle.Entities.Select(e => e.Uid).ToHashSet();
        var after = directory.EntitiesOf(application).Where(e => !written.Contains(e.Uid)).Concat(bundle.Entities);
        if (!bundle.HasPolicies || (current is not null && current.Documents.AsSpan().SequenceEqual(bundle.Policies)))
        {
            // The schema stays what it is, and the entities that were written were not held against it yet.
            var inForce = current is null ? null : BuiltInPolicies.SchemaOf(application, DocumentSet.Parser.ParseFrom(current.Documents).Documents);
            return inForce is not null && SchemaSource.Check(after, inForce) is { Count: > 0 } faults ? new Refusal.Invalid(faults) : null;
        }

        changes.Add(current is null ? "policies published" : $"policies published in place of revision {current.Revision}");
        return await publisher.AddAsync(transaction, application, bundle.Policies, current?.Revision ?? 0, message, restoredFrom: null, after, cancellation);
    }

    private static async Task<Refusal?> WriteIssuersAsync(StoreTransaction transaction, string application, List<(Issuer Issuer, string Jwks)> issuers, ICollection<string> changes, CancellationToken cancellation)
    {
        var own = await IssuerSetting.FindAsync(transaction.Context, cancellation);
        foreach (var (issuer, jwks) in issuers)
        {
            if (issuer.Issuer_ == own)
            {
                return new Refusal.Invalid([new Fault(IssuersFile.FileName, 0, 0, $"issuer `{own}` is reserved for the control plane")]);
            }

            var key = new ResourceKey(ResourceType.Keys, issuer.Issuer_, new Placement(application, ""));
            if (issuer.IntrospectionUrl.Length > 0 && await IssuerRecords.FindRivalAsync(transaction.Context, key, issuer.OpaquePrefix, cancellation) is { } rival)
            {
                return new Refusal.Invalid([new Fault(IssuersFile.FileName, 0, 0, $"issuer `{issuer.Issuer_}`: `opaquePrefix` overlaps with that of issuer `{rival}`")]);
            }

            await SaveAsync(transaction, key, WriteIssuers, IssuerRecords.Write(issuer, jwks), null, $"issuer {issuer.Issuer_}", changes, cancellation);
        }

        return null;
    }

    private static async Task<Refusal?> RevokeAsync(StoreTransaction transaction, string application, List<Revocation> revocations, ICollection<string> changes, CancellationToken cancellation)
    {
        foreach (var revocation in revocations)
        {
            var key = RevocationRecords.KeyOf(revocation, application);
            RevocationRecords.Extend(revocation, await RowOf(transaction.Context, key, cancellation) is { } before ? RevocationRecords.Read(before) : null, DateTimeOffset.FromUnixTimeMilliseconds(transaction.NowMs), ForGood);
            await SaveAsync(
                transaction, key, Revoke, RevocationRecords.ToJson(revocation), revocation.ExpiresAt.ToDateTimeOffset(), $"revocation of a {RevocationRecords.WhatOf(revocation)} of {revocation.Issuer}", changes, cancellation);
        }

        return null;
    }

    private static async Task<Refusal?> WriteRiskAsync(StoreTransaction transaction, string application, ReadBundle bundle, ICollection<string> changes, CancellationToken cancellation)
    {
        if (bundle.RiskSettings is { } settings)
        {
            var key = new ResourceKey(ResourceType.Risk, ResourceDocuments.RiskSettings, new Placement(application, ""));
            await SaveAsync(transaction, key, WriteRiskSettings, settings, null, "risk settings", changes, cancellation);
        }

        foreach (var (subject, profile) in bundle.RiskProfiles)
        {
            await SaveAsync(transaction, new ResourceKey(ResourceType.Risk, subject.ToString(), new Placement(application, "")), WriteRiskProfiles, profile, null, $"risk profile of {subject}", changes, cancellation);
        }

        return null;
    }

    /// <summary>Writes a resource that is not there yet, or says something else.</summary>
    private static async Task SaveAsync(
        StoreTransaction transaction, ResourceKey key, string action, string json, DateTimeOffset? expiresAt, string what, ICollection<string> changes, CancellationToken cancellation)
    {
        var before = await RowOf(transaction.Context, key, cancellation);
        if (before?.Json == json)
        {
            return;
        }

        transaction.Audit(action, key.Key, key.Placement, before?.Json, json);
        await ResourceWriter.SaveAsync(transaction, key, new ResourceChange(json, expiresAt), cancellation);
        changes.Add($"{what} {(before is null ? "added" : "replaced")}");
    }

    private static Task<ResourceRow?> RowOf(StoreContext context, ResourceKey key, CancellationToken cancellation) => context.Resources.AsNoTracking()
        .SingleOrDefaultAsync(r => r.Type == key.Type && r.Key == key.Key && r.Application == key.Placement.Application && r.Tenant == key.Placement.Tenant && !r.IsRemoved, cancellation);

    private static void AddCount(ICollection<string> changes, int count, string what)
    {
        if (count > 0)
        {
            changes.Add($"{count} {what}");
        }
    }

    // ------------------------------------------------------------------ documents, which are valid

    private static JsonObject? Document(BundleFiles files, string name) => files.TryRead(name, out var utf8)
        ? JsonNode.Parse(Encoding.UTF8.GetString(utf8), documentOptions: new System.Text.Json.JsonDocumentOptions { CommentHandling = System.Text.Json.JsonCommentHandling.Skip })!.AsObject()
        : null;

    private static IEnumerable<JsonObject> Entries(BundleFiles files, string name, string list) => Document(files, name)?[list]?.AsArray().Select(e => e!.AsObject()) ?? [];

    private static (Issuer Issuer, string Jwks) ToIssuer(JsonObject entry, BundleFiles files)
    {
        var jwks = (string?)entry["jwks"] is { Length: > 0 } path && files.TryRead(path, out var keys) ? Encoding.UTF8.GetString(keys) : "";
        entry.Remove("jwks");
        return (Parser.Parse<Issuer>(entry.ToJsonString()), jwks);
    }

    private static string ToSettings(JsonObject settings)
    {
        settings.Remove("geoDatabase");
        return RiskRecords.Write(Parser.Parse<V1.RiskSettings>(settings.ToJsonString()));
    }

    private static EntityUid ToUid(string text) => EntityUid.TryParse(text, out var uid, out _) ? uid : throw new InvalidOperationException($"`{text}` was read before");
}
