namespace AuthSidecar.ControlPlane.Entities;

/// <summary>Entities as rows, and back.</summary>
internal static class EntityRows
{
    private const int PieceBytes = 1024 * 1024;

    /// <summary>Sidecars read at most 64 levels, of which the array of all entities is one.</summary>
    private const int MaxDepth = 63;

    /// <summary>Why an entity cannot be stored; null: it can.</summary>
    public static string? FaultOf(EntityRow row)
    {
        if (UidRules.FaultOf(UidOf(row)) is { } fault)
            return fault;

        // Most have too few brackets to be that deep.
        if (row.Json.AsSpan().Count('{') + row.Json.AsSpan().Count('[') <= MaxDepth)
            return null;

        var json = new Utf8JsonReader(Encoding.UTF8.GetBytes(row.Json), new JsonReaderOptions { MaxDepth = MaxDepth });
        try
        {
            while (json.Read())
                continue;
        }
        catch (JsonException)
        {
            return $"entity {UidOf(row)} is nested too deep: at most {MaxDepth} levels of JSON";
        }

        return null;
    }

    public static EntityUid UidOf(EntityRow row) => new(row.Type, row.Id);
    public static EntityRow Of(Entity entity, Placement placement, long revision) => Of(entity.Uid, placement, revision, entity.ToJson());

    /// <summary>What is left of an entity that has gone, from everywhere or from this placement.</summary>
    public static EntityRow Tombstone(EntityUid uid, Placement placement, long revision) => Of(uid, placement, revision, json: "");

    /// <summary>An array of entities, as Cedar reads it.</summary>
    public static SourceText ToJson(IEnumerable<EntityRow> live) => SourceText.Of($"[{string.Join(",\n", live.Select(r => r.Json))}]",
        EntitiesFile.FileName);

    /// <summary>The same of any number of them, which are not all in memory at once.</summary>
    public static async Task<byte[]> ToJsonAsync(IAsyncEnumerable<string> live)
    {
        var (pieces, piece, used) = (new List<byte[]>(), new byte[PieceBytes], 0);
        Write("[");
        var separator = "";
        await foreach (var json in live)
        {
            Write(separator);
            Write(json);
            separator = ",\n";
        }

        Write("]");
        pieces.Add(piece[..used]);
        var (all, at) = (new byte[pieces.Sum(p => p.Length)], 0);
        foreach (var each in pieces)
        {
            each.CopyTo(all, at);
            at += each.Length;
        }

        return all;

        void Write(string text)
        {
            var length = Encoding.UTF8.GetByteCount(text);
            if (length > piece.Length - used)
            {
                pieces.Add(piece[..used]);
                (piece, used) = (new byte[Math.Max(PieceBytes, length)], 0);
            }

            used += Encoding.UTF8.GetBytes(text, piece.AsSpan(used));
        }
    }

    /// <exception cref="InvalidDataException">They do not fit together, which no write of ours would have let by.</exception>
    public static IEnumerable<Entity> Read(IEnumerable<EntityRow> live) =>
        EntityStore.Empty.TryUpdate(ToJson(live), [], schema: null, out var entities, out var faults)
        ? entities.Entities
        : throw new InvalidDataException($"the stored entities are inconsistent: {faults[0]}");

    /// <summary>The uids that have tombstones alone among these rows: an entity may have gone from one placement and come to
    /// another.</summary>
    public static List<EntityUid> Gone(IReadOnlyCollection<EntityRow> rows)
    {
        var live = rows.Where(r => !r.IsRemoved).Select(UidOf).ToHashSet();
        return [.. rows.Where(r => r.IsRemoved).Select(UidOf).Where(u => !live.Contains(u)).Distinct()];
    }

    public static Task SaveAsync(StoreTransaction transaction, IReadOnlyList<EntityRow> rows, CancellationToken cancellation)
    {
        foreach (var row in rows)
            transaction.Touch(new Placement(row.Application, row.Tenant));

        return BulkWriter.UpsertAsync(
            transaction.Context,
            "entities",
            ["Type", "Id", "Application", "Tenant"],
            ["Revision", "IsRemoved", "Json"],
            rows,
            r => [r.Type, r.Id, r.Application, r.Tenant, r.Revision, r.IsRemoved, r.Json],
            cancellation);
    }

    private static EntityRow Of(EntityUid uid, Placement placement, long revision, string json) => new()
    {
        Type = uid.Type,
        Id = uid.Id,
        Application = placement.Application,
        Tenant = placement.Tenant,
        Revision = revision,
        IsRemoved = json.Length == 0,
        Json = json,
    };
}
