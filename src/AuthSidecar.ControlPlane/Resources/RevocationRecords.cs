using System.Text.Json.Nodes;
using AuthSidecar.ControlPlane.Store;
using AuthSidecar.ControlPlane.V1;
using AuthSidecar.Tokens;
using Google.Protobuf.WellKnownTypes;

namespace AuthSidecar.ControlPlane.Resources;

/// <summary>Revocations as rows, and back; a row has the entry of `revocations.json` (docs/bundle.md).</summary>
internal static class RevocationRecords
{
    /// <summary>The lists of the document, by the member that names what is revoked.</summary>
    public static readonly IReadOnlyList<(string List, string Member)> Lists = [("tokens", "jti"), ("sessions", "sid"), ("subjects", "sub")];

    // The issuer's length first: two revocations never share a key.
    public static ResourceKey KeyOf(Revocation revocation, string application)
    {
        var (list, _, id) = TargetOf(revocation);
        return new ResourceKey(ResourceType.Revocations, $"{list} {revocation.Issuer.Length}:{revocation.Issuer}{id}", new Placement(application, ""));
    }

    public static string ListOf(ResourceRow row) => row.Key[..row.Key.IndexOf(' ', StringComparison.Ordinal)];

    public static string ToJson(Revocation revocation)
    {
        var (_, member, id) = TargetOf(revocation);
        var entry = new JsonObject { ["issuer"] = revocation.Issuer, [member] = id, ["expires"] = revocation.ExpiresAt.Seconds + 1 };
        if (member != "jti")
        {
            entry["notBefore"] = revocation.NotBefore.Seconds;
        }

        return entry.ToJsonString();
    }

    public static Revocation Read(ResourceRow row)
    {
        var entry = JsonNode.Parse(row.Json)!.AsObject();
        var revocation = new Revocation
        {
            Issuer = (string)entry["issuer"]!,
            NotBefore = (long?)entry["notBefore"] is { } notBefore ? new Timestamp { Seconds = notBefore } : null,
            ExpiresAt = row.ExpiresAtMs is { } expires ? Timestamp.FromDateTimeOffset(DateTimeOffset.FromUnixTimeMilliseconds(expires)) : null,
        };
        switch (ListOf(row))
        {
            case "tokens": revocation.TokenId = (string)entry["jti"]!; break;
            case "sessions": revocation.SessionId = (string)entry["sid"]!; break;
            case "subjects": revocation.Subject = (string)entry["sub"]!; break;
        }

        return revocation;
    }

    /// <summary>As tokens are held against it.</summary>
    public static KeyValuePair<Revocations.Key, Revocations.Extent> ToEntry(ResourceRow row)
    {
        var revocation = Read(row);
        var (target, id) = revocation.TargetCase switch
        {
            Revocation.TargetOneofCase.TokenId => (Revocations.Target.Token, revocation.TokenId),
            Revocation.TargetOneofCase.SessionId => (Revocations.Target.Session, revocation.SessionId),
            _ => (Revocations.Target.Subject, revocation.Subject),
        };
        return KeyValuePair.Create(
            new Revocations.Key(target, revocation.Issuer, id),
            new Revocations.Extent(revocation.NotBefore?.Seconds ?? long.MaxValue, revocation.ExpiresAt?.Seconds + 1 ?? long.MaxValue));
    }

    private static (string List, string Member, string Id) TargetOf(Revocation revocation) => revocation.TargetCase switch
    {
        Revocation.TargetOneofCase.TokenId => ("tokens", "jti", revocation.TokenId),
        Revocation.TargetOneofCase.SessionId => ("sessions", "sid", revocation.SessionId),
        Revocation.TargetOneofCase.Subject => ("subjects", "sub", revocation.Subject),
        _ => throw new ArgumentException("a revocation has a target", nameof(revocation)),
    };
}
